"""A palette: the twelve coefficients of a cosine gradient, four modifiers, the two names it goes by, and its colours.

Both names are "aligned" seeds: "_" and then each number as a fixed group of base-64 digits, so that equal
numbers always stand at equal places.

Numbers are rounded as the Grabient site rounds them. Python's own round() goes to even and would change colours and
keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import cos, floor, pi

Vector = tuple[float, float, float]
Coeffs = tuple[Vector, Vector, Vector, Vector]
Globals = tuple[float, float, float, float]
RGB = tuple[int, int, int]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SCALE = 1000
COEFF_DIGITS, COEFF_OFFSET = 3, 131_072
GLOBAL_DIGITS, GLOBAL_OFFSET = 2, 2_048
COEFF_MIN, COEFF_MAX = -131.072, 131.071

DEFAULT_GLOBALS: Globals = (0.0, 1.0, 1.0, 0.0)
# The site compares with "less than a thousandth". In doubles 1.001 - 1 is just below it, so a contrast or
# frequency of 1.001 counts as 1 while an exposure of 0.001 does not count as 0.
DEFAULT_TOLERANCE = 0.001

STEPS = 11
THOUSANDTH = Decimal("0.001")
_TURN = 2 * pi


@dataclass(frozen=True, slots=True)
class Palette:
    """One cosine gradient: `clamp01(a + b*cos(2*pi*(c*t + d)))` per channel.

    `coeffs` holds the rows a (offset), b (amplitude), c (frequency) and d (phase), each red, green, blue.
    `globals` holds exposure, contrast, frequency and phase, which act on the rows as a whole.
    All numbers have at most three decimals. Made by `decode_seed`.
    """

    coeffs: Coeffs
    globals: Globals = DEFAULT_GLOBALS

    @property
    def canonical(self) -> str:
        """The one spelling used as key, partition and path: 37 characters, or 45 when a modifier is in use."""
        return encode_aligned(self.coeffs, self.globals)

    @property
    def palette_key(self) -> str:
        """Equal for palettes with equal colours: the aligned seed with the modifiers worked into the rows."""
        a, b, c, d = (tuple(round3(clamp(value)) for value in row) for row in self.applied)
        return encode_aligned((a, b, c, d), DEFAULT_GLOBALS)

    @property
    def applied(self) -> Coeffs:
        """The rows after the modifiers: a+exposure, b*contrast, c*frequency, d+phase. Not rounded."""
        (a, b, c, d), (exposure, contrast, frequency, phase) = self.coeffs, self.globals
        return (
            (a[0] + exposure, a[1] + exposure, a[2] + exposure),
            (b[0] * contrast, b[1] * contrast, b[2] * contrast),
            (c[0] * frequency, c[1] * frequency, c[2] * frequency),
            (d[0] + phase, d[1] + phase, d[2] + phase),
        )


def clamp(value: float) -> float:
    """`value` within what three base-64 digits can say."""
    return min(max(value, COEFF_MIN), COEFF_MAX)


def are_default(values: Globals) -> bool:
    """Whether these modifiers change nothing and are left out of a seed."""
    return all(abs(value - default) < DEFAULT_TOLERANCE for value, default in zip(values, DEFAULT_GLOBALS, strict=True))


def encode_aligned(coeffs: Iterable[Iterable[float]], modifiers: Globals) -> str:
    """The aligned seed of numbers that are within range and have three decimals at most."""
    groups = [_digits(value, COEFF_OFFSET, COEFF_DIGITS) for row in coeffs for value in row]
    if not are_default(modifiers):
        groups += [_digits(value, GLOBAL_OFFSET, GLOBAL_DIGITS) for value in modifiers]
    return "_" + "".join(groups)


def _digits(value: float, offset: int, count: int) -> str:
    number = round(value * SCALE) + offset
    return "".join(ALPHABET[number >> 6 * place & 63] for place in reversed(range(count)))


def colors(palette: Palette, steps: int = STEPS) -> list[RGB]:
    """`steps` evenly spaced colours (at least 2), 0-255 per channel: `clamp01(a + b*cos(2*pi*(c*t + d)))`.

    Inigo Quilez, "Palettes" (https://iquilezles.org/articles/palettes/). 8-bit values are floor(v*255 + 0.5);
    0.1, 0.3 and 0.5 are exact ties, so neither the order of the operations nor the rounding is free.
    """
    if steps < 2:
        raise ValueError(f"A gradient needs at least 2 steps, not {steps}.")
    (a0, a1, a2), (b0, b1, b2), (c0, c1, c2), (d0, d1, d2) = palette.applied
    last = steps - 1
    rows: list[RGB] = []
    for step in range(steps):
        t = step / last
        rows.append(
            (
                _eight_bit(a0 + b0 * cos(_TURN * (c0 * t + d0))),
                _eight_bit(a1 + b1 * cos(_TURN * (c1 * t + d1))),
                _eight_bit(a2 + b2 * cos(_TURN * (c2 * t + d2))),
            )
        )
    return rows


def _eight_bit(value: float) -> int:
    if value <= 0:
        return 0
    if value >= 1:
        return 255
    return int(value * 255 + 0.5)


def round3(value: float) -> float:
    """`value` to three decimals, half away from zero, judged on the exact binary value: 0.0625 gives 0.063."""
    # The + 0.0 turns -0.0 into 0.0.
    return float(Decimal(value).quantize(THOUSANDTH, ROUND_HALF_UP)) + 0.0


def round_half_up(value: float) -> int:
    """The nearest whole number, halves towards +infinity (JavaScript's Math.round)."""
    return floor(value + 0.5)


def fixed(value: float, digits: int) -> str:
    """`value` with `digits` decimals as JavaScript's toFixed writes it: halves away from zero, a tiny negative
    number is "-0.000", but minus zero is "0.000"."""
    if value == 0:
        value = 0.0
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
