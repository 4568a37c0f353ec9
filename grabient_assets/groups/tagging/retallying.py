"""The consensus once more, after answers were read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.tagging.skills import fit_skills, read_skills, read_unfitted, skills
from grabient_assets.groups.tagging.tallying import PALETTES_AT_ONCE, Counting, consensus_records
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.tag_consensus import ConsensusRecord, consensus, drop_consensus, record_consensus
from grabient_assets.ledger.tagging_ends import complete_tagging
from grabient_assets.ledger.tags import answers
from grabient_assets.settings import load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NO_TIME = datetime.fromtimestamp(0, UTC)


def tally_again(connection: DuckDBPyConnection, chosen: Sequence[SubjectVersion], providers: Sequence[str]) -> int:
    """Build the consensus of these palettes where one is stored, or where `providers` have all answered.

    One that comes out as it was is not written, and one without a usable answer any more is removed; returns how many
    are different. A different one keeps its time, unless an answer is newer: nothing else would be the same twice.
    """
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
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version)
        SELECT prompt_version, seed, max(created_at) FROM palette_tags JOIN chosen USING (seed, prompt_version)
        WHERE error IS NULL GROUP BY ALL
        """,
        [[p.subject for p in among], [p.prompt_version for p in among]],
    ).fetchall()
    return {SubjectVersion(row[0], row[1]): row[2].astimezone(UTC) for row in rows}
