"""The answer of a tagger to one palette, as an object, and what the model thinks before it answers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from grabient_assets.emulator.answers.lexicon import Word, fitting, without_article
from grabient_assets.emulator.answers.measures import Measures, asked_palette
from grabient_assets.emulator.answers.personality import CATEGORICAL, Personality, damaged
from grabient_assets.emulator.questions import Chance, Question, share
from grabient_assets.gradient.vocabulary import COLOUR_NAMES

# Which value a wrong answer takes: the neighbours of the right one, likeliest first.
MISTAKES = {
    "temperature": {
        "warm": ("cool-warm", "neutral"),
        "cool": ("cool-warm", "neutral"),
        "neutral": ("cool-warm", "warm"),
        "cool-warm": ("warm", "cool", "neutral"),
    },
    "contrast": {"high": ("medium",), "medium": ("high", "low"), "low": ("medium",)},
    "brightness": {
        "dark": ("medium", "varied"),
        "medium": ("varied", "dark", "light"),
        "light": ("medium", "varied"),
        "varied": ("medium",),
    },
    "saturation": {"vibrant": ("mixed",), "muted": ("mixed",), "mixed": ("vibrant", "muted")},
}
COUNTS = {
    "few": {"mood": (2, 3), "style": (1, 2), "associations": (2, 4)},
    "some": {"mood": (3, 4), "style": (2, 3), "associations": (4, 6)},
    "many": {"mood": (3, 5), "style": (3, 5), "associations": (5, 7)},
}
MUSINGS = (
    "Okay, let me look at the colours. The first one is {first} and the last one is {last}.",
    "The lightness goes from {low} to {high}, so the contrast should be {contrast}.",
    "Hmm, is that {temperature}? The hues say so. The saturation looks {saturation} to me.",
    "For associations I think of {thing}. The answer must be JSON with the ref echoed.",
)
SHARED_BY_ALL, SHARED_BY_FAMILY = 0.25, 0.35
"""Parts of its errors that a model shares with every other, and with its relatives: ten models are then worth about
three independent votes, as real panels are (arXiv 2605.29800)."""


def tagging_reply(
    question: Question, asked: dict[str, Any], who: Personality, chance: Chance, clean: bool
) -> tuple[dict[str, Any], bool]:
    """The answer to a tagging request, and whether slips of the model are in it."""
    given = tagging_answer(asked_palette(question, asked), asked, who, chance)
    slips = damaged(deepcopy(given), who, chance, clean=question.json_only, strict=question.strict)
    return (given, False) if clean else (slips, slips != given)


def palette_thinking(question: Question, asked: dict[str, Any], chance: Chance) -> str:
    """What a model thinks about a palette."""
    palette = asked_palette(question, asked)
    lightness = [round(colour.lch_l) for colour in palette.colours]
    things = fitting(palette.hexes)["associations"]
    return " ".join(MUSINGS).format(
        first=palette.hexes[0],
        last=palette.hexes[-1],
        low=min(lightness),
        high=max(lightness),
        contrast=palette.contrast,
        temperature=palette.temperature,
        saturation=palette.saturation,
        thing=chance.pick(things[:6]).text,
    )


def tagging_answer(palette: Measures, asked: dict[str, Any], who: Personality, chance: Chance) -> dict[str, Any]:
    """The answer of a model to one palette: every field of a tagging answer, in the usual order."""
    counts = COUNTS[who.tags]
    words = fitting(palette.hexes)
    mood = chosen(words["mood"], chance.whole(*counts["mood"]), who, chance)
    style = chosen(words["style"], chance.whole(*counts["style"]), who, chance)
    associations = chosen(words["associations"], chance.whole(*counts["associations"]), who, chance)
    return {
        "ref": asked.get("ref"),
        "mood": mood,
        "style": style,
        "dominant_colors": dominant_colours(palette, asked, chance.whole(2, 4)),
        "harmony": list(palette.harmony[: chance.whole(1, 2)]),
        **{field: categorical(field, palette, who, chance) for field in CATEGORICAL},
        "seasonal": seasons(words["seasonal"], chance),
        "associations": [without_article(phrase) for phrase in associations],
    }


def chosen(words: tuple[Word, ...], count: int, who: Personality, chance: Chance) -> list[str]:
    """The words a model takes: mostly the fittest, moved by its leanings and chance, so that models agree in part."""
    draw, leanings = chance.draw, who.leanings
    scored = [
        (word.weight * (0.55 + draw()) * (1.35 if leanings & word.leanings else 1.0), word.text) for word in words[:24]
    ]
    scored.sort(reverse=True)
    return [text for _, text in scored[:count]]


def categorical(field: str, palette: Measures, who: Personality, chance: Chance) -> str:
    """The value of a categorical field, wrong as often as the model's error rate says.

    A part of the errors belongs to the palette, a part to the palette and the model's family, the rest is the single
    answer's own. Together they are the declared rate e: 1 - e = (1 - all) (1 - family) (1 - own).
    """
    truth: str = getattr(palette, field)
    rate = who.errors[field]
    by_all, by_family = SHARED_BY_ALL * rate, SHARED_BY_FAMILY * rate
    wrong = MISTAKES[field][truth]
    own = chance.draw()
    hard = share("hard palette", palette.text, field)
    if hard < by_all or share("family error", who.family, palette.text, field) < by_family:
        return wrong[0]
    if own < 1 - (1 - rate) / ((1 - by_all) * (1 - by_family)):
        return chance.pick(wrong)
    return truth


def dominant_colours(palette: Measures, asked: dict[str, Any], count: int) -> list[str]:
    """Colour names of the 41, taken from the names in the request; from the hue families when it has none."""
    named = asked.get("color_names")
    names = [name for name in named if name in COLOUR_NAMES] if isinstance(named, list) else []
    if not names:
        names = ["gray" if family == "grey" else family for family in palette.families]
    return list(dict.fromkeys(names))[:count]


def seasons(words: tuple[Word, ...], chance: Chance) -> list[str]:
    """Seasons that the palette speaks for clearly; often none, rarely more than two."""
    return [word.text for word in words[:3] if chance.draw() * 1.1 < word.weight]
