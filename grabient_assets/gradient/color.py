"""One colour in other notations: hex, HSL, LCH and OkLCh. All from 8-bit sRGB.

HSL and LCH are rounded to whole numbers as Grabient shows them to the models; a hue that rounds up can be 360.
"""

from __future__ import annotations

from functools import cache
from math import atan2, cbrt, degrees, hypot, pi, sqrt

from grabient_assets.gradient.cosine import RGB
from grabient_assets.gradient.rounding import round_half_up

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
    light = [linear(channel) * 100 for channel in rgb]
    x, y, z = (
        _cie_root((light[0] * row[0] + light[1] * row[1] + light[2] * row[2]) / white)
        for row, white in zip(SRGB_TO_XYZ, D65_WHITE, strict=True)
    )
    a, b = 500 * (x - y), 200 * (y - z)
    hue = atan2(b, a) * 180 / pi
    if hue < 0:
        hue += 360
    return round_half_up(116 * y - 16), round_half_up(sqrt(a * a + b * b)), round_half_up(hue)


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


def _cie_root(value: float) -> float:
    return value ** (1 / 3) if value > CIE_EPSILON else (CIE_KAPPA * value + 16) / 116
