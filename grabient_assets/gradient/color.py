"""One colour in other notations (hex, HSL, LCH, OkLCh, all from 8-bit sRGB), and the nearest of 41 colour names.

HSL and LCH are rounded to whole numbers as Grabient shows them to the models; a hue that rounds up can be 360.
"""

from __future__ import annotations

from cmath import phase
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from math import atan2, cbrt, copysign, cos, degrees, exp, hypot, pi, radians, sin, sqrt

from grabient_assets.gradient.palette import RGB, round_half_up

Triple = tuple[int, int, int]

# CIE 1931 XYZ of the sRGB primaries and the D65 white point (2 degree observer), in percent. Bruce Lindbloom,
# http://www.brucelindbloom.com (RGB/XYZ matrices). The hue of a grey is the rounding noise of these digits.
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
D65_WHITE = (95.047, 100.0, 108.883)
# CIE 15: where the cube root gives way to a straight line.
CIE_EPSILON, CIE_KAPPA = 0.008856, 903.3


def to_hex(rgb: RGB) -> str:
    """For example "#0a1f3c"."""
    return f"#{rgb[0]:02x}{rgb[1]:02x}{rgb[2]:02x}"


def to_hsl(rgb: RGB) -> Triple:
    """Hue in degrees, saturation and lightness in percent. Greys have hue 0."""
    red, green, blue = (channel / 255 for channel in rgb)
    high, low = max(red, green, blue), min(red, green, blue)
    lightness = (high + low) / 2
    if high == low:
        return 0, 0, round_half_up(lightness * 100)
    spread = high - low
    saturation = spread / (2 - high - low) if lightness > 0.5 else spread / (high + low)
    if high == red:
        sixths = (green - blue) / spread + (6 if green < blue else 0)
    elif high == green:
        sixths = (blue - red) / spread + 2
    else:
        sixths = (red - green) / spread + 4
    return round_half_up(sixths / 6 * 360), round_half_up(saturation * 100), round_half_up(lightness * 100)


def to_lch(rgb: RGB) -> Triple:
    """CIE L*C*h of the D65 white point: lightness 0-100, chroma, hue in degrees."""
    lightness, a, b = lab_of([linear(channel) * 100 for channel in rgb])
    hue = atan2(b, a) * 180 / pi
    if hue < 0:
        hue += 360
    return round_half_up(lightness), round_half_up(sqrt(a * a + b * b)), round_half_up(hue)


def lab_of(light: Sequence[float]) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of linear red, green and blue light, 0 to 100."""
    x, y, z = (
        _cie_root((light[0] * row[0] + light[1] * row[1] + light[2] * row[2]) / white)
        for row, white in zip(SRGB_TO_XYZ, D65_WHITE, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def to_oklch(rgb: RGB) -> tuple[float, float, float]:
    """OkLCh: lightness 0-1, chroma, hue in degrees. Bjorn Ottosson, https://bottosson.github.io/posts/oklab/."""
    red, green, blue = (linear(channel) for channel in rgb)
    long = cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    hue = degrees(atan2(b, a))
    return lightness, hypot(a, b), hue + 360 if hue < 0 else hue


@cache
def linear(channel: int) -> float:
    """The linear light (0-1) of an 8-bit sRGB channel (IEC 61966-2-1)."""
    value = channel / 255
    return ((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92


def ciede2000(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """The difference of two colours in CIE L*a*b*; about 1 is just seen. Names follow G. Sharma, W. Wu,
    E. N. Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
    Mathematical Observations", Color Research and Application 30 (2005) 21-30, formulas 2 to 22."""

    def seventh(chroma: float) -> float:
        return sqrt(chroma**7 / (chroma**7 + 25**7))

    g = 0.5 * (1 - seventh((hypot(*one[1:]) + hypot(*other[1:])) / 2))
    z1, z2 = (complex((1 + g) * a, b) for _, a, b in (one, other))
    h1, h2 = (degrees(phase(z)) % 360 for z in (z1, z2))
    turn = h2 - h1 - (copysign(360, h2 - h1) if abs(h2 - h1) > 180 else 0)
    c, h, light = (abs(z1) + abs(z2)) / 2, (h1 + turn / 2) % 360, ((one[0] + other[0]) / 2 - 50) ** 2
    waves = ((0.17, 1, 150), (0.24, 2, 0), (0.32, 3, 6), (0.2, 4, 117))
    t = 1 + sum(size * cos(radians(times * h + shift)) for size, times, shift in waves)
    dl = (other[0] - one[0]) / (1 + 0.015 * light / sqrt(20 + light))
    dc = (abs(z2) - abs(z1)) / (1 + 0.045 * c)
    dh = 2 * sqrt(abs(z1) * abs(z2)) * sin(radians(turn / 2)) / (1 + 0.015 * c * t)
    rotation = -2 * seventh(c) * sin(radians(60 * exp(-(((h - 275) / 25) ** 2))))
    return sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh)


def _cie_root(value: float) -> float:
    return value ** (1 / 3) if value > CIE_EPSILON else (CIE_KAPPA * value + 16) / 116


# Grabient's list, in its order: the first of two equally near names wins, so "aqua" can never be given
# (it equals "cyan"). Most values are those of CSS; peach, mint, rose, slate, charcoal are not CSS names.
NAMED_COLOURS: dict[str, RGB] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "orange": (255, 165, 0),
    "pink": (255, 192, 203),
    "purple": (128, 0, 128),
    "brown": (165, 42, 42),
    "gray": (128, 128, 128),
    "gold": (255, 215, 0),
    "teal": (0, 128, 128),
    "navy": (0, 0, 128),
    "maroon": (128, 0, 0),
    "olive": (128, 128, 0),
    "turquoise": (64, 224, 208),
    "indigo": (75, 0, 130),
    "violet": (238, 130, 238),
    "beige": (245, 245, 220),
    "tan": (210, 180, 140),
    "coral": (255, 127, 80),
    "salmon": (250, 128, 114),
    "khaki": (240, 230, 140),
    "lavender": (230, 230, 250),
    "peach": (255, 218, 185),
    "mint": (189, 252, 201),
    "lime": (0, 255, 0),
    "aqua": (0, 255, 255),
    "silver": (192, 192, 192),
    "crimson": (220, 20, 60),
    "chocolate": (210, 105, 30),
    "ivory": (255, 255, 240),
    "azure": (240, 255, 255),
    "plum": (221, 160, 221),
    "orchid": (218, 112, 214),
    "rose": (255, 0, 127),
    "slate": (112, 128, 144),
    "charcoal": (54, 69, 79),
}


@lru_cache(maxsize=65_536)
def nearest_name(rgb: RGB) -> str:
    """The name at the smallest squared distance in RGB."""
    red, green, blue = rgb

    def distance(name: str) -> int:
        r, g, b = NAMED_COLOURS[name]
        return (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2

    return min(NAMED_COLOURS, key=distance)


def color_names(rgb: Iterable[RGB]) -> tuple[str, ...]:
    """The nearest name of each colour, every name once, in order of appearance."""
    return tuple(dict.fromkeys(nearest_name(one) for one in rgb))
