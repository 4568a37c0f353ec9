"""The result of a check, before it goes to Dagster: plain figures, so that rules and tests need no Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A count of cases that must be 0. `threshold` is the limit that each case was compared with, and `examples` name
    some of them; `figures` are further numbers and `notes` further texts, by name; `table` is Markdown."""

    found: int
    threshold: float = 0
    examples: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    table: str = ""
