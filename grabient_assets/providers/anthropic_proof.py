"""Whose batch an ended one is, told by its results: Anthropic has no place for a label."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import closing
from typing import Literal, TypeAlias

from grabient_assets.errors import ProviderUnreachableError, ResultsError, SlowResultsError
from grabient_assets.providers import anthropic_lines

Whose: TypeAlias = Literal["ours", "another's", "untold", "unread"]


def whose(lines: Generator[bytes, None, None], wanted: Collection[str], request_count: int) -> Whose:
    """Ours as soon as a line names one of the `wanted`. Another's only when there is a line for every request and one
    of them can be read: a file may be cut, empty or spoilt in places, and ours must not be taken for another's.

    Unread when there was not the time for all of it: whoever has more may tell. Otherwise untold.
    """
    named: list[str | None] = []
    try:
        with closing(lines):
            for line in lines:
                named.append(_named_by(line))
                if named[-1] in wanted:
                    return "ours"
    except (SlowResultsError, ProviderUnreachableError):
        return "unread"
    except ResultsError:
        return "untold"
    return "another's" if any(named) and len(named) >= request_count else "untold"


def _named_by(line: bytes) -> str | None:
    """The id of the request that a result line answers; None for a line that cannot be read."""
    try:
        return anthropic_lines.read_line(line).custom_id
    except ResultsError:
        return None
