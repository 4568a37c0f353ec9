"""How an emulated brush paints: its lines, its texture, and what it does to colours."""

from __future__ import annotations

import colorsys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grabient_assets.emulator.questions import Chance

BRUSHES = Path(__file__).with_name("brushes.toml")
TEXTURES = ("none", "hatching", "dots", "grain")


@dataclass(frozen=True, slots=True)
class Hand:
    """See brushes.toml."""

    outline: float
    opacity: float
    wobble: float
    bands: int
    texture: str
    marks: int
    saturation: float
    lightness: float

    def tinted(self, colour: str) -> str:
        """A colour as this brush mixes it."""
        hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
        mixed = colorsys.hls_to_rgb(hue, _within(lightness + self.lightness), _within(saturation * self.saturation))
        return _hex(mixed)


@cache
def hand_of(model: str) -> Hand:
    """The hand of a brush: from the data file, or derived from its id."""
    listed = tomllib.loads(BRUSHES.read_text(encoding="utf-8"))
    if model in listed:
        return Hand(**listed[model])
    chance = Chance("brush", model)
    return Hand(
        outline=round(6 * chance.draw(), 1),
        opacity=round(0.6 + 0.4 * chance.draw(), 2),
        wobble=round(30 * chance.draw(), 1),
        bands=chance.whole(0, 9),
        texture=chance.pick(TEXTURES),
        marks=chance.whole(20, 120),
        saturation=round(0.7 + 0.7 * chance.draw(), 2),
        lightness=round(0.12 * chance.draw() - 0.06, 3),
    )


def mixed(one: str, other: str, share: float) -> str:
    """Between two colours: `share` 0 is the first, 1 the other."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return _hex(tuple(a + (b - a) * share for a, b in pairs))


def lightness(colour: str) -> float:
    """How light a colour looks, 0 to 1."""
    red, green, blue = _channels(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _hex(channels: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * _within(value)):02x}" for value in channels)


def _within(value: float) -> float:
    return min(max(value, 0.0), 1.0)
