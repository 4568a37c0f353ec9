"""Sentences about the models that could be dropped, for a person to decide.

Ten models can be left out in a thousand ways, and the one that changes least on some palettes changes more on others.
So it is chosen on one half of the palettes, and the figures are those of the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from grabient_assets.consensus.gold import wilson
from grabient_assets.consensus.panel import Judgement

MOST_CHANGED = 0.02
"""A model could go while at most this part of the consensus changes, and accuracy on gold does not fall, on both halves
of the palettes."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The panel without `model` and all before it: part of the consensus that changes, and so on (panel.py), on the
    palettes by which it was chosen, and `judged` on the others."""

    model: int
    changed: float
    accuracy_change: float | None
    saved: Decimal
    votes: float | None
    judged: Judgement

    @property
    def harmless(self) -> bool:
        """Whether so little changes on either half, and something is saved."""
        seen = self.judged
        changed = max(self.changed, seen.changed / max(seen.items, 1))
        return changed <= MOST_CHANGED and (self.accuracy_change or 0.0) >= 0 and seen.gained >= 0 and self.saved > 0


def who_could_go(names: Sequence[str], cost: Decimal, steps: Sequence[Loss]) -> str:
    """Some sentences. `steps`: removals one after the other, each judged together with those before it."""
    if len(names) < 2:
        return "One model alone is no panel; nobody could go."
    if steps and not steps[0].judged.items:
        return "Too few palettes to say who could go: some must be left to judge what was chosen on others."
    last = 0
    for number, step in enumerate(steps, 1):
        if not step.harmless:
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
    left = (
        "how many effective votes are left is not known"
        if end.votes is None
        else f"{end.votes:.1f} effective votes are left"
    )
    return f"{listed} could go. That saves {end.saved:.4f} of {cost:.4f} dollars{part}; {left}. {_judged(end.judged)}"


def _judged(seen: Judgement) -> str:
    most = float(wilson(np.array([seen.changed]), np.array([seen.items])).high[0])
    sentence = (
        f"On the half of the palettes by which they were not chosen it changes {seen.changed} of {seen.items} values "
        f"of the categorical consensus, so at most {most:.1%} (with 95 % confidence; tags are not counted)"
    )
    if not seen.gold:
        return f"{sentence}. What it does to accuracy is not known, for there is no clear-cut palette."
    points = 100 * seen.gained / seen.gold
    return f"{sentence}, and accuracy on gold by {points:+.1f} points of {seen.gold} values."
