"""Which palettes are certain after a wave, and taking the others to the next one.

Only the categorical fields decide. Open tags do not help: after wave one nearly every palette has some tag that might
as well be missing (docs/consensus.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from grabient_assets.consensus.dawid_skene import posteriors
from grabient_assets.consensus.majority import majority
from grabient_assets.consensus.panel import uncertain
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.coded import CodedVersion, read_values
from grabient_assets.groups.tagging.purpose import TAGGING, taggers
from grabient_assets.groups.tagging.skills import Skills, fresh_skills
from grabient_assets.groups.tagging.wave_audit import (
    Tally,
    audit_counts,
    audit_figures,
    begin_audits,
    end_audits,
    failing_plans,
    is_audited,
    plans_under_audit,
    worth_waiting,
)
from grabient_assets.groups.tagging.waves import CERTAIN, WaveEnd, ended_waves, go_on, hold, settle
from grabient_assets.groups.tagging.withheld import withheld_palettes
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def judge_waves(
    warehouse: Warehouse,
    providers: Sequence[str],
    clock: Callable[[], datetime],
    among: Sequence[SubjectVersion] | None = None,
) -> None:
    """Settle the palettes whose wave has ended and that are certain, or have no further wave; ask the next wave about
    the others. Repeats where answers to the next wave are there already.

    What is decided is written in one transaction with the asks that follow from it. A process that is killed before
    has changed nothing, and the next one decides the same.
    """
    while True:
        with warehouse.read() as connection:
            ended = ended_waves(connection, providers, among)
        if not ended:
            return
        judged = _judge(warehouse, ended, clock())
        with warehouse.write() as connection:
            _decide(connection, ended, judged, providers, clock())


def certain_palettes(version: CodedVersion, rates: Mapping[str, Skills], threshold: float = CERTAIN) -> set[str]:
    """The seeds of the palettes of which every categorical field has a value as probable as `threshold`.

    `rates` by field. A palette without a usable value in some field is not among them.
    """
    answered = version.answered
    if not answered.seeds or not rates.keys() >= CATEGORICAL_VALUES.keys():
        return set()
    certain = np.ones(len(answered.seeds), dtype=bool)
    for field in CATEGORICAL_VALUES:
        annotations = version.categorical(field).annotations
        has_votes = np.zeros(annotations.items, dtype=bool)
        has_votes[annotations.candidates.item] = True
        skills = rates[field]
        found = posteriors(annotations, skills.of(answered.models), skills.correlation)
        certain &= has_votes & ~uncertain(found, threshold)
    return {seed for seed, sure in zip(answered.seeds, certain.tolist(), strict=True) if sure}


@dataclass(frozen=True, slots=True)
class _Judged:
    """The palettes that go on, and those of them that are certain and go on for the audit, each with its plan; those
    that wait for it; and what became of audited ones."""

    going: set[SubjectVersion]
    chosen: dict[SubjectVersion, tuple[str, Tally]]
    held: set[SubjectVersion]
    audited: dict[SubjectVersion, Tally]


def _judge(warehouse: Warehouse, ended: Sequence[WaveEnd], now: datetime) -> _Judged:
    """What is to become of the palettes whose wave has ended."""
    seeds: dict[str, list[str]] = {}
    for one in ended:
        if not one.cancelled and (not one.last or one.audited):
            seeds.setdefault(one.partition.prompt_version, []).append(one.partition.subject)
    skills = fresh_skills(warehouse, seeds.keys(), now)
    with warehouse.read() as connection:
        answers = [read_values(connection, version, chosen) for version, chosen in seeds.items()]
        going = [SubjectVersion(version, seed) for version, chosen in seeds.items() for seed in chosen]
        found = {one.partition for one in withheld_palettes(connection, going) if one.too_few}
        figures = audit_figures([count for version in seeds for count in audit_counts(connection, version)])
        awaited = Counter(plans_under_audit(connection, [one.plan_id for one in ended]))
    tallies: dict[SubjectVersion, Tally] = {}
    for one in answers:
        version = one.prompt_version
        rates = {field: skills[key] for field in CATEGORICAL_VALUES if (key := (version, field, "full")) in skills}
        certain = certain_palettes(one, rates)
        found |= {SubjectVersion(version, seed) for seed in seeds[version] if seed not in certain}
        tallies |= _tallies(one)
    first = [one for one in ended if one.wave == 1 and not (one.last or one.cancelled or one.partition in found)]
    lost = failing_plans(figures)
    found |= {one.partition for one in first if one.plan_id in lost}
    trusted = [one for one in first if one.plan_id not in lost]
    chosen = {
        one.partition: (one.plan_id, tallies[one.partition])
        for one in trusted
        if is_audited(one.partition) and one.partition in tallies
    }
    awaited.update(plan for plan, _ in chosen.values())
    worth = worth_waiting(figures, awaited)
    waiting = {one.partition for one in trusted if one.plan_id in worth} - chosen.keys()
    audited = {
        one.partition: tallies.get(one.partition, Tally(0, ()))
        for one in ended
        if one.audited and not one.cancelled and one.wave > 1
    }
    return _Judged(found | chosen.keys(), chosen, waiting, audited)


def _tallies(version: CodedVersion) -> dict[SubjectVersion, Tally]:
    """The number of models that answered about each palette, and its strongest values by votes."""
    answered = version.answered
    if not answered.seeds:
        return {}
    pairs = np.unique(answered.item.astype(np.int64) * len(answered.models) + answered.annotator)
    voices = np.bincount(pairs // len(answered.models), minlength=len(answered.seeds)).tolist()
    columns: list[list[str | None]] = []
    for field, values in CATEGORICAL_VALUES.items():
        top = majority(version.categorical(field).annotations).top.tolist()
        columns.append([values[code] if code >= 0 else None for code in top])
    return {
        SubjectVersion(version.prompt_version, seed): Tally(number, tops)
        for seed, number, tops in zip(answered.seeds, voices, zip(*columns, strict=True), strict=True)
    }


def _decide(
    connection: DuckDBPyConnection,
    ended: Sequence[WaveEnd],
    judged: _Judged,
    providers: Sequence[str],
    clock: datetime,
) -> None:
    now = ledger_time(connection, clock)
    end_audits(connection, judged.audited, now)
    settle(connection, [one for one in ended if one.cancelled], "cancelled", now)
    rest = [one for one in ended if not one.cancelled]
    settle(connection, [one for one in rest if one.last], "last wave", now)
    rest = [one for one in rest if not one.last]
    hold(connection, [one for one in rest if one.partition in judged.held])
    begin_audits(connection, judged.chosen, now)
    kept = judged.going | judged.held
    settle(connection, [one for one in rest if one.partition not in kept], "certain", now)
    go_on(connection, TAGGING, [one for one in rest if one.partition in judged.going], providers, now)
    take_over(connection, TAGGING, now, taggers(providers))
