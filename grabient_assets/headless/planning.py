"""What `grabient run` would send and what it would cost. No network, nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.palettes.tables import any_palette, palette_rows
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.planning import Foreseen, plan_refinements
from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.groups.tagging.adaptive import waves_of
from grabient_assets.groups.tagging.planning import plan_tagging
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.groups.tagging.tag_consensus import tagged_elsewhere
from grabient_assets.groups.tagging.wave_planning import PlannedWaves, plan_in_waves
from grabient_assets.groups.tagging.withheld import sentences, withheld_palettes
from grabient_assets.headless.run_goal import REFINED, Until, make_goal, tagging_targets
from grabient_assets.ledger.admission import refuse_draft, refuse_other_mode
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.budget import Allowance, monthly
from grabient_assets.ledger.estimates import DollarRange, measured_tokens
from grabient_assets.ledger.held_work import still_held
from grabient_assets.ledger.planning import PlannedModel, Sending
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, images_by_url, usable_providers, why_not_usable
from grabient_assets.settings import PROVIDERS, Settings, prompts_dir
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Finishing:
    """How many palettes so many dollars bring to their end: if everything costs the high end of its estimate, what is
    expected, or the low end. `rest` is what the palettes cost that it is not expected to
    be enough for. With less than `begins`, none is begun."""

    usd: Decimal
    least: int
    expected: int
    most: int
    rest: DollarRange
    begins: Decimal


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run with these options would do.

    `palettes` were chosen, `needing` of them lack something. `refinement` is None when its provider is left out.
    `warnings` are sentences about what is left out and what ends soon; `refused` about what could not be sent;
    `over_budget` about what was asked for and waits for money, under the limits it was asked with. Of an adaptive run
    `tagging` is the first wave, and `waves` says what may follow. `finishing` is None where nothing limits the money.
    """

    prompt_version: str
    analyses: int
    palettes: int
    needing: int
    tagging: tuple[PlannedModel, ...]
    refinement: PlannedModel | None
    budget: Allowance | None
    warnings: tuple[str, ...]
    waves: PlannedWaves | None = None
    over_budget: tuple[str, ...] = ()
    finishing: Finishing | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """Why some of what is missing could not be sent."""
        parts = [*self.tagging, *([self.refinement] if self.refinement else [])]
        return tuple(dict.fromkeys(one.cannot for one in parts if one.cannot and one.sending.requests))

    @property
    def total(self) -> Sending:
        """All that can be sent, refinement included; of an adaptive run without its later waves."""
        parts = [*self.tagging, *([self.refinement] if self.refinement else [])]
        return sum((one.sending for one in parts if one.cannot is None), Sending())

    @property
    def usd(self) -> DollarRange:
        """What a run costs: at least that, of an adaptive one with the later waves as far as they are expected, and at
        most with all of them."""
        usd = self.total.usd or DollarRange()
        if self.waves is None:
            return usd
        return usd + DollarRange(expected=self.waves.expected_usd, high=self.waves.most_usd)

    @property
    def fits(self) -> bool | None:
        """Whether the month's budget suffices even for the high end; None without a budget."""
        return None if self.budget is None else self.usd.high <= self.budget.left


def make_plan(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str,
    analyses: int,
    among: Sequence[str] | None,
    limit: int | None,
    now: datetime,
    *,
    adaptive: bool = False,
    until: Until = "indexed",
    max_usd: Decimal | None = None,
) -> Plan:
    """The plan for the palettes that `grabient run` would take: wave by wave with `adaptive`, up to the stage `until`,
    and under a cap with `max_usd`.

    Without any provider that can be asked, it is made as if all could be. Raises what `grabient run` raises for a
    draft in live mode and for a folder of the other mode.
    """
    today, mode = now.date(), answers_from(settings)
    refuse_draft(load_palette_prompts(prompt_version), mode)
    providers = usable_providers(settings) or PROVIDERS
    with warehouse.read() as connection:
        refuse_other_mode(connection, mode)
        loaded = any_palette(connection)
    chosen, needing, withheld, tagged = (), (), (), ()
    if loaded:
        goal = make_goal(
            warehouse,
            settings,
            prompt_version,
            analyses,
            until,
            among,
            limit,
            today=today,
            providers=providers,
            adaptive=adaptive,
        )
        chosen, needing, withheld, tagged = goal.seeds, goal.needing, goal.withheld, goal.tagged
    others = tuple(set(chosen) - set(needing))
    with warehouse.read() as connection:
        measured = measured_tokens(connection)
        waves, refinement, models = None, None, taggers(providers)
        if adaptive:
            plan = waves_of(connection, prompt_version, providers, analyses, mode, today, measured)
            waves = plan_in_waves(connection, plan, models, needing, mode, today, measured, others)
            tagging = waves.first
        else:
            tagging = plan_tagging(connection, models, prompt_version, needing, analyses, mode, today, measured, others)
        if refiner().provider in providers and until in REFINED:
            targets = tagging_targets(settings, prompt_version, providers, today)
            refinement = plan_refinements(
                connection,
                prompt_version,
                tuple(set(tagged) - set(withheld)),
                mode,
                today,
                measured,
                by_url=images_by_url(settings),
                untagged=tuple(set(needing) - set(tagged) - set(withheld)),
                refined=others,
                foreseen=None if adaptive else Foreseen(targets, analyses, settings.consensus == "majority"),
            )
        rows = palette_rows(connection, needing)
        kept = withheld_palettes(connection, [SubjectVersion(prompt_version, seed) for seed in withheld])
        elsewhere = tagged_elsewhere(connection, prompt_version, needing)
        budget = monthly(connection, settings.budget_usd, now) if settings.budget_usd is not None else None
        held = still_held(connection, PURPOSES, settings.budget_usd, now, None, None)
    asked = [*models, *([refiner()] if refinement else [])]
    limits = [usd for usd in (max_usd, budget.left if budget else None) if usd is not None]
    finishing = None
    if limits and needing:
        refining = max(1, len(needing) - len(withheld)) if refinement else 0
        finishing = _finishing(min(limits), rows, prompt_version, tuple(tagging), refinement, refining, waves)
    others_words = _bought_again(elsewhere, prompt_version)
    warnings = (*others_words, *_left_out(settings, loaded), *sentences(kept), *_about_models(asked, today))
    return Plan(
        prompt_version,
        analyses,
        len(chosen),
        len(needing),
        tuple(tagging),
        refinement,
        budget,
        warnings,
        waves,
        tuple(dict.fromkeys(held.values())),
        finishing,
    )


def _finishing(
    usd: Decimal,
    rows: Sequence[int],
    prompt_version: str,
    tagging: Sequence[PlannedModel],
    refinement: PlannedModel | None,
    refining: int,
    waves: PlannedWaves | None,
) -> Finishing:
    """Palettes are finished as they are sent (ledger/funding.py): the cheapest first, and one is begun when what is
    left then covers its expected cost and the spread of its riskiest request. Refinement and later waves are shared out
    evenly among those that may still get them, `refining` of the palettes in these `rows`."""
    import numpy

    places = numpy.sort(numpy.asarray(rows))
    ends = ("low", "expected", "high")
    cost = {end: numpy.zeros(len(places)) for end in ends}
    spread = numpy.zeros(len(places))
    for one in tagging:
        if one.cannot is not None or one.sending.usd is None or not one.sending.requests:
            continue
        for lines in one.counts.lines:
            here = numpy.isin(lines.places, places) & (lines.prompt_version == prompt_version)
            requests = numpy.bincount(numpy.searchsorted(places, lines.places[here]), lines.requests[here], len(places))
            for end in ends:
                cost[end] += requests * float(getattr(one.sending.usd, end)) / one.sending.requests
            spread = numpy.maximum(spread, (requests > 0) * _spread(one.sending.usd, one.sending.requests))
    even, later = DollarRange(), DollarRange()
    if refinement is not None and refinement.cannot is None and refinement.sending.usd is not None:
        even = refinement.sending.usd
        spread = numpy.maximum(spread, _spread(even, refinement.sending.requests))
    if waves is not None:
        later = DollarRange(expected=waves.expected_usd, high=waves.most_usd)
        spread = numpy.maximum(spread, max((_spread(one.usd, one.requests) for one in waves.later), default=0.0))
    order, sums = numpy.argsort(cost["expected"], kind="stable"), dict[str, Any]()
    for end in ends:
        each = float(getattr(even, end)) / max(1, refining) + float(getattr(later, end)) / len(places)
        cost[end] = (cost[end] + each)[order]
        sums[end] = numpy.concatenate(([0.0], numpy.cumsum(cost[end])))
    begins = numpy.minimum(cost["expected"] + spread[order], cost["high"])
    most = float(usd) * (1 + 1e-12)
    counts = {
        end: int(numpy.searchsorted(numpy.maximum.accumulate(sums[end][:-1] + begins), most, side="right"))
        for end in ("low", "expected")
    }
    least, done = int(numpy.searchsorted(sums["high"][1:], most, side="right")), counts["expected"]

    def dollars_of(end: str, start: int, stop: int) -> Decimal:
        return Decimal(str(round(sums[end][stop] - sums[end][start], 10)))

    rest = {end: dollars_of(end, done, len(places)) for end in ends}
    return Finishing(
        usd,
        least,
        done,
        max(done, counts["low"]),
        DollarRange(**rest),
        Decimal(str(round(float(begins.min()), 10))),
    )


def _spread(usd: DollarRange, requests: int) -> float:
    """How far the high end of one of so many requests lies above what is expected of it."""
    return float(usd.high - usd.expected) / requests if requests else 0.0


def _bought_again(elsewhere: Mapping[str, int], prompt_version: str) -> Iterator[str]:
    """That palettes are tagged under another version, whose answers this one cannot use."""
    digest = load_palette_prompts(prompt_version)["tagging"].digest
    folder = prompts_dir()
    known = load_prompt_versions(folder)
    for version, palettes in elsewhere.items():
        if version in known and load_palette_prompts(version, folder)["tagging"].digest == digest:
            continue  # the wording is the same, and so are the requests: nothing is bought
        way_out = f"Prompt version {version} goes on with what is there."
        if version not in known:
            way_out = f"Nothing can be asked under {version}: {folder.name}/ has no such folder."
        were = "palette is" if palettes == 1 else "palettes are"
        yield (
            f"{palettes} {were} tagged under {version}. Prompt version {prompt_version} is another wording: they are "
            f"asked about and paid for again. {way_out}"
        )


def _left_out(settings: Settings, loaded: bool) -> Iterator[str]:
    usable = usable_providers(settings)
    yield from (why_not_usable(settings, provider) for provider in PROVIDERS if provider not in usable)
    if not loaded:
        yield "No palette is loaded. Load some first: grabient load FILE"


def _about_models(asked: Sequence[Model], today: date) -> Iterator[str]:
    """Which of them are shut down, and which will be soon."""
    yield from load_registry().refusals(asked, today).values()
    yield from load_registry().warnings(asked, today)
