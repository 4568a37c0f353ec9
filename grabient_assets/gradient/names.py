"""The 41 colour names that a palette is described with, and the nearest of them to a colour."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from grabient_assets.gradient.cosine import RGB

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
