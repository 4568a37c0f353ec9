"""The report on a prompt version: each model against what the colours know, the models among themselves, the panel.

One field is in memory at a time. What is compared when a model is left out is the majority of the four categorical
fields together: one consensus of each palette and field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from grabient_assets.consensus.agreement import Alpha, Bootstrap, item_entropy, nominal_alpha, set_alpha, tag_entropy
from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.gold import (
    GoldRates,
    blank_answers,
    errors_on_gold,
    macro_average,
    measure_skill,
    measure_tag_skill,
)
from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.consensus.independence import (
    ENOUGH_ERRORS,
    dollars_per_effective_vote,
    effective_votes,
    error_correlation,
    pairs_of,
    votes_interval,
)
from grabient_assets.consensus.majority import PartMajority, tag_majority
from grabient_assets.consensus.panel import Without, judge, leave_one_out, removals
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.calibration.reestimating import Reestimating
from grabient_assets.groups.calibration.sentences import Loss, who_could_go
from grabient_assets.groups.tagging.answers import LIST_FIELDS
from grabient_assets.groups.tagging.coded import CodedTags, CodedValues, CodedVersion, read_version
from grabient_assets.groups.tagging.model_reports import (
    Asked,
    FieldReport,
    ModelReport,
    PanelReport,
    Report,
    asked,
    newest_consensus,
    record_report,
)
from grabient_assets.groups.tagging.skills import SkillRecord, fit_field, read_skills, record_skills, shared_errors
from grabient_assets.groups.tagging.tag_consensus import methods_of
from grabient_assets.groups.tagging.tallying import estimator_of
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

BOOTSTRAP = Bootstrap(seed=1)
NO_PAIR = (
    f"No two models were wrong at least {ENOUGH_ERRORS} times each on palettes whose answer the colours know, so "
    "nothing tells whether they err together."
)
Model = tuple[str, str]


@dataclass(frozen=True)
class _Measured:
    """What the panel's figures need of one categorical field."""

    annotations: Annotations
    gold: Ints
    errors: Floats


class Measuring:
    """Makes the report of a version from its fields, one after the other, so that only one is in memory."""

    def __init__(self, version: CodedVersion, asked: Mapping[Model, Asked], now: datetime) -> None:
        self._version, self._asked, self._now = version, asked, now
        self._rows = _Rows(version, asked, now)
        self._models: list[ModelReport] = []
        self._fields: list[FieldReport] = []
        self._measured: list[_Measured] = []

    def add(self, coded: CodedValues | CodedTags) -> None:
        """Measure one field."""
        field, annotations, gold = coded.field, coded.annotations, coded.gold
        if isinstance(coded, CodedValues):
            self._models += self._rows.categorical(field, annotations, coded.gold)
            self._fields.append(self._rows.categorical_field(field, annotations))
            self._measured.append(_Measured(annotations, coded.gold, errors_on_gold(annotations, coded.gold)))
        else:
            self._models += self._rows.tags(field, annotations, gold)
            self._fields.append(self._rows.tag_field(field, annotations))

    def report(self) -> Report | None:
        """The report of all that was measured; None when nobody gave a usable answer."""
        if not self._measured:
            return None
        silent = [model for model in self._asked if model not in self._version.answered.models]
        every = (*CATEGORICAL_VALUES, *LIST_FIELDS)
        unmeasured = [self._rows.unmeasured(model, field) for model in silent for field in every]
        panel = _panel(self._version, self._measured, self._asked, self._now)
        return Report((*self._models, *unmeasured), tuple(self._fields), panel)


@dataclass(frozen=True)
class _Rows:
    version: CodedVersion
    asked: Mapping[Model, Asked]
    now: datetime

    def categorical(self, field: str, annotations: Annotations, gold: Ints) -> Iterator[ModelReport]:
        skill, values = measure_skill(annotations, gold), CATEGORICAL_VALUES[field]
        averages = [macro_average(one) for one in (skill.sensitivity, skill.specificity)]
        blank = blank_answers(annotations)
        for number, model in enumerate(self.version.answered.models):
            by_value = {
                value: {
                    "sensitivity": _cell(skill.sensitivity, (number, code)),
                    "specificity": _cell(skill.specificity, (number, code)),
                }
                for code, value in enumerate(values)
            }
            trials = int(skill.accuracy.trials[number])
            rates = [_cell(one, (number,)) for one in (skill.accuracy, *averages)]
            yield self._row(model, field, trials, rates, int(blank[number]), json.dumps(by_value))

    def tags(self, field: str, annotations: Annotations, gold: Ints | None) -> Iterator[ModelReport]:
        skill = None if gold is None else measure_tag_skill(annotations, gold)
        for number, model in enumerate(self.version.answered.models):
            if skill is None:
                yield self.unmeasured(model, field)
            else:
                trials = int(skill.sensitivity.trials[number] + skill.specificity.trials[number])
                rates = [_cell(one, (number,)) for one in (skill.sensitivity, skill.specificity)]
                yield self._row(model, field, trials, [None, *rates])

    def unmeasured(self, model: Model, field: str) -> ModelReport:
        """Nothing is known for certain: an open field, or a model without a usable answer."""
        return self._row(model, field, 0, [None, None, None])

    def categorical_field(self, field: str, annotations: Annotations) -> FieldReport:
        return self._field(field, nominal_alpha(annotations, BOOTSTRAP), item_entropy(annotations))

    def tag_field(self, field: str, annotations: Annotations) -> FieldReport:
        of, found = annotations.candidates, tag_majority(annotations)
        alpha = set_alpha(annotations, BOOTSTRAP, seed=BOOTSTRAP.seed)
        return self._field(field, alpha, tag_entropy(of.item, found.share, annotations.items))

    def _row(
        self,
        model: Model,
        field: str,
        gold: int,
        rates: Sequence[list[float] | None],
        blank: int | None = None,
        by_value: str | None = None,
    ) -> ModelReport:
        """`rates`: accuracy, sensitivity, specificity."""
        counts = self.asked[model]
        cells = [cell for rate in rates for cell in (rate or [None] * 3)[:3]]
        key = (self.version.prompt_version, *model, field, counts.answers, counts.usable, blank, gold)
        return ModelReport(*key, *cells, by_value, self.now)  # pyright: ignore[reportCallIssue] nine cells

    def _field(self, field: str, alpha: Alpha, entropy: Floats) -> FieldReport:
        voted = np.isfinite(entropy)
        mean = float(entropy[voted].mean()) if voted.any() else None
        version = self.version.prompt_version
        return FieldReport(
            version, field, alpha.units, alpha.value, alpha.low, alpha.high, alpha.reason, mean, self.now
        )


def _cell(rates: GoldRates, place: tuple[int, ...]) -> list[float] | None:
    """[value, low, high, trials], or None where there was nothing to measure."""
    if not rates.trials[place]:
        return None
    return [float(part[place]) for part in (rates.value, rates.low, rates.high, rates.trials)]


def _panel(
    version: CodedVersion, measured: Sequence[_Measured], asked: Mapping[Model, Asked], now: datetime
) -> PanelReport:
    models = version.answered.models
    costs = [asked[model].cost_usd for model in models]
    errors = [one.errors for one in measured]
    correlation = error_correlation(errors)
    matrix, votes = correlation.matrix, effective_votes(correlation.matrix)
    low, high = votes_interval(errors)
    dollars = dollars_per_effective_vote(costs, matrix)
    together, gold = _stacked(measured)
    consensus = PartMajority(together)
    singles = leave_one_out(together, consensus, costs, matrix, gold)
    half = _every_other_palette(measured)
    steps = removals(together, consensus, costs, matrix, gold, half)
    losses = [
        Loss(one.annotator, one.changed, one.accuracy_change, one.saved, one.votes, seen)
        for one, seen in zip(steps, judge(together, consensus, steps, ~half, gold), strict=True)
    ]
    cost = sum(costs, Decimal(0))
    names = [f"{provider} {model}" for provider, model in models]
    return PanelReport(
        prompt_version=version.prompt_version,
        palettes=len(version.answered.seeds),
        models=json.dumps(models),
        correlation=json.dumps(
            [[round(one, 4) if np.isfinite(one) else None for one in row] for row in matrix.tolist()]
        ),
        effective_votes=votes,
        effective_votes_low=low,
        effective_votes_high=high,
        pairs=correlation.pairs,
        effective_votes_reason=_why_unknown(correlation.pairs, len(models)) if votes is None else None,
        cost_usd=cost,
        usd_per_effective_vote=None if dollars is None else round(dollars, 10),
        without=json.dumps([_without(models, one) for one in singles]),
        sentence=who_could_go(names, cost, losses),
        reported_at=now,
    )


def _why_unknown(pairs: int, models: int) -> str:
    if not pairs:
        return NO_PAIR
    return (
        f"Whether two models err together is known of {pairs} of {pairs_of(models)} pairs only (both wrong at least "
        f"{ENOUGH_ERRORS} times on palettes whose answer the colours know). That is less than half, so nothing is said "
        "of all of them."
    )


def _stacked(measured: Sequence[_Measured]) -> tuple[Annotations, Ints]:
    """The fields as one: every palette and field an item of its own, values numbered from 0 in each."""
    first = measured[0].annotations
    parts = [one.annotations for one in measured]
    items = np.cumsum([0, *(part.items for part in parts)])
    ballots = np.cumsum([0, *(part.ballot_item.size for part in parts)])

    def joined(name: str, shifts: Sequence[int] | Ints | None = None) -> Ints:
        given = [getattr(part, name) for part in parts]
        return np.concatenate([one + (0 if shifts is None else shifts[at]) for at, one in enumerate(given)])

    together = Annotations(
        int(items[-1]),
        first.annotators,
        max(part.values for part in parts),
        joined("ballot_item", items),
        joined("ballot_annotator"),
        joined("ballot_answers"),
        joined("entry_ballot", ballots),
        joined("entry_value"),
        joined("entry_times"),
    )
    return together, np.concatenate([one.gold for one in measured])


def _every_other_palette(measured: Sequence[_Measured]) -> Flags:
    """Of the fields as one: a palette is in the same half in each of them."""
    return np.concatenate([np.arange(one.annotations.items) % 2 == 0 for one in measured])


def _without(models: Sequence[Model], one: Without) -> dict[str, object]:
    provider, model = models[one.annotator]
    change = None if one.accuracy_change is None else round(one.accuracy_change, 6)
    votes = None if one.votes is None else round(one.votes, 4)
    found: dict[str, object] = {"provider": provider, "model": model, "changed": round(one.changed, 6)}
    return {**found, "accuracy_change": change, "saved_usd": str(one.saved), "votes": votes}


def report_on(warehouse: Warehouse, prompt_version: str, now: datetime) -> Report | None:
    """Measure the version and store what comes out; None when it has no usable answer. The probabilities of its
    palettes follow the rates that are fitted with it.

    A consensus that is built meanwhile is newer than the report, whose time is taken first.
    """
    with warehouse.write() as connection:
        newest = newest_consensus(connection, prompt_version)
        at = ledger_time(connection, now)
        at = max(at, newest) if newest else at
    with warehouse.read() as connection:
        version = read_version(connection, prompt_version)
        counts = asked(connection, prompt_version)
        methods = methods_of(connection, prompt_version)
    measuring, rates = Measuring(version, counts, at), list[SkillRecord]()
    estimates = Reestimating(version, {estimator_of(method) for method in methods})
    shared = shared_errors(version)
    for coded in version.fields():
        measuring.add(coded)
        fitted = fit_field(version, coded, shared, at)
        estimates.add(coded, {how: one for (_, _, how), one in read_skills(fitted).items()})
        rates += fitted
    report = measuring.report()
    if report is not None:
        with warehouse.write() as connection:
            record_report(connection, report)
            record_skills(connection, rates)
        estimates.store(warehouse)
    return report
