"""Blind votes between two prompt versions: which palettes are shown, on which side each version stands, and the tally.

Everything that is shown follows from the versions and the name of the rater, and nothing from chance: a page that is
opened again shows the same, and nothing about a vote that is not cast has to be stored.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VOTED_PALETTES = 20
"""How many palettes a rater sees of two versions: some minutes of work. A preference of 15 to 5 is no chance any
more."""
Choice = Literal["left", "right", "tie"]
CHOICES = get_args(Choice)


@dataclass(frozen=True, slots=True)
class PromptVote:
    """One row of `prompt_votes`: the versions as they stood on the screen, and the side that was chosen."""

    vote_id: str
    seed: str
    left_version: str
    right_version: str
    choice: Choice
    rater: str
    voted_at: datetime

    @property
    def preferred(self) -> str | None:
        """The version that was chosen; None for a tie."""
        return {"left": self.left_version, "right": self.right_version}.get(self.choice)


@dataclass(frozen=True, slots=True)
class VoteTally:
    """Votes between two versions: for the `first`, for the `second`, and ties. `share` is that of the second among the
    votes for either, with its 95 % interval (Wilson); None without such a vote."""

    first: int
    second: int
    ties: int
    share: float | None
    low: float | None
    high: float | None


def sides(first: str, second: str, seed: str, rater: str) -> tuple[str, str]:
    """Which version stands on the left and which on the right; the same whichever version is named first."""
    pair = sorted((first, second))
    return (pair[0], pair[1]) if _digest("sides", *pair, seed, rater)[0] % 2 else (pair[1], pair[0])


def vote_of(first: str, second: str, seed: str, choice: Choice, rater: str, now: datetime) -> PromptVote:
    """The vote for what a rater was shown. One palette has one vote of a rater, so it has one id."""
    left, right = sides(first, second, seed, rater)
    vote_id = _digest("vote", *sorted((first, second)), seed, rater).hex()[:20]
    return PromptVote(vote_id, seed, left, right, choice, rater, now)


def shown_palettes(connection: DuckDBPyConnection, first: str, second: str) -> list[str]:
    """The seeds that every rater sees, in their order: at most VOTED_PALETTES of those refined under both versions. A
    palette whose words are the same under both is none: there is nothing to choose."""
    one, other = sorted((first, second))
    rows = connection.execute(
        f"""
        SELECT a.seed FROM palette_tag_refined a JOIN palette_tag_refined b USING (seed)
        WHERE a.prompt_version = $1 AND b.prompt_version = $2 AND a.error IS NULL AND b.error IS NULL
          AND (a.mood, a.style, a.dominant_colors, a.seasonal, a.associations, a.embed_text) IS DISTINCT FROM
              (b.mood, b.style, b.dominant_colors, b.seasonal, b.associations, b.embed_text)
        ORDER BY sha256(concat_ws('|', a.seed, $1, $2)), a.seed LIMIT {VOTED_PALETTES}
        """,
        [one, other],
    ).fetchall()
    return [row[0] for row in rows]


def votes_between(
    connection: DuckDBPyConnection, first: str, second: str, rater: str | None = None
) -> list[PromptVote]:
    """The votes between these versions, of one rater or all, in the order in which they were cast."""
    rows = connection.execute(
        """
        SELECT vote_id, seed, left_version, right_version, choice, rater, voted_at FROM prompt_votes
        WHERE list_sort([left_version, right_version]) = list_sort([$1, $2]) AND ($3 IS NULL OR rater = $3)
        ORDER BY voted_at, vote_id
        """,
        [first, second, rater],
    ).fetchall()
    return [PromptVote(*row) for row in rows]


def votes_by_pair(connection: DuckDBPyConnection) -> dict[tuple[str, str], list[PromptVote]]:
    """All votes by the two versions, the one that comes first by its name first."""
    rows = connection.execute(
        """
        SELECT vote_id, seed, left_version, right_version, choice, rater, voted_at FROM prompt_votes
        ORDER BY voted_at, vote_id
        """
    ).fetchall()
    found: dict[tuple[str, str], list[PromptVote]] = {}
    for vote in (PromptVote(*row) for row in rows):
        first, second = sorted((vote.left_version, vote.right_version))
        found.setdefault((first, second), []).append(vote)
    return found


def record_vote(connection: DuckDBPyConnection, vote: PromptVote) -> None:
    """Keep the vote. The first one stands: a button that is pressed twice votes once."""
    insert_rows(connection, "prompt_votes", [vote], "ON CONFLICT DO NOTHING")


def tally(votes: Sequence[PromptVote], first: str, second: str) -> VoteTally:
    """The sums of these votes between the two versions."""
    import numpy

    from grabient_assets.consensus.gold import wilson

    counts = Counter(vote.preferred for vote in votes)
    decided = counts[first] + counts[second]
    if not decided:
        return VoteTally(0, 0, counts[None], None, None, None)
    rates = wilson(numpy.asarray([counts[second]]), numpy.asarray([decided]))
    share, low, high = (float(part[0]) for part in (rates.value, rates.low, rates.high))
    return VoteTally(counts[first], counts[second], counts[None], share, low, high)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()
