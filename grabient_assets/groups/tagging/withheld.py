"""Saying which palettes are kept from refinement, why, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grabient_assets.ledger.withheld import Withheld
from grabient_assets.thresholds import ANSWERING_MODELS
from grabient_assets.wording import counted

NAMED_AT_MOST = 5
_AGAIN = "`grabient retry --run` asks the failed ones again, and refinement follows"
_ANYWAY = "to have it as it is, materialize refinement_batches with despite_checks"
_REPARSE = (
    "write down in gradient/vocabulary.py what the words mean, and `grabient reparse` reads the archived answers again"
)


def explained(one: Withheld) -> str:
    """Why this palette is kept from refinement, and what can be done."""
    ways = [
        *([_AGAIN] if one.too_few else []),
        *([_REPARSE] if one.words else []),
        *([_ANYWAY] if one.answering else []),
    ]
    return f"Kept from refinement: {one.why}. Way out: {'; '.join(ways)}."


def sentences(found: Sequence[Withheld]) -> tuple[str, ...]:
    """One sentence per reason, with its palettes and the way out; none when nothing is kept back."""
    silent = [one for one in found if one.too_few and not one.answering]
    few = [one for one in found if one.too_few and one.answering]
    odd = [one for one in found if one.words]
    said = [
        _said(silent, "no model gave a usable answer", lambda one: f"0 of {one.asked}", _AGAIN),
        _said(
            few,
            f"fewer than {ANSWERING_MODELS.limit:.0%} of the models that were asked gave a usable answer",
            lambda one: f"{one.answering} of {one.asked}",
            f"{_AGAIN}; {_ANYWAY}",
        ),
        _said(
            odd,
            "most models named in a field what its list lacks",
            lambda one: ", ".join(one.words),
            f"{_REPARSE}; {_ANYWAY}",
        ),
    ]
    return tuple(sentence for sentence in said if sentence)


def _said(found: Sequence[Withheld], reason: str, figure: Callable[[Withheld], str], way_out: str) -> str:
    if not found:
        return ""
    named = [f"{one.partition.prompt_version}|{one.partition.subject}: {figure(one)}" for one in found[:NAMED_AT_MOST]]
    more = [f"and {len(found) - NAMED_AT_MOST} more"] if len(found) > NAMED_AT_MOST else []
    return (
        f"{counted(len(found), 'palette')} kept from refinement because {reason} ({'; '.join([*named, *more])}). "
        f"Way out: {way_out}."
    )
