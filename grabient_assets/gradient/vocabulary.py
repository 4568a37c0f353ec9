"""The words and counts that prompts, parsing, checks and computed facts share.

The order inside a tuple is part of the contract: it breaks ties in the consensus.
"""

from __future__ import annotations

import re

from grabient_assets.gradient.color import NAMED_COLOURS

TEMPERATURES = ("warm", "cool", "neutral", "cool-warm")
CONTRASTS = ("high", "medium", "low")
BRIGHTNESSES = ("dark", "medium", "light", "varied")
SATURATIONS = ("vibrant", "muted", "mixed")

# The fields with one value out of a closed list, and their lists.
CATEGORICAL_VALUES: dict[str, tuple[str, ...]] = {
    "temperature": TEMPERATURES,
    "contrast": CONTRASTS,
    "brightness": BRIGHTNESSES,
    "saturation": SATURATIONS,
}

# What models write instead of a value of the list, and what they mean by it. One map per field, for the same word
# means different things: "contrast" as a brightness is "varied".
CATEGORICAL_SYNONYMS: dict[str, dict[str, str]] = {
    "temperature": {
        "mixed": "cool-warm",
        "both": "cool-warm",
        "balanced": "neutral",
        "grey": "neutral",
        "gray": "neutral",
        "warm-cool": "cool-warm",
    },
    "contrast": {
        "strong": "high",
        "intense": "high",
        "moderate": "medium",
        "mid": "medium",
        "subtle": "low",
        "soft": "low",
        "minimal": "low",
    },
    "brightness": {
        "bright": "light",
        "pale": "light",
        "very light": "light",
        "dim": "dark",
        "deep": "dark",
        "very dark": "dark",
        "moderate": "medium",
        "mid": "medium",
        "average": "medium",
        "mixed": "varied",
        "variable": "varied",
        "contrast": "varied",
    },
    "saturation": {
        "high": "vibrant",
        "bright": "vibrant",
        "vivid": "vibrant",
        "saturated": "vibrant",
        "intense": "vibrant",
        "rich": "vibrant",
        "low": "muted",
        "dull": "muted",
        "desaturated": "muted",
        "soft": "muted",
        "pastel": "muted",
        "subtle": "muted",
        "moderate": "mixed",
        "medium": "mixed",
        "varied": "mixed",
        "variable": "mixed",
    },
}

# More words than `gradient.harmony` can detect: models may name schemes that hues alone do not show.
HARMONY_WORDS = (
    "monochromatic",
    "analogous",
    "complementary",
    "split-complementary",
    "double-complementary",
    "triadic",
    "tetradic",
    "square",
    "achromatic",
    "neutral",
    "accented-analogous",
    "near-complementary",
    "clash",
    "polychromatic",
)
COLOUR_NAMES = tuple(NAMED_COLOURS)
SEASONS = ("spring", "summer", "autumn", "winter")
SEASON_SYNONYMS = {"fall": "autumn"}

CLOSED_LISTS: dict[str, tuple[str, ...]] = {
    "dominant_colors": COLOUR_NAMES,
    "harmony": HARMONY_WORDS,
    "seasonal": SEASONS,
}
"""The fields with several values out of a closed list, and their lists."""

# How a palette may be drawn, and the limits of the site for it.
STYLES = (
    "linearGradient",
    "linearSwatches",
    "angularGradient",
    "angularSwatches",
    "radialGradient",
    "radialSwatches",
)
DEFAULT_STYLE, DEFAULT_STEPS, DEFAULT_ANGLE = "linearSwatches", 11, 90.0
MIN_STEPS, MAX_STEPS = 2, 50

_WITH_CAPITALS_WORDS = """
    African American Americana Antarctic Arabian Arctic Asian Atlantic Aztec Bali Balinese Bauhaus Berlin Brazilian
    British Byzantine California Californian Caribbean Celtic Chinese Christmas Danish Dutch Easter Edwardian Egyptian
    Elizabethan English European Flemish French Gaudí Georgian German Ghibli Gothic Greek Halloween Hawaiian Hollywood
    Icelandic Indian Irish Italian Japandi Japanese Korean LED Malibu Martian Mayan Mediterranean Memphis Mexican Miami
    Montessori Moroccan Nordic Norse Norwegian Pacific Paris Parisian Persian Polynesian Provence
    Provençal Riviera Roman Russian Sahara Santorini Saturn Scandinavian Scottish Spanish Swedish Swiss Thai Tiffany
    Tokyo Turkish Tuscan Tuscany Venetian Venice Victorian Viking Y2K
"""
_WITH_CAPITALS = {word.lower(): word for word in _WITH_CAPITALS_WORDS.split()}
_WORD = re.compile(r"[^\W_]+")
_MOVEMENT_NAMES = ("Art Deco", "Art Nouveau", "Arts and Crafts", "Gothic Revival", "Pre-Raphaelite")
_MOVEMENTS = {name.lower(): name for name in _MOVEMENT_NAMES}
_MOVEMENT = re.compile(rf"\b(?:{'|'.join(_MOVEMENTS)})\b", re.IGNORECASE)


def is_name(word: str) -> bool:
    """Whether a word is a name, or made of one, that is written with a capital: "Scandinavian", "Bauhaus"."""
    return word.lower() in _WITH_CAPITALS


def with_capitals(phrase: str) -> str:
    """A tag as it stands in a sentence: tags are kept in lower case, and names and what is made of them have a capital
    ("Scandinavian", "Swiss modernism")."""
    named = _WORD.sub(lambda found: _WITH_CAPITALS.get(found[0].lower(), found[0]), phrase)
    return _MOVEMENT.sub(lambda found: _MOVEMENTS[found[0].lower()], named)
