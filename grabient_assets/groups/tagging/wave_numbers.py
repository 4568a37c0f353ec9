"""The numbers of adaptive tagging, and why they are what they are. Measured by benchmarks/adaptive.py."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from grabient_assets.ledger.wave_states import WaveCount

FEWEST_FIRST, MOST_FIRST = 3, 5
"""Models in wave one. Two cannot outvote a mistake; a sixth adds little to good ones of other families."""

USUAL_FIRST = 4
"""Models in wave one while nothing is measured: one per family as far as there are so many."""

SHARE_OF_PRICE = Decimal("0.25")
"""The most that wave one may cost, as a part of asking every model once. Every palette pays for it: at a quarter, and
with three quarters of the palettes going on, the whole stays below the price of the full panel."""

CERTAIN = 0.99
"""A palette is certain when the most probable value of each categorical field has at least this probability. Votes are
discounted by the errors that models share on palettes of known answer; what they share on hard ones no agreement shows,
so the threshold is high. On the emulator accuracy does not move from 0.9 on; at 0.99 all values are those of the full
panel, and 0.999 costs half as much again."""

FEWEST_GOLD = 30
"""Palettes of known answers on which a model must have been measured before it is chosen for what was measured: the
95 % interval of an accuracy of 0.9 is then some 20 points wide, enough to tell a good model from a bad one."""

AUDITED = 0.10
"""The part of the palettes that are certain after wave one and go on anyway. Less finds too late that wave one errs:
of 200 certain palettes 20 are looked at. It costs a tenth of what the first wave saves."""

FEWEST_AUDITED = 10
"""From so many audited palettes on wave one can lose belief. Certain palettes wait for as many, and for no more."""

TURNED_AT_MOST = 0.02
"""Wave one is not believed in a field when the whole 95 % interval of the share of values that turn lies above it.
CERTAIN promises 1 % at most; of 20 palettes two must turn. Where 0.5 % turn that happens once in 200 audits."""

ASSUMED_TO_GO_ON = 0.75
"""The part of the palettes that is expected to go on to the next wave until there are figures. On the emulator 78 %
went on after wave one, chosen by price, and 29 % of these after wave two; a plan that is too dear does less harm than
one that is too cheap."""

EXPECTED_TO_GO_ON = ASSUMED_TO_GO_ON + (1 - ASSUMED_TO_GO_ON) * AUDITED
"""The same of the wave after the first, with the audited ones. What happened before contains them already."""

FEWEST_JUDGED = 20
"""From so many judged palettes on, the part that went on is believed."""


def went_on(counts: Sequence[WaveCount], wave: int) -> float | None:
    """The part of the palettes judged after this wave that went on to the next; None while too few were judged."""
    went = sum(one.palettes for one in counts if one.wave > wave)
    stayed = sum(one.palettes for one in counts if one.wave == wave and one.reason in ("certain", "held"))
    return went / (went + stayed) if went + stayed >= FEWEST_JUDGED else None


def step_shares(counts: Sequence[WaveCount]) -> dict[int, float]:
    """By wave the part of the palettes judged after it that is expected to go on to the next one."""
    found: dict[int, float] = {}
    for wave in range(1, max((one.waves for one in counts), default=1)):
        measured = went_on(counts, wave)
        assumed = EXPECTED_TO_GO_ON if wave == 1 else ASSUMED_TO_GO_ON
        found[wave] = assumed if measured is None else measured
    return found
