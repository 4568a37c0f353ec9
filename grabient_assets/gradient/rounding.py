"""Rounding as the Grabient site does it. Python's own round() goes to even and would change colours and keys."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

THOUSANDTH = Decimal("0.001")


def round3(value: float) -> float:
    """`value` to three decimals, half away from zero, judged on the exact binary value: 0.0625 gives 0.063."""
    # The + 0.0 turns -0.0 into 0.0.
    return float(Decimal(value).quantize(THOUSANDTH, ROUND_HALF_UP)) + 0.0


def round_half_up(value: float) -> int:
    """The nearest whole number, halves towards +infinity (JavaScript's Math.round)."""
    return math.floor(value + 0.5)


def fixed(value: float, digits: int) -> str:
    """`value` with `digits` decimals as JavaScript's toFixed writes it: halves away from zero, a tiny negative
    number is "-0.000", but minus zero is "0.000"."""
    if value == 0:
        value = 0.0
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
