"""The embed text of a refined palette: 30 to 50 words of English, built differently for different palettes."""

from __future__ import annotations

from collections.abc import Sequence

from grabient_assets.emulator.answers.chance import Chance
from grabient_assets.emulator.answers.lexicon import hue_names, is_plural
from grabient_assets.emulator.answers.measures import Measures
from grabient_assets.gradient.vocabulary import with_capitals

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
    while _words(written) < MIN_WORDS and spare:
        written.append(spare.pop().format(**slots))
    while _words(written) > MAX_WORDS and len(written) > 3:
        written.pop()
    return " ".join(written)


def _words(sentences: Sequence[str]) -> int:
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
