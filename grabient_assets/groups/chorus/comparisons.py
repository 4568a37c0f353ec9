"""What the differences between artists are worth: signals of each work, fingerprints, pairs, and ratings from votes.

Works are pooled over groups of one prompt version and one brush, so that what differs is the artist. "Not enough" is an
answer: where a pair has fewer works than its effect needs, no winner is named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from grabient_assets.errors import ImageError, StoreError, UsageError
from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.groups.images.images import images_by_id
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Choice = Literal["left", "right", "tie"]


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """One row of `artwork_signals`."""

    run_id: str
    metric: str
    value: float
    method: str


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


_UNMEASURED = """
    SELECT c.* FROM chorus_runs c WHERE c.status = 'done'
      AND NOT EXISTS (SELECT 1 FROM artwork_signals s WHERE s.run_id = c.run_id)
"""


def groups_to_compare(connection: DuckDBPyConnection) -> dict[str, str]:
    """The groups that have come to rest with works that are not measured, or with votes that no rating counts; with a
    text that changes when there is more to do."""
    rows = connection.execute(
        f"""
        WITH resting AS (
            SELECT group_id, any_value(prompt_version) AS prompt_version, any_value(brush) AS brush FROM chorus_runs
            GROUP BY group_id HAVING bool_and(status IN ('done', 'failed', 'cancelled')) AND bool_or(status = 'done')
        ),
        unmeasured AS (SELECT group_id, count(*) AS works FROM ({_UNMEASURED}) GROUP BY ALL),
        rated AS (SELECT prompt_version, brush, max(rated_at) AS rated_at FROM artist_ratings GROUP BY ALL)
        SELECT r.group_id, coalesce(any_value(u.works), 0) || ' works ' || count(v.vote_id) || ' votes'
        FROM resting r LEFT JOIN unmeasured u USING (group_id) LEFT JOIN rated t USING (prompt_version, brush)
        LEFT JOIN comparison_votes v ON v.group_id = r.group_id AND (t.rated_at IS NULL OR v.voted_at > t.rated_at)
        GROUP BY r.group_id HAVING coalesce(any_value(u.works), 0) > 0 OR count(v.vote_id) > 0 ORDER BY 1
        """
    ).fetchall()
    return dict(rows)


def keep_signals(warehouse: Warehouse, store: ObjectStore, group_ids: Sequence[str]) -> list[str]:
    """Measure the works of these groups that are not measured; returns a sentence for each that cannot be read."""
    from grabient_assets.imaging.signals import SIGNALS, palette_distance, pixel_signals, text_signals

    with warehouse.read() as connection:
        rows = connection.execute(
            f"""
            SELECT u.run_id, u.image_id, u.statement, u.image_prompt, g.muse -> 'hex' FROM ({_UNMEASURED}) u
            JOIN chorus_groups g USING (group_id) WHERE u.group_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY 1
            """,
            [list(group_ids)],
        ).fetchall()
        images = images_by_id(connection, [row[1] for row in rows])
    found: list[SignalRecord] = []
    unreadable: list[str] = []
    for run_id, image_id, statement, prompt, muse in rows:
        try:
            content = store.get(images[image_id].object_key)
            values = {**pixel_signals(content), **text_signals(statement or "", prompt or "")}
            if muse is not None:
                values["palette_distance"] = palette_distance(content, _colours(muse))
        except (KeyError, ImageError, StoreError) as error:
            unreadable.append(f"The work of {run_id} cannot be measured: {error}")
            continue
        found += [SignalRecord(run_id, name, value, SIGNALS[name].method) for name, value in values.items()]
    if found:
        with warehouse.write() as connection:
            insert_rows(connection, "artwork_signals", found, replacing(SignalRecord, ("run_id", "metric")))
    return unreadable


def _colours(hexes: str) -> list[tuple[int, int, int]]:
    import json

    return [(one[0], one[1], one[2]) for one in (bytes.fromhex(text.lstrip("#")) for text in json.loads(hexes))]


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
        ratings = _ratings(votes, ledger_time(connection, now))
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
        found.append(
            FingerprintRecord(version, brush, provider, artist, metric, one.n, one.mean, one.sd, one.low, one.high)
        )
    return found


def _pairs(values: Sequence[tuple[str, str, str, str, str, list[float]]]) -> list[PairRecord]:
    """Every two artists in every metric. The p values of one prompt and brush are adjusted together."""
    from grabient_assets.consensus.effects import adjust, compare, is_enough

    together: dict[tuple[str, str], list[tuple[str, str, str, list[float], list[float]]]] = defaultdict(list)
    by_metric: dict[tuple[str, str, str], list[tuple[str, list[float]]]] = defaultdict(list)
    for version, brush, metric, _, artist, numbers in values:
        by_metric[version, brush, metric].append((artist, numbers))
    for (version, brush, metric), artists in by_metric.items():
        for (left, ours), (right, theirs) in combinations(artists, 2):
            together[version, brush].append((metric, left, right, ours, theirs))
    found: list[PairRecord] = []
    for (version, brush), pairs in together.items():
        effects = [compare(ours, theirs) for *_, ours, theirs in pairs]
        adjusted = adjust([effect.p for effect in effects])
        for (metric, left, right, *_), effect, p in zip(pairs, effects, adjusted, strict=True):
            found.append(
                PairRecord(
                    *(version, brush, metric, left, right, effect.n_left, effect.n_right),
                    *(effect.difference, effect.effect, effect.p, p, effect.needed, is_enough(effect, p)),
                )
            )
    return found


def _ratings(votes: Sequence[tuple[str, str, str, str, str, str, Choice]], now: datetime) -> list[RatingRecord]:
    from grabient_assets.consensus.ratings import Duel, rate

    duels: dict[tuple[str, str], list[Duel]] = defaultdict(list)
    for version, brush, provider, artist, other, opponent, choice in votes:
        duels[version, brush].append(Duel(f"{provider} {artist}", f"{other} {opponent}", choice))
    found: list[RatingRecord] = []
    for (version, brush), together in duels.items():
        for one in rate(together):
            provider, _, artist = one.name.partition(" ")
            found.append(RatingRecord(version, brush, provider, artist, one.votes, one.rating, one.low, one.high, now))
    return found


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
    record = VoteRecord(f"vote_{uuid4().hex}", group.group_id, left_run, right_run, choice, blind, rater, now)
    insert_rows(connection, "comparison_votes", [record])
    return record


def next_duel(connection: DuckDBPyConnection, group_id: str, rater: str) -> tuple[ChorusRun, ChorusRun] | None:
    """Two works of different artists that this person has not compared yet: those that were voted on least. None when
    all are compared. Which stands left follows from the two alone, so that a page shows the same again."""
    from hashlib import sha256

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


def group_sheet(
    group: ChorusGroup, runs: Sequence[ChorusRun], images: dict[str, bytes], cell_width: int = 320
) -> bytes:
    """The PNG of all works of a group: a row for each iteration, a column for each artist. `images` are bytes by
    image_id; a run without one is a hole with its reason."""
    from grabient_assets.imaging.contact_sheet import Cell, contact_sheet

    by_place = {(run.artist, run.iteration): run for run in runs}
    rows: list[list[Cell | None]] = []
    for iteration in range(group.iterations):
        row: list[Cell | None] = []
        for artist in group.artists:
            run = by_place.get((artist.model, iteration))
            content = images.get(run.image_id or "") if run else None
            row.append(None if run is None else Cell(run.caption, content, run.error or run.status))
        rows.append(row)
    heads = [artist.model for artist in group.artists]
    return contact_sheet(rows, heads, title=f"{group.group_id}, {group.prompt_version}", cell_width=cell_width)


def images_of(warehouse: Warehouse, store: ObjectStore, runs: Sequence[ChorusRun]) -> dict[str, bytes]:
    """The bytes of the images of these runs, by image_id; one that is gone from the store is left out."""
    with warehouse.read() as connection:
        known = images_by_id(connection, [run.image_id for run in runs if run.image_id])
    found: dict[str, bytes] = {}
    for image_id, image in known.items():
        try:
            found[image_id] = store.get(image.object_key)
        except StoreError:
            continue
    return found
