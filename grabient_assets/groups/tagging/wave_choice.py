"""Whom to ask in which wave.

Wave one is a few models that are cheap, good and wrong about different palettes; wave two is the rest of the panel; the
last one asks everybody as often as the cap says. Where the prompt version has a report, wave one is chosen by what was
measured: skill from the fitted error rates, which do not make a model look worse for having been asked about the hard
palettes only, and the correlation of errors from the report. Otherwise it is the cheapest model of each family.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np

from grabient_assets.consensus.grouping import Floats
from grabient_assets.consensus.panel import WaveRule, choose_wave
from grabient_assets.errors import AnnotationsError
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.model_reports import report_of
from grabient_assets.groups.tagging.skills import read_skills, skills
from grabient_assets.groups.tagging.wave_plans import WaveMember, WavePlan, plan_in_use
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FEWEST_FIRST, MOST_FIRST = 3, 5
"""Models in wave one. Two cannot outvote a mistake; a sixth adds little to good ones of other families."""

USUAL_FIRST = 4
"""Models in wave one while nothing is measured: one per family as far as there are so many."""

SHARE_OF_PRICE = Decimal("0.25")
"""The most that wave one may cost, as a part of asking every model once. Every palette pays for it: at a quarter, and
with three quarters of the palettes going on, the whole stays below the price of the full panel."""

FEWEST_GOLD = 30
"""Palettes of known answers on which a model must have been measured before it is chosen for what was measured: the
95 % interval of an accuracy of 0.9 is then some 20 points wide, enough to tell a good model from a bad one."""


Basis = Literal["measured", "cheapest"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be asked: the digest of its requests, and the dollars of one, None at an unknown price."""

    model: Model
    request_digest: str
    usd: Decimal | None

    @property
    def key(self) -> tuple[str, str]:
        """Provider and model."""
        return self.model.provider, self.model.id


@dataclass(frozen=True, eq=False)
class Figures:
    """What was measured of some models, in this order: accuracy, the correlation of their errors (NaN where it is not
    known), and how probable it is to be right by chance."""

    models: tuple[tuple[str, str], ...]
    accuracy: Floats
    correlation: Floats
    chance: float


def plan_waves(
    connection: DuckDBPyConnection, prompt_version: str, candidates: Sequence[Candidate], analyses: int
) -> WavePlan:
    """The waves in which these models are asked, up to `analyses` times. While palettes of the version are under way
    with the same models, whoever comes first stays first."""
    digests = sorted(one.request_digest for one in candidates)
    panel_id = _digest([prompt_version, digests])
    used = plan_in_use(connection, prompt_version, panel_id)
    if used is None:
        first, basis = first_wave(candidates, figures_of(connection, prompt_version))
    else:
        first, basis = frozenset((one.provider, one.model) for one in used.waves[0]), used.basis
    waves = _waves(candidates, first, analyses)
    described = [[(one.provider, one.model, one.analyses) for one in wave] for wave in waves]
    return WavePlan(_digest([panel_id, described]), prompt_version, panel_id, analyses, basis, waves)


def first_wave(candidates: Sequence[Candidate], figures: Figures | None) -> tuple[frozenset[tuple[str, str]], Basis]:
    """The models of wave one, and how they were chosen."""
    chosen = _measured(candidates, figures) if figures is not None else None
    return (chosen, "measured") if chosen else (_cheapest(candidates), "cheapest")


def figures_of(connection: DuckDBPyConnection, prompt_version: str) -> Figures | None:
    """What is stored about the models under this version, those with enough gold; None without a report."""
    report = report_of(connection, prompt_version)
    rates = read_skills(skills(connection, [prompt_version]))
    if report is None:
        return None
    gold: dict[tuple[str, str], int] = {}
    for row in report.models:
        if row.field in CATEGORICAL_VALUES:
            gold[row.provider, row.model] = gold.get((row.provider, row.model), 0) + row.gold
    fields = [rates[key] for field in CATEGORICAL_VALUES if (key := (prompt_version, field, "full")) in rates]
    named = [(provider, model) for provider, model in json.loads(report.panel.models)]
    known = [
        number
        for number, model in enumerate(named)
        if gold.get(model, 0) >= FEWEST_GOLD and all(model in one.models for one in fields)
    ]
    if not fields or not known:
        return None
    models = tuple(named[number] for number in known)
    accuracies: list[Floats] = []
    for one in fields:
        parameters = one.of(models)
        accuracies.append(np.einsum("k,akk->a", parameters.prevalence, parameters.confusion))
    matrix = np.asarray(json.loads(report.panel.correlation), dtype=np.float64)[np.ix_(known, known)]
    chance = float(np.mean([1 / len(values) for values in CATEGORICAL_VALUES.values()]))
    return Figures(models, np.mean(accuracies, axis=0), matrix, chance)


def _measured(candidates: Sequence[Candidate], figures: Figures) -> frozenset[tuple[str, str]] | None:
    """The strongest wave among the measured models; None when there are too few, or all are too dear."""
    prices: Mapping[tuple[str, str], Decimal] = {one.key: one.usd for one in candidates if one.usd is not None}
    there = [number for number, model in enumerate(figures.models) if model in prices]
    if len(there) < FEWEST_FIRST or len(candidates) <= FEWEST_FIRST:
        return None
    rule = WaveRule(SHARE_OF_PRICE * sum(prices.values(), Decimal(0)), FEWEST_FIRST, MOST_FIRST)
    try:
        wave = choose_wave(
            [prices[figures.models[number]] for number in there],
            figures.accuracy[there],
            _assumed(figures, {one.key: one.model.family for one in candidates})[np.ix_(there, there)],
            figures.chance,
            rule,
        )
    except AnnotationsError:
        return None
    return frozenset(figures.models[there[member]] for member in wave.members)


def _assumed(figures: Figures, families: Mapping[tuple[str, str], str]) -> Floats:
    """The correlations, with an assumption where one is not known: two models of a family err together as much as any
    two do that were measured, others as they do in the mean. Where nothing was measured, models of a family are taken
    for one."""
    known = figures.correlation[np.triu_indices(len(figures.models), 1)]
    known = known[np.isfinite(known)]
    most, mean = (float(known.max()), float(known.mean())) if known.size else (1.0, 0.0)
    family = [families.get(model) for model in figures.models]
    alike = np.asarray([[one is not None and one == other for other in family] for one in family])
    return np.where(np.isfinite(figures.correlation), figures.correlation, np.where(alike, most, mean))


def _cheapest(candidates: Sequence[Candidate]) -> frozenset[tuple[str, str]]:
    """The cheapest model of each of the cheapest families, filled up with the cheapest others. A model of unknown price
    comes after all others."""
    ordered = sorted(candidates, key=lambda one: (one.usd is None, one.usd or Decimal(0), one.key))
    families: dict[str, Candidate] = {}
    for one in ordered:
        families.setdefault(one.model.family, one)
    chosen = [one.key for one in families.values() if one.usd is not None][:USUAL_FIRST]
    for one in ordered:
        if len(chosen) >= FEWEST_FIRST:
            break
        if one.key not in chosen:
            chosen.append(one.key)
    return frozenset(chosen)


def _waves(
    candidates: Sequence[Candidate], first: frozenset[tuple[str, str]], analyses: int
) -> tuple[tuple[WaveMember, ...], ...]:
    """Those of wave one, the others, and everybody up to the cap; a wave that would ask nothing new is left out."""

    def members(chosen: Sequence[Candidate], times: int) -> tuple[WaveMember, ...]:
        found = [WaveMember(*one.key, one.request_digest, times) for one in chosen]
        return tuple(sorted(found, key=lambda one: (one.provider, one.model)))

    waves = [
        members([one for one in candidates if one.key in first], 1),
        members([one for one in candidates if one.key not in first], 1),
        members(candidates, analyses) if analyses > 1 else (),
    ]
    return tuple(wave for wave in waves if wave)


def _digest(described: object) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:20]
