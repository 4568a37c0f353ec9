"""The answer of a refiner to one palette: canonical tags and the embed text.

It comes from the palette and from what the taggers agreed on. The embed text has 30 to 50 words of English, built
differently for different palettes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from grabient_assets.emulator.answers.lexicon import fitting, hue_names, is_plural, phrase_of, without_article
from grabient_assets.emulator.answers.measures import Measures, asked_palette, palette_subject
from grabient_assets.emulator.answers.personality import CATEGORICAL, Personality
from grabient_assets.emulator.answers.tagging import categorical, chosen, dominant_colours, seasons
from grabient_assets.emulator.questions import Chance, Question
from grabient_assets.gradient.vocabulary import SEASONS, with_capitals

_TAG = re.compile(r"[^\W\d_][\w' -]{1,39}$")
# Words that describe a palette's measures; a careful refiner keeps them out of moods and styles.
_MEASURE_WORDS = frozenset(
    ["warm", "cool", "neutral", "vibrant", "vivid", "muted", "bright", "dark", "light", "gradient", "palette"]
)


def refinement_subject(question: Question, asked: dict[str, Any]) -> str:
    """The palette of a request that shows a picture of it or the consensus on it; empty for any other request."""
    return palette_subject(question, asked) if question.has_image or "consensus" in asked else ""


def refinement_reply(
    question: Question, asked: dict[str, Any], who: Personality, chance: Chance, clean: bool
) -> tuple[dict[str, Any], bool]:
    """The answer to a refinement request. A refiner makes no slips of content."""
    return refined_answer(asked_palette(question, asked), asked, who, chance), False


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


MIN_WORDS, MAX_WORDS = 30, 50

LIGHT = {
    "dark": ("kept low and shadowed", "sunk in shadow", "with the lamps turned down"),
    "light": ("open and full of air", "lit as if from within", "pale as early morning"),
    "medium": ("held in an even light", "never too loud, never too dim", "resting in the middle tones"),
    "varied": ("swinging from deep shadow to open light", "from near night to full day", "with light and dark in turn"),
}
TONE = {
    "vibrant": ("saturated", "full-blooded", "intense", "bold"),
    "muted": ("dusty", "hushed", "faded", "soft"),
    "mixed": ("half-vivid", "uneven", "shifting", "layered"),
}
THREE = (
    "{Start} melts through {middle} into {end}, {light}.",
    "{A_tone} sweep runs from {start} to {end} with {middle} in between, {light}.",
    "{Start}, {middle} and {end} share one {tone} breath, {light}.",
    "Here {start} gives way to {end} by way of {middle}, {light}.",
    "Between {start} and {end} lies {middle}; the whole is {tone}, {light}.",
    "{Middle} holds the centre while {start} and {end} pull at the edges, {light}.",
)
TWO = (
    "{Start} drifts towards {end}, {light}.",
    "It is {a_tone} meeting of {start} and {end}, {light}.",
    "{Start} answers {end} across {a_tone} field, {light}.",
    "There is nothing but {start} and {end}, {tone} throughout, {light}.",
)
ONE = (
    "It is {start} and only {start}, in close steps, {light}.",
    "It is {a_tone} study in {start}, {light}.",
    "It holds many depths of one {start}, {light}.",
)
FEEL = (
    "The mood is {mood} and {mood2}.",
    "It feels {mood}, even {mood2}.",
    "It is {mood} at first sight, then {mood2}.",
    "Its temper is {mood}, with something {mood2} underneath.",
    "People would call it {mood} or {mood2}.",
)
PICTURES = (
    "Think of {thing}, {thing2} and {thing3}.",
    "It recalls {thing}, {thing2} or perhaps {thing3}.",
    "There is something of {thing} in it, and of {thing2}.",
    "{Thing} {comes} to mind first, then {thing2} and {thing3}.",
    "It has the colours of {thing} next to {thing2}.",
    "One could be looking at {thing}, or at {thing2} and {thing3}.",
)
USES = (
    "It suits {style} work with a touch of {style2}.",
    "It is at home in {style} and {style2} settings.",
    "It leans {style}, with a hint of {style2}.",
    "It is a natural fit for {style} rooms, posters and pages.",
    "Designers would file it under {style}, beside {style2}.",
)
SEASON = (
    "Above all it belongs to {season}.",
    "It carries {season} with it.",
    "It is a palette for {season} days.",
    "The season is {season}, without a doubt.",
)
MORE = (
    "The steps between neighbours are {steps}.",
    "Seen from afar it reads as {start}.",
    "Even {thing4} would not look out of place here.",
    "Add {thing4} and the picture is complete.",
)
STEPS = {"high": "wide and decisive", "medium": "clear but unforced", "low": "so small that they blur"}


def embed_text(
    palette: Measures,
    moods: Sequence[str],
    styles: Sequence[str],
    things: Sequence[str],
    seasonal: Sequence[str],
    chance: Chance,
) -> str:
    """Prose on a palette. `moods`, `styles` and `things` (noun phrases with their article) must not be empty."""
    colours = _colours(palette, chance)
    slots = _slots(palette, colours, moods, styles, things, chance)
    sentences = [
        chance.pick((ONE, TWO, THREE)[len(colours) - 1]),
        chance.pick(FEEL),
        chance.pick(PICTURES),
        chance.pick(USES),
    ]
    if chance.draw() < 0.3:
        sentences[1], sentences[2] = sentences[2], sentences[1]
    if seasonal:
        sentences.append(chance.pick(SEASON).replace("{season}", seasonal[0]))
    spare = chance.sample(MORE, len(MORE))
    written = [sentence.format(**slots) for sentence in sentences]
    while _word_count(written) < MIN_WORDS and spare:
        written.append(spare.pop().format(**slots))
    while _word_count(written) > MAX_WORDS and len(written) > 3:
        written.pop()
    return " ".join(written)


def _word_count(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _colours(palette: Measures, chance: Chance) -> list[str]:
    """One to three different colour words, from the first, middle and last colour."""
    places = (0, len(palette.colours) // 2, len(palette.colours) - 1)
    families = dict.fromkeys(palette.colours[place].family for place in places)
    names = []
    for family in families:
        nearest = next(palette.colours[place] for place in places if palette.colours[place].family == family)
        names.append(chance.pick(hue_names(family, nearest.lch_l)))
    return list(dict.fromkeys(names))


def _slots(
    palette: Measures,
    colours: Sequence[str],
    moods: Sequence[str],
    styles: Sequence[str],
    things: Sequence[str],
    chance: Chance,
) -> dict[str, str]:
    tone = chance.pick(TONE[palette.saturation])
    slots = {
        "start": colours[0],
        "middle": colours[1] if len(colours) == 3 else colours[0],
        "end": colours[-1],
        "light": chance.pick(LIGHT[palette.brightness]),
        "tone": tone,
        "a_tone": f"{'an' if tone[0] in 'aeiou' else 'a'} {tone}",
        "mood": moods[0],
        "mood2": moods[1 % len(moods)],
        "style": with_capitals(styles[0]),
        "style2": with_capitals(styles[1 % len(styles)]),
        "steps": STEPS[palette.contrast],
        "comes": "come" if is_plural(things[0]) else "comes",
        **{f"thing{number or ''}": things[place % len(things)] for place, number in enumerate((0, 2, 3, 4))},
    }
    return slots | {name[0].upper() + name[1:]: text[0].upper() + text[1:] for name, text in slots.items()}


_WORD_KEYS = ("value", "tag", "word", "name")


def agreed(consensus: Any, field: str) -> list[str]:
    """The words of one field in the consensus, strongest first as listed; empty when it has none.

    Read are: a list of words; a list of objects with the word under `value`, `tag`, `word` or `name`; a list of
    [word, count] pairs; an object of word to count; any of them inside `votes`, `fields` or `values`.
    """
    if not isinstance(consensus, dict):
        return []
    found = consensus.get(field)
    if found is None:
        inner = next((consensus[key] for key in ("votes", "fields") if isinstance(consensus.get(key), dict)), None)
        return agreed(inner, field) if inner is not None else []
    if isinstance(found, dict) and isinstance(found.get("values"), list | dict):
        found = found["values"]
    if isinstance(found, str):
        return [found]
    if isinstance(found, dict):
        counts = {word: count for word, count in found.items() if isinstance(count, int | float)}
        return sorted(counts, key=lambda word: -counts[word])
    return list(_entry_words(found)) if isinstance(found, list) else []


def _entry_words(entries: Iterable[Any]) -> Iterable[str]:
    for entry in entries:
        if isinstance(entry, dict):
            entry = next((entry[key] for key in _WORD_KEYS if key in entry), None)
        elif isinstance(entry, list) and entry:
            entry = entry[0]
        if isinstance(entry, str) and entry.strip():
            yield entry.strip()
