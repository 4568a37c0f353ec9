"""What a check found, before Dagster hears of it: plain figures, so that rules and tests need no Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """How many cases there are, which must be none. `threshold` is what each was compared with, `examples` name them;
    `figures` are further numbers and `notes` texts, by name; `table` is Markdown."""

    found: int
    threshold: float = 0
    examples: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    table: str = ""
