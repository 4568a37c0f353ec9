"""From the answers in the table to the consensus in the table.

What needs numpy is imported where it is used: every purpose is known to commands that print a table, and numpy takes a
tenth of a second to import.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer, Vote, build_consensus, consensus_for_prompt
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, consensus, drop_consensus, record_consensus
from grabient_assets.groups.tagging.tags import answers, complete_tagging
from grabient_assets.ledger.asks import SubjectVersion, chosen, named
from grabient_assets.providers.request_rules import json_line
from grabient_assets.settings import Method, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.parameters import is_one_of
from grabient_assets.warehouse.rows import gc_paused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.groups.tagging.estimating import Estimates
    from grabient_assets.groups.tagging.skills import Estimator, Skills

PALETTES_AT_ONCE = 200
"""Palettes whose answers are in memory together: with eighty answers each about 120 MB."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How a consensus is made: which method ranks the values, and the error rates of the models by prompt version."""

    method: Method
    skills: Mapping[tuple[str, str, str], Skills]

    @property
    def estimator(self) -> Estimator:
        """Whose probabilities are stored."""
        return estimator_of(self.method)

    def of(self, prompt_version: str) -> dict[tuple[str, str], Skills]:
        """The rates by field and method."""
        return {(field, how): one for (version, field, how), one in self.skills.items() if version == prompt_version}


def estimator_of(method: str | None) -> Estimator:
    """Whose probabilities are stored where `method` ranks: those of the full model where it is the majority."""
    return "one-coin" if method == "one-coin" else "full"


def tally(
    warehouse: Warehouse, chosen: Sequence[SubjectVersion], now: datetime, method: Method | None = None
) -> list[ConsensusRecord]:
    """Build and store the consensus of these palettes; one without a usable answer gets none.

    `method`: by default the setting GRABIENT_CONSENSUS.
    """
    from grabient_assets.groups.tagging.skills import fresh_skills

    method = method or load_settings().consensus
    records: list[ConsensusRecord] = []
    with gc_paused():
        counting = Counting(method, fresh_skills(warehouse, {p.prompt_version for p in chosen}, now))
        for start in range(0, len(chosen), PALETTES_AT_ONCE):
            records += _tally_portion(warehouse, chosen[start : start + PALETTES_AT_ONCE], counting, now)
    return records


def _tally_portion(
    warehouse: Warehouse, chosen: Sequence[SubjectVersion], counting: Counting, now: datetime
) -> list[ConsensusRecord]:
    with warehouse.read() as connection:
        found = answers(connection, chosen)
        colours = {record.seed: record for record in palettes(connection, {p.subject for p in chosen})}
        before = consensus(connection, chosen)
    records = consensus_records(found, colours, counting, before, now)
    if records:
        with warehouse.write() as connection:
            record_consensus(connection, records)
    return records


def consensus_records(
    given: Mapping[SubjectVersion, Sequence[ModelAnswer]],
    colours: Mapping[str, PaletteRecord],
    counting: Counting,
    before: Sequence[ConsensusRecord],
    now: datetime,
) -> list[ConsensusRecord]:
    """The consensus of every palette that these answers are about. `given`: the answers by palette. `colours`: the
    palettes by seed.

    `before`: what is stored of them. Where the votes are as they were the estimates stay; they follow new rates with
    the next report (reestimating.py), which knows what a refinement was paid for.
    """
    from grabient_assets.groups.tagging.estimating import estimates_of, mean_entropies

    stored = {SubjectVersion(one.prompt_version, one.seed): one for one in before}
    counted: dict[SubjectVersion, tuple[ConsensusRecord, Consensus]] = {}
    for partition, responses in given.items():
        votes = build_consensus(responses, colours[partition.subject].rgb)
        if votes.models:
            counted[partition] = _record(partition, votes, colours[partition.subject], counting.method, now), votes
    entropies = mean_entropies([given[partition] for partition in counted])
    counted = {
        partition: (replace(record, entropy=entropy), votes)
        for (partition, (record, votes)), entropy in zip(counted.items(), entropies, strict=True)
    }
    estimates: dict[SubjectVersion, Estimates] = {}
    due: defaultdict[str, list[SubjectVersion]] = defaultdict(list)
    for partition, (record, _) in counted.items():
        known = stored.get(partition)
        if known is not None and (known.method, known.votes) == (record.method, record.votes) and known.estimates:
            estimates[partition] = json.loads(known.estimates)
        else:
            due[partition.prompt_version].append(partition)
    for version, partitions in due.items():
        asked = [(given[partition], counted[partition][1]) for partition in partitions]
        estimates |= zip(partitions, estimates_of(asked, counting.of(version), counting.estimator), strict=True)
    return [with_estimates(record, votes, estimates[partition]) for partition, (record, votes) in counted.items()]


def stored_consensus(record: ConsensusRecord) -> Consensus:
    """The consensus as it stands in the table."""
    votes: dict[str, list[dict[str, Any]]] = json.loads(record.votes)
    ranking = record.method not in (None, "majority") and record.estimates
    return Consensus(
        models=record.models,
        answers=record.answers,
        votes={field: tuple(Vote(**vote) for vote in found) for field, found in votes.items()},
        probability=_probability(json.loads(record.estimates or "{}")) if ranking else {},
    )


def _probability(estimates: Estimates) -> dict[str, dict[str, float]]:
    return {field: {one["value"]: one["probability"] for one in found} for field, found in estimates.items()}


def with_estimates(record: ConsensusRecord, votes: Consensus, estimates: Estimates) -> ConsensusRecord:
    """The record with these estimates, its strongest values and its digest by the method it is to be ranked with."""
    ranked = votes if record.method == "majority" else replace(votes, probability=_probability(estimates))
    return replace(
        record,
        **{field: ranked.top(field) for field in CATEGORICAL_FIELDS},
        estimates=json.dumps(estimates, ensure_ascii=False),
        digest=consensus_digest(ranked),
    )


def _record(
    partition: SubjectVersion, votes: Consensus, palette: PaletteRecord, method: Method, now: datetime
) -> ConsensusRecord:
    return ConsensusRecord(
        seed=partition.subject,
        prompt_version=partition.prompt_version,
        models=votes.models,
        answers=votes.answers,
        temperature=None,
        contrast=None,
        brightness=None,
        saturation=None,
        votes=json.dumps(votes.votes_json(), ensure_ascii=False),
        facts=json.dumps(_facts(palette)),
        digest="",
        created_at=now,
        method=method,
    )


def consensus_digest(consensus: Consensus) -> str:
    """Changes exactly when the refiner would read something else: what a refinement was made from is known by it.

    Nothing else may enter: another digest is another request, and costs money.
    """
    return hashlib.sha256(json_line(consensus_for_prompt(consensus))).hexdigest()


def _facts(palette: PaletteRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {field: getattr(palette, field) for field in CATEGORICAL_FIELDS}
    return {**facts, "harmonies": palette.harmonies, "clear_cut": palette.clear_cut}


NO_TIME = datetime.fromtimestamp(0, UTC)


def tally_again(connection: DuckDBPyConnection, chosen: Sequence[SubjectVersion], providers: Sequence[str]) -> int:
    """Build the consensus of these palettes where one is stored, or where `providers` have all answered.

    One that comes out as it was is not written, and one without a usable answer any more is removed; returns how many
    are different. A different one keeps its time, unless an answer is newer: nothing else would be the same twice.
    """
    from grabient_assets.groups.tagging.skills import fit_skills, read_skills, read_unfitted, skills

    versions = {partition.prompt_version for partition in chosen}
    found = skills(connection, versions)
    fitted = [one for version in read_unfitted(connection, versions, found) for one in fit_skills(version, NO_TIME)]
    rates = read_skills([*found, *fitted])
    counting = Counting(load_settings().consensus, rates)
    return sum(
        _portion(connection, chosen[start : start + PALETTES_AT_ONCE], providers, counting)
        for start in range(0, len(chosen), PALETTES_AT_ONCE)
    )


def _portion(
    connection: DuckDBPyConnection, among: Sequence[SubjectVersion], providers: Sequence[str], counting: Counting
) -> int:
    stored = {_partition(record): record for record in consensus(connection, among)}
    due = stored.keys() | {t.partition for t in complete_tagging(connection, providers, among) if t.answers}
    found = answers(connection, sorted(due, key=lambda p: (p.prompt_version, p.subject)))
    colours = {record.seed: record for record in palettes(connection, {p.subject for p in due})}
    newest = _newest_answers(connection, among)
    fresh: dict[SubjectVersion, ConsensusRecord] = {}
    for record in consensus_records(found, colours, counting, list(stored.values()), NO_TIME):
        before = stored[_partition(record)].created_at if _partition(record) in stored else NO_TIME
        at = max(before.astimezone(UTC), newest[_partition(record)])
        fresh[_partition(record)] = replace(record, created_at=at)
    different = [r for partition, r in fresh.items() if not _same(stored.get(partition), r)]
    lost = [partition for partition in stored if partition not in fresh]
    record_consensus(connection, different)
    if lost:
        drop_consensus(connection, lost)
    return len(different) + len(lost)


def _partition(record: ConsensusRecord) -> SubjectVersion:
    return SubjectVersion(record.prompt_version, record.seed)


def _same(one: ConsensusRecord | None, other: ConsensusRecord) -> bool:
    """Whether they say the same, at whatever time."""
    return one is not None and replace(one, created_at=NO_TIME) == replace(other, created_at=NO_TIME)


def _newest_answers(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> dict[SubjectVersion, datetime]:
    """When the newest usable answer of each of these palettes was stored."""
    parameters = named(among)
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}
        SELECT prompt_version, seed, max(created_at) FROM palette_tags JOIN chosen USING (seed, prompt_version)
        WHERE error IS NULL AND {is_one_of(connection, "seed", parameters["subjects"])} GROUP BY ALL
        """,
        parameters,
    ).fetchall()
    return {SubjectVersion(row[0], row[1]): row[2].astimezone(UTC) for row in rows}
