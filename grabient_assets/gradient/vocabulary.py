"""The words that tags may use: enumerations, harmonies, colour names, seasons, and the spellings accepted for them.

The order inside a tuple is part of the contract: it breaks ties in the consensus.
"""

from __future__ import annotations

TEMPERATURES = ("warm", "cool", "neutral", "cool-warm")
CONTRASTS = ("high", "medium", "low")
BRIGHTNESSES = ("dark", "medium", "light", "varied")
SATURATIONS = ("vibrant", "muted", "mixed")

CATEGORICAL_VALUES: dict[str, tuple[str, ...]] = {
    "temperature": TEMPERATURES,
    "contrast": CONTRASTS,
    "brightness": BRIGHTNESSES,
    "saturation": SATURATIONS,
}

# One map per field: the same word means different things in different fields ("mixed" is two of them).
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

# Nearest-name search keeps the first of equals: aqua has the colour of cyan and can never be found.
COLOUR_NAMES = (
    "black",
    "white",
    "red",
    "green",
    "blue",
    "yellow",
    "cyan",
    "magenta",
    "orange",
    "pink",
    "purple",
    "brown",
    "gray",
    "gold",
    "teal",
    "navy",
    "maroon",
    "olive",
    "turquoise",
    "indigo",
    "violet",
    "beige",
    "tan",
    "coral",
    "salmon",
    "khaki",
    "lavender",
    "peach",
    "mint",
    "lime",
    "aqua",
    "silver",
    "crimson",
    "chocolate",
    "ivory",
    "azure",
    "plum",
    "orchid",
    "rose",
    "slate",
    "charcoal",
)

SEASONS = ("spring", "summer", "autumn", "winter")
