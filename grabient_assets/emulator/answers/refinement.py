"""The refiner's answer: canonical tags and the embed text, from the palette and what the taggers agreed on."""

from __future__ import annotations

import re
from typing import Any

from grabient_assets.emulator.answers.chance import Chance
from grabient_assets.emulator.answers.consensus_words import agreed
from grabient_assets.emulator.answers.lexicon import fitting, phrase_of, without_article
from grabient_assets.emulator.answers.measures import Measures
from grabient_assets.emulator.answers.personality import CATEGORICAL, Personality
from grabient_assets.emulator.answers.prose import embed_text
from grabient_assets.emulator.answers.tagging import categorical, chosen, dominant_colours, seasons
from grabient_assets.gradient.vocabulary import SEASONS

_TAG = re.compile(r"[^\W\d_][\w' -]{1,39}$")
# Words that describe a palette's measures; a careful refiner keeps them out of moods and styles.
_MEASURE_WORDS = frozenset(
    ["warm", "cool", "neutral", "vibrant", "vivid", "muted", "bright", "dark", "light", "gradient", "palette"]
)


def refined_answer(palette: Measures, asked: dict[str, Any], who: Personality, chance: Chance) -> dict[str, Any]:
    """The answer of a refiner to one palette: every field of a refined answer, in the usual order."""
    consensus = asked.get("consensus")
    words = fitting(palette.hexes)

    def canonical(field: str, low: int, high: int) -> list[str]:
        count = chance.whole(low, high)
        own = [without_article(text) for text in chosen(words[field], high, who, chance)]
        voted = [word for word in map(str.lower, agreed(consensus, field)) if _usable(word)]
        return list(dict.fromkeys(voted[: count - 1] + own))[:count]

    mood, style = canonical("mood", 2, 5), canonical("style", 2, 5)
    associations = canonical("associations", 5, 10)
    seasonal = [season for season in agreed(consensus, "seasonal") if season in SEASONS][: chance.whole(0, 2)]
    seasonal = seasonal or seasons(words["seasonal"], chance)[:2]
    things = [phrase_of(tag) for tag in chance.sample(associations, 4)]
    return {
        "ref": asked.get("ref"),
        **{field: categorical(field, palette, who, chance) for field in CATEGORICAL},
        "mood": mood,
        "style": style,
        "dominant_colors": dominant_colours(palette, asked, chance.whole(2, 4)),
        "seasonal": seasonal,
        "associations": associations,
        "embed_text": embed_text(palette, mood, style, things, seasonal, chance),
    }


def _usable(word: str) -> bool:
    return bool(_TAG.match(word)) and word not in _MEASURE_WORDS
