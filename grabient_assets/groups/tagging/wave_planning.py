"""What adaptive tagging would send: the first wave exactly, the later ones by how many palettes went on so far.

A later wave is the difference of two plans: of everything up to it and of everything before it, if every palette went
on. So what is answered, under way or equal is left out of it by the same rule as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.later_waves import ASSUMED_TO_GO_ON, EXPECTED_TO_GO_ON, went_on
from grabient_assets.groups.tagging.planning import plan_tagging
from grabient_assets.groups.tagging.wave_audit import audit_counts, audit_figures, failing_plans
from grabient_assets.groups.tagging.wave_plans import WavePlan
from grabient_assets.groups.tagging.waves import answered_enough, wave_counts
from grabient_assets.ledger.estimates import DollarRange, Measured, MeasuredKey
from grabient_assets.ledger.planning import PlannedModel, Sending
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class LaterWave:
    """What a wave after the first adds if every palette went on to it, and the share of palettes that is expected to.

    `measured`: whether that share is what happened under this prompt version before.
    """

    wave: int
    models: int
    share: float
    measured: bool
    requests: int
    input_tokens: int
    output_tokens: int
    usd: DollarRange


@dataclass(frozen=True, slots=True)
class PlannedWaves:
    """The plan of an adaptive run: `first` is what goes out at once, model by model; the models that come later have
    nothing to send in it."""

    plan: WavePlan
    first: tuple[PlannedModel, ...]
    later: tuple[LaterWave, ...]

    @property
    def expected_usd(self) -> Decimal:
        """What the later waves are expected to cost."""
        return sum((wave.usd.expected * Decimal(str(wave.share)) for wave in self.later), Decimal(0))

    @property
    def most_usd(self) -> Decimal:
        """The most they are expected to cost: every palette goes on to the end."""
        return sum((wave.usd.high for wave in self.later), Decimal(0))


def plan_in_waves(
    connection: DuckDBPyConnection,
    plan: WavePlan,
    models: Sequence[Model],
    seeds: Sequence[str],
    answers_from: str,
    on: date,
    measured: Mapping[MeasuredKey, Measured],
    others: Sequence[str] = (),
) -> PlannedWaves:
    """The plan if these palettes were asked for adaptively; `others` were chosen too and lack nothing.

    Palettes to whose tags these models have nothing to add are asked nothing, whatever else they lack.
    """
    digests = [one.request_digest for members in plan.waves for one in members]
    enough = answered_enough(connection, plan.prompt_version, digests, plan.analyses)
    wanting = [seed for seed in seeds if seed not in enough]
    settled = [*others, *(seed for seed in seeds if seed in enough)]

    def until(wave: int) -> list[PlannedModel]:
        """Everything up to this wave."""
        times = {
            (one.provider, one.model): one.analyses for members in plan.waves[:wave] for one in members
        }  # later waves ask at least as often
        found: dict[Model, PlannedModel] = {}
        for analyses in sorted({times.get((m.provider, m.id), 0) for m in models}):
            chosen = [m for m in models if times.get((m.provider, m.id), 0) == analyses]
            asked, idle = (wanting, settled) if analyses else ((), (*wanting, *settled))
            planned = plan_tagging(
                connection, chosen, plan.prompt_version, asked, analyses, answers_from, on, measured, idle
            )
            found |= {one.model: one for one in planned}
        return [found[model] for model in models]

    steps = [until(wave) for wave in range(1, len(plan.waves) + 1)]
    counts = wave_counts(connection, plan.prompt_version)
    lost = plan.plan_id in failing_plans(audit_figures(audit_counts(connection, plan.prompt_version)))
    later: list[LaterWave] = []
    reached, known = 1.0, True
    for wave, (before, after) in enumerate(pairwise(steps), 2):
        share = 1.0 if wave == 2 and lost else went_on(counts, wave - 1)
        known = known and share is not None
        assumed = EXPECTED_TO_GO_ON if wave == 2 else ASSUMED_TO_GO_ON
        reached *= assumed if share is None else share
        later.append(_later(wave, len(plan.waves[wave - 1]), reached, known, _total(before), _total(after)))
    return PlannedWaves(plan, tuple(steps[0]), tuple(later))


def _total(planned: Sequence[PlannedModel]) -> Sending:
    return sum((one.sending for one in planned if one.cannot is None), Sending())


def _later(wave: int, models: int, share: float, known: bool, before: Sending, after: Sending) -> LaterWave:
    usd, less = after.usd or DollarRange(), before.usd or DollarRange()
    return LaterWave(
        wave,
        models,
        share,
        known,
        after.requests - before.requests,
        after.input_tokens - before.input_tokens,
        after.output_tokens - before.output_tokens,
        DollarRange(usd.low - less.low, usd.expected - less.expected, usd.high - less.high),
    )
