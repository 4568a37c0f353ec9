"""The tables artist_fingerprints and artist_pairs: what is typical of each artist, and which differ beyond chance.

Works are pooled over groups of one prompt version and one brush, so that what differs is the artist. "Not enough" is an
answer: where a pair has fewer works than its effect needs, no winner is named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from grabient_assets.groups.comparisons.votes import RatingRecord, ratings_of
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows


@dataclass(frozen=True, slots=True)
class FingerprintRecord:
    """One row of `artist_fingerprints`: what is typical of an artist, with a 95 % interval."""

    prompt_version: str
    brush: str
    provider: str
    model: str
    metric: str
    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One row of `artist_pairs`: `needed` works of each artist show this effect in four of five trials."""

    prompt_version: str
    brush: str
    metric: str
    left_model: str
    right_model: str
    n_left: int
    n_right: int
    difference: float
    effect: float | None
    p: float | None
    p_adjusted: float | None
    needed: int | None
    enough: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found."""

    fingerprints: int
    different: int
    undecided: int
    ratings: tuple[RatingRecord, ...]

    @property
    def markdown(self) -> str:
        """The ratings as a table."""
        if not self.ratings:
            return "No votes yet: `grabient chorus vote`, or the page of a group in `grabient studio`."
        lines = ["| artist | brush | votes | rating | 95 % interval |", "|---|---|--:|--:|---|"]
        for one in self.ratings:
            interval = "none" if one.low is None or one.high is None else f"{one.low:.0f} to {one.high:.0f}"
            lines.append(f"| {one.model} | {one.brush} | {one.votes} | {one.rating:.0f} | {interval} |")
        return "\n".join(lines)


def compare_artists(warehouse: Warehouse, now: datetime) -> Compared:
    """Fingerprints, pairs and ratings of all works that are measured, in place of those of before."""
    with warehouse.read() as connection:
        values = connection.execute(
            """
            SELECT c.prompt_version, c.brush, s.metric, c.provider, c.artist, list(s.value ORDER BY c.run_id)
            FROM artwork_signals s JOIN chorus_runs c USING (run_id) GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()
        votes = connection.execute(
            """
            SELECT l.prompt_version, l.brush, l.provider, l.artist, r.provider, r.artist, v.choice
            FROM comparison_votes v JOIN chorus_runs l ON l.run_id = v.left_run
            JOIN chorus_runs r ON r.run_id = v.right_run ORDER BY v.voted_at, v.vote_id
            """
        ).fetchall()
    fingerprints, pairs = _fingerprints(values), _pairs(values)
    with warehouse.write() as connection:
        ratings = ratings_of(votes, ledger_time(connection, now))
        for table, rows in (
            ("artist_fingerprints", fingerprints),
            ("artist_pairs", pairs),
            ("artist_ratings", ratings),
        ):
            connection.execute(f"DELETE FROM {table}")
            insert_rows(connection, table, rows)
    different = sum(pair.enough for pair in pairs)
    return Compared(len(fingerprints), different, len(pairs) - different, tuple(ratings))


def _fingerprints(values: Sequence[tuple[str, str, str, str, str, list[float]]]) -> list[FingerprintRecord]:
    from grabient_assets.consensus.effects import fingerprint

    found: list[FingerprintRecord] = []
    for version, brush, metric, provider, artist, numbers in values:
        one = fingerprint(numbers)
        assert one.mean is not None
        found.append(
            FingerprintRecord(version, brush, provider, artist, metric, one.n, one.mean, one.sd, one.low, one.high)
        )
    return found


def _pairs(values: Sequence[tuple[str, str, str, str, str, list[float]]]) -> list[PairRecord]:
    """Every two artists in every metric. The p values of one prompt and brush are adjusted together."""
    from grabient_assets.consensus.effects import adjusted, compare

    together: dict[tuple[str, str], list[tuple[str, str, str, list[float], list[float]]]] = defaultdict(list)
    by_metric: dict[tuple[str, str, str], list[tuple[str, list[float]]]] = defaultdict(list)
    for version, brush, metric, _, artist, numbers in values:
        by_metric[version, brush, metric].append((artist, numbers))
    for (version, brush, metric), artists in by_metric.items():
        for (left, ours), (right, theirs) in combinations(artists, 2):
            together[version, brush].append((metric, left, right, ours, theirs))
    found: list[PairRecord] = []
    for (version, brush), pairs in together.items():
        effects = adjusted([compare(ours, theirs) for *_, ours, theirs in pairs])
        for (metric, left, right, *_), effect in zip(pairs, effects, strict=True):
            assert effect.difference is not None
            found.append(
                PairRecord(
                    *(version, brush, metric, left, right, effect.n_left, effect.n_right, effect.difference),
                    *(effect.effect, effect.p, effect.p_adjusted, effect.needed, effect.enough),
                )
            )
    return found
