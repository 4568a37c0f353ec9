"""Which models could go, said so that a person can decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

MOST_CHANGED = 0.02
"""A model could go while at most this part of the consensus changes, and accuracy on gold does not fall."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The panel without `model` and all before it: part of the consensus that changes, and so on (reduction.py)."""

    model: int
    changed: float
    accuracy_change: float | None
    saved: Decimal
    votes: float | None


def who_could_go(names: Sequence[str], cost: Decimal, steps: Sequence[Loss]) -> str:
    """One or two sentences. `steps`: removals one after the other, each judged together with those before it."""
    if len(names) < 2:
        return "One model alone is no panel; nobody could go."
    last = 0
    for number, step in enumerate(steps, 1):
        if step.changed > MOST_CHANGED or (step.accuracy_change or 0.0) < 0 or step.saved <= 0:
            break
        last = number
    if not last:
        return (
            f"No model could go: without any of them more than {MOST_CHANGED:.0%} of the consensus would change, "
            "accuracy on gold would fall, or nothing would be saved."
        )
    gone, end = [names[step.model] for step in steps[:last]], steps[last - 1]
    part = f" ({end.saved / cost:.0%})" if cost else ""
    listed = gone[0] if len(gone) == 1 else f"{', '.join(gone[:-1])} and {gone[-1]}"
    left = "how many" if end.votes is None else f"{end.votes:.1f}"
    said = (
        f"{listed} could go. That saves {end.saved:.4f} of {cost:.4f} dollars{part} and changes {end.changed:.1%} of "
        f"the categorical consensus (tags are not counted); {left} effective votes are left"
    )
    if end.accuracy_change is None:
        return f"{said}. What it does to accuracy is not known, for there is no clear-cut palette."
    return f"{said}, and accuracy on gold changes by {100 * end.accuracy_change:+.1f} points."
