"""The tables comparison_votes and artist_ratings: which of two works people prefer, and how that rates the artists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from grabient_assets.errors import UsageError
from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Choice = Literal["left", "right", "tie"]


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """One row of `comparison_votes`."""

    vote_id: str
    group_id: str
    left_run: str
    right_run: str
    choice: Choice
    blind: bool
    rater: str
    voted_at: datetime


@dataclass(frozen=True, slots=True)
class RatingRecord:
    """One row of `artist_ratings`: 100 points more win about 64 % of the duels."""

    prompt_version: str
    brush: str
    provider: str
    model: str
    votes: int
    rating: float
    low: float | None
    high: float | None
    rated_at: datetime


def vote(
    connection: DuckDBPyConnection,
    group: ChorusGroup,
    left_run: str,
    right_run: str,
    choice: Choice,
    now: datetime,
    *,
    blind: bool,
    rater: str,
) -> VoteRecord:
    """Record which of two works of a group is preferred. Raises UsageError for works that are none."""
    runs = {run.run_id: run for run in runs_of(connection, [group.group_id])}
    for run_id in (left_run, right_run):
        if run_id not in runs:
            raise UsageError(f"{run_id!r} is no run of {group.group_id}. `grabient chorus show` names them.")
        if runs[run_id].status != "done":
            raise UsageError(f"{run_id} is {runs[run_id].status}: there is no work to vote on.")
    if left_run == right_run:
        raise UsageError("A work is compared with another one, not with itself.")
    if not rater.strip():
        raise UsageError("A vote needs the name of a rater.")
    pair = sorted((left_run, right_run))
    if connection.execute(
        "SELECT 1 FROM comparison_votes WHERE rater = $1 AND list_sort([left_run, right_run]) = $2::VARCHAR[]",
        [rater, pair],
    ).fetchone():
        raise UsageError(f"{rater} has voted on {' and '.join(pair)} already. The first vote stands.")
    record = VoteRecord(f"vote_{uuid4().hex}", group.group_id, left_run, right_run, choice, blind, rater, now)
    insert_rows(connection, "comparison_votes", [record])
    return record


def next_duel(connection: DuckDBPyConnection, group_id: str, rater: str) -> tuple[ChorusRun, ChorusRun] | None:
    """Two works of different artists that this person has not compared yet: those that were voted on least. None when
    all are compared. Which stands left follows from the two alone, so that a page shows the same again."""
    done = [run for run in runs_of(connection, [group_id]) if run.status == "done"]
    rows = connection.execute(
        "SELECT left_run, right_run, rater = $2 FROM comparison_votes WHERE group_id = $1", [group_id, rater]
    ).fetchall()
    seen = {frozenset(row[:2]) for row in rows if row[2]}
    votes: dict[str, int] = defaultdict(int)
    for left, right, _ in rows:
        votes[left] += 1
        votes[right] += 1
    pairs = [
        (one, other)
        for one, other in combinations(done, 2)
        if one.artist != other.artist and frozenset((one.run_id, other.run_id)) not in seen
    ]
    if not pairs:
        return None

    def order(pair: tuple[ChorusRun, ChorusRun]) -> tuple[int, str]:
        ids = sorted(run.run_id for run in pair)
        return votes[ids[0]] + votes[ids[1]], sha256(f"{rater} {' '.join(ids)}".encode()).hexdigest()

    one, other = min(pairs, key=order)
    swapped = sha256(f"{rater} {one.run_id} {other.run_id}".encode()).digest()[0] % 2
    return (other, one) if swapped else (one, other)


def ratings_of(votes: Sequence[tuple[str, str, str, str, str, str, Choice]], now: datetime) -> list[RatingRecord]:
    from grabient_assets.consensus.ratings import Vote, rate

    duels: dict[tuple[str, str], list[Vote]] = defaultdict(list)
    for version, brush, provider, artist, other, opponent, choice in votes:
        duels[version, brush].append(Vote(f"{provider} {artist}", f"{other} {opponent}", choice))
    found: list[RatingRecord] = []
    for (version, brush), together in duels.items():
        for one in rate(together):
            provider, _, artist = one.name.partition(" ")
            found.append(RatingRecord(version, brush, provider, artist, one.votes, one.rating, one.low, one.high, now))
    return found
