"""What can be measured of eleven colours, worked out here from the hex alone.

The clients have their own mathematics for the same palettes. The emulator shares none of it, so that a mistake on
one side shows as a disagreement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grabient_assets.emulator.questions import Question

HEX = re.compile(r"#?[0-9a-fA-F]{6}$")
_GROUP_OF_THREE = re.compile(r"at least three colours are warm")

# Where a hue family ends on the CIE LCh hue circle, in degrees.
_FAMILY_ENDS = (
    (12, "pink"),
    (42, "red"),
    (75, "orange"),
    (108, "yellow"),
    (165, "green"),
    (225, "teal"),
    (307, "blue"),
    (332, "violet"),
    (360, "pink"),
)


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour: HSL (degrees, percent, percent), CIE LCh under D65, and the family of its hue."""

    hue: float
    saturation: float
    lightness: float
    lch_l: float
    chroma: float
    lch_hue: float
    family: str


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a palette. The four categorical fields are those of a correct answer."""

    hexes: tuple[str, ...]
    colours: tuple[Colour, ...]
    families: dict[str, float]
    """Share of the colours per hue family, largest first."""
    depth: str
    chroma: str
    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmony: tuple[str, ...]

    @property
    def text(self) -> str:
        """The palette as one text. Draws about the palette are seeded with it."""
        return "".join(self.hexes)


def palette_in(asked: dict[str, Any]) -> tuple[str, ...]:
    """The palette a request carries under `hex`, lower case with `#`; empty when there is none."""
    found = asked.get("hex")
    if not isinstance(found, list) or not found:
        return ()
    if not all(isinstance(item, str) and HEX.match(item) for item in found):
        return ()
    return tuple("#" + item.lstrip("#").lower() for item in found)


def palette_subject(question: Question, asked: dict[str, Any]) -> str:
    """The colours that a request is about, as one text; empty when it is about none."""
    return "".join(palette_in(asked))


def asked_palette(question: Question, asked: dict[str, Any]) -> Measures:
    """The measures of the palette in a request, by the definitions that its prompt gives."""
    return measure(palette_in(asked), group_in(question.system))


def group_in(system: str) -> int:
    """From how many colours on a side counts, by the wording of a prompt: three, or one where it does not say so."""
    return 3 if _GROUP_OF_THREE.search(system) else 1


@lru_cache(maxsize=8192)
def measure(hexes: tuple[str, ...], group: int = 1) -> Measures:
    """Measures of these colours (each `#rrggbb`). `group`: see `group_in`."""
    colours = tuple(_colour(text) for text in hexes)
    lightness = [colour.lch_l for colour in colours]
    mean_l = sum(lightness) / len(colours)
    mean_chroma = sum(colour.chroma for colour in colours) / len(colours)
    return Measures(
        hexes=hexes,
        colours=colours,
        families=_families(colours),
        depth="dark" if mean_l < 38 else "light" if mean_l > 66 else "mid",
        chroma="soft" if mean_chroma < 24 else "vivid" if mean_chroma > 55 else "mid",
        temperature=_temperature(colours, group),
        contrast=_contrast(max(lightness) - min(lightness)),
        brightness=_brightness(lightness, mean_l, group),
        saturation=_saturation(colours),
        harmony=_harmony(colours),
    )


def _colour(text: str) -> Colour:
    digits = text.lstrip("#")
    red, green, blue = (int(digits[start : start + 2], 16) for start in (0, 2, 4))
    hue, saturation, lightness = _hsl(red / 255, green / 255, blue / 255)
    lch_l, chroma, lch_hue = (round(value) for value in _lch(red / 255, green / 255, blue / 255))
    return Colour(hue, saturation, lightness, lch_l, chroma, lch_hue, _family(lch_l, chroma, lch_hue))


def _hsl(red: float, green: float, blue: float) -> tuple[int, int, int]:
    high, low = max(red, green, blue), min(red, green, blue)
    span, lightness = high - low, (high + low) / 2
    if span == 0:
        return 0, 0, round(lightness * 100)
    saturation = span / (1 - abs(2 * lightness - 1))
    if high == red:
        hue = ((green - blue) / span) % 6
    elif high == green:
        hue = (blue - red) / span + 2
    else:
        hue = (red - green) / span + 4
    return round(hue * 60), round(saturation * 100), round(lightness * 100)


def _lch(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """CIE LCh(ab), D65 (sRGB: IEC 61966-2-1)."""
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue))
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx, fy, fz = (v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    a_axis, b_axis = 500 * (fx - fy), 200 * (fy - fz)
    return 116 * fy - 16, math.hypot(a_axis, b_axis), math.degrees(math.atan2(b_axis, a_axis)) % 360


def _family(lightness: float, chroma: float, hue: float) -> str:
    if chroma < 9:
        return "white" if lightness > 90 else "grey"
    if 30 <= hue < 95 and ((lightness < 50 and chroma < 55) or chroma < 26):
        return "brown"
    return next(name for end, name in _FAMILY_ENDS if hue <= end)


def _families(colours: Sequence[Colour]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for colour in colours:
        counts[colour.family] = counts.get(colour.family, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return {name: count / len(colours) for name, count in ordered}


def _temperature(colours: Sequence[Colour], group: int) -> str:
    """Warm: HSL hue 0-60 or 300-360; cool: 150-270; greys (S under 15 %) and other hues take no side."""
    coloured = [colour for colour in colours if colour.saturation >= 15]
    warm = sum(colour.hue <= 60 or colour.hue >= 300 for colour in coloured)
    cool = sum(150 <= colour.hue <= 270 for colour in coloured)
    if group > 1:
        return _larger_side(len(colours), coloured, warm, cool, group)
    if warm and cool:
        return "cool-warm"
    if warm or cool:
        return "warm" if warm else "cool"
    return "neutral"


def _larger_side(count: int, coloured: Sequence[Colour], warm: int, cool: int, group: int) -> str:
    """Of so many colours; where both sides are equal, hues between the bands go to the nearer one."""
    if len(coloured) * 2 < count:
        return "neutral"
    if warm >= group and cool >= group:
        return "cool-warm"
    if warm == cool:
        warm = sum(colour.hue <= 105 or colour.hue >= 285 for colour in coloured)
        cool = len(coloured) - warm
    if warm == cool:
        return "cool-warm"
    return "warm" if warm > cool else "cool"


def _contrast(span: float) -> str:
    return "high" if span > 50 else "medium" if span >= 25 else "low"


def _brightness(lightness: Sequence[float], mean: float, group: int) -> str:
    if sum(one < 35 for one in lightness) >= group <= sum(one > 65 for one in lightness):
        return "varied"
    return "dark" if mean < 35 else "light" if mean > 65 else "medium"


def _saturation(colours: Sequence[Colour]) -> str:
    strong = sum(colour.saturation > 50 for colour in colours)
    weak = sum(colour.saturation < 40 for colour in colours)
    if strong * 2 > len(colours):
        return "vibrant"
    return "muted" if weak * 2 > len(colours) else "mixed"


def _harmony(colours: Sequence[Colour]) -> tuple[str, ...]:
    hues = [colour.lch_hue for colour in colours if colour.chroma >= 9]
    if len(hues) < 2:
        return ("achromatic", "monochromatic")
    spread = max(abs((one - other + 180) % 360 - 180) for one in hues for other in hues)
    if spread <= 20:
        return ("monochromatic", "analogous")
    if spread <= 80:
        return ("analogous", "monochromatic")
    if spread >= 155:
        return ("complementary", "split-complementary")
    return ("triadic", "polychromatic") if spread > 110 else ("split-complementary", "analogous")
