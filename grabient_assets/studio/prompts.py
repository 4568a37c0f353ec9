"""The pages about prompts: the versions, two of them side by side, and a blind choice between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from grabient_assets.errors import UsageError
from grabient_assets.groups.calibration.prompt_votes import (
    CHOICES,
    Choice,
    PromptVote,
    record_vote,
    shown_palettes,
    sides,
    tally,
    vote_of,
    votes_between,
    votes_by_pair,
)
from grabient_assets.groups.calibration.prompt_words import (
    REFINED_LISTS,
    REFINED_VALUES,
    RefinedPair,
    RefinedWords,
    refined_pairs,
    refined_under_both,
)
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.ledger.prompts import prompt_uses
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.settings import prompts_dir
from grabient_assets.studio.pages import Ask, Done, Form, Page, Routes
from grabient_assets.studio.word_changes import Piece, changed_tags, changed_words
from grabient_assets.wording import one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PALETTES_A_PAGE = 20
LONGEST_RATER = 40
FIELD_NAMES = {"dominant_colors": "colours", "seasonal": "season"}


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field of two versions, in pieces that say what differs."""

    name: str
    left: tuple[Piece, ...]
    right: tuple[Piece, ...]
    same: bool


def prompts(ask: Ask) -> dict[str, Any]:
    """Every prompt version, and every two under which palettes were refined."""
    with ask.warehouse.read() as connection:
        uses = prompt_uses(connection)
        both = refined_under_both(connection)
        votes = votes_by_pair(connection)
    rows = []
    for version in load_prompt_versions(prompts_dir()):
        found = load_palette_prompts(version)
        rows += [
            {
                "prompt_version": version,
                "purpose": prompt.purpose,
                "released": found.released,
                "message": prompt.message,
                "digest": prompt.digest,
                "runs": [
                    {"mode": use.mode, "answers": use.answers, "last": use.last, "cost_usd": use.cost_usd}
                    for use in uses
                    if (use.purpose, use.digest) == (prompt.purpose, prompt.digest)
                ],
            }
            for prompt in found.prompts.values()
        ]
    pairs = [
        {
            "left": first,
            "right": second,
            "palettes": count,
            "query": urlencode({"left": first, "right": second}),
            "tally": tally(votes.get((first, second), ()), first, second),
            "raters": len({vote.rater for vote in votes.get((first, second), ())}),
        }
        for (first, second), count in both.items()
    ]
    return {"prompts": rows, "pairs": pairs}


def compare(ask: Ask) -> dict[str, Any]:
    """The palettes refined under both versions, those that changed most first, with the words that changed."""
    with ask.warehouse.read() as connection:
        left, right, total = _pair(connection, ask)
        page = max(1, ask.number("page", 1))
        found = refined_pairs(connection, left, right, PALETTES_A_PAGE, (page - 1) * PALETTES_A_PAGE) if total else []
    return {
        "left": left,
        "right": right,
        "total": total,
        "number": page,
        "pages": max(1, -(-total // PALETTES_A_PAGE)),
        "query": urlencode({"left": left, "right": right}),
        "palettes": [_shown(one) for one in found],
    }


def blind(ask: Ask) -> dict[str, Any]:
    """The next palette that this rater has not judged; after the last one the tally. Nothing on the page says which
    version is which before that."""
    rater = _rater(ask)
    with ask.warehouse.read() as connection:
        left, right, _ = _pair(connection, ask)
        seeds = shown_palettes(connection, left, right)
        mine = [one for one in votes_between(connection, left, right, rater) if one.seed in seeds]
        to_come = [seed for seed in seeds if seed not in {one.seed for one in mine}]
        everybody = votes_between(connection, left, right) if seeds and not to_come else []
        # Read in the order of the names: with the order of the address, the page would tell them apart.
        first, second = sorted((left, right))
        chosen = to_come[:1] or seeds
        found = {one.seed: one for one in refined_pairs(connection, first, second, len(chosen), 0, chosen)}
    shown = found[to_come[0]] if to_come else None
    query = urlencode({"left": left, "right": right, "rater": rater})
    return {
        "left": left,
        "right": right,
        "rater": rater,
        "query": query,
        "palettes": len(seeds),
        "done": len(mine),
        "shown": None if shown is None else _blind(shown, rater, first, second),
        "result": None if to_come or not seeds else _result(mine, everybody, left, right, list(found.values())),
    }


def vote(ask: Ask) -> Done:
    """Keep a vote, and go on to the next palette."""
    rater, seed, choice = _rater(ask), ask.text("seed"), ask.text("choice")
    chosen: Choice | None = next((one for one in CHOICES if one == choice), None)
    if chosen is None:
        raise UsageError(f"The choice is {choice[:20]!r}; it must be left, right or tie.")
    with ask.warehouse.read() as connection:
        left, right, _ = _pair(connection, ask)
        if seed not in shown_palettes(connection, left, right):
            raise UsageError(
                f"Palette {seed[:60]!r} is none of those shown of {left} and {right}. Open the page again."
            )
    with ask.warehouse.write() as connection:
        record_vote(connection, vote_of(left, right, seed, chosen, rater, ask.now))
    query = urlencode({"left": left, "right": right, "rater": rater})
    return Done(f"/prompts/blind?{query}", "", {"seed": seed, "choice": choice})


def _pair(connection: DuckDBPyConnection, ask: Ask) -> tuple[str, str, int]:
    """The two versions of the address, or else the first two that share palettes; and how many they share."""
    both = refined_under_both(connection)
    left, right = ask.text("left"), ask.text("right")
    if not left and not right:
        left, right = next(iter(both), ("v1", "v2"))
    if left == right or not left or not right:
        raise UsageError(f"Two different prompt versions are compared, and these are {left!r} and {right!r}.")
    return left, right, both.get((min(left, right), max(left, right)), 0)


def _rater(ask: Ask) -> str:
    return one_line(ask.text("rater"))[:LONGEST_RATER] or "me"


def _shown(one: RefinedPair) -> dict[str, Any]:
    """A palette with what differs between the versions."""
    text_left, text_right = changed_words(one.first.embed_text, one.second.embed_text)
    return {
        "seed": one.seed,
        "name": one.name,
        "hex": one.hex,
        "style": one.style,
        "angle": one.angle,
        "kept": one.kept,
        "fields": [_field(name, one.first, one.second) for name in (*REFINED_LISTS, *REFINED_VALUES)],
        "embed_text": {"left": text_left, "right": text_right},
    }


def _field(name: str, first: RefinedWords, second: RefinedWords) -> ShownField:
    left, right = changed_tags(first.fields[name], second.fields[name])
    title = FIELD_NAMES.get(name, name)
    return ShownField(title, left, right, not any(piece.mark for piece in (*left, *right)))


def _blind(one: RefinedPair, rater: str, first: str, second: str) -> dict[str, Any]:
    """A palette with the words of both versions, without a mark or a name that tells them apart."""
    left, _ = sides(first, second, one.seed, rater)
    words = [one.first, one.second] if left == first else [one.second, one.first]
    return {
        "seed": one.seed,
        "name": one.name,
        "hex": one.hex,
        "style": one.style,
        "angle": one.angle,
        "sides": [
            {
                "side": side,
                "tags": [tag for name in REFINED_LISTS for tag in said.fields[name]],
                "embed_text": said.embed_text,
            }
            for side, said in zip(("left", "right"), words, strict=True)
        ],
    }


def _result(
    mine: Sequence[PromptVote], everybody: Sequence[PromptVote], left: str, right: str, pairs: Sequence[RefinedPair]
) -> dict[str, Any]:
    """The tally of this rater and of all, and each vote with the names of the versions."""
    drawn = {one.seed: one for one in pairs}
    return {
        "mine": tally(mine, left, right),
        "all": tally(everybody, left, right),
        "raters": len({one.rater for one in everybody}),
        "votes": [
            {
                **asdict(one),
                "preferred": one.preferred,
                "name": drawn[one.seed].name,
                "hex": drawn[one.seed].hex,
                "style": drawn[one.seed].style,
                "angle": drawn[one.seed].angle,
            }
            for one in mine
            if one.seed in drawn
        ],
    }


ROUTES: Routes = [
    Page("/prompts/compare", "prompt_compare.html", compare, below="/prompts"),
    Page("/prompts/blind", "prompt_blind.html", blind, below="/prompts"),
    Page("/prompts", "prompts.html", prompts, label="Prompts"),
    Form("/prompts/votes", vote),
]
