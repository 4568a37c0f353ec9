"""English words for colours: which named colours each claims, and whether a palette contradicts the claim.

docs/colour-facts.md says how words and claims are judged; change both together. The lists are reviewed by hand. A word
that is also a thing (gold, rose, amber) is no claim where it stands alone: a rose garden and a golden hour are no
colours.

A claim is contradicted only when no reading of the name allows it: a green in a palette without any hue near green, a
white where nothing is light. The measures are those of OkLCh, whose hue fits what people call blue better than that of
LCH.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations

from grabient_assets.gradient.color import NAMED_COLOURS, nearest_name, to_oklch
from grabient_assets.gradient.palette import RGB

ALWAYS_A_COLOUR = frozenset(
    {
        *("red", "green", "blue", "yellow", "cyan", "magenta", "pink", "purple", "brown", "gray", "black", "white"),
        *("navy", "maroon", "teal", "turquoise", "indigo", "beige", "azure", "crimson"),
    }
)
"""Names that mean a colour wherever they stand. The others are things too: rose, gold, mint, chocolate."""
NEUTRAL_NAMES = frozenset(
    {"black", "white", "gray", "silver", "slate", "charcoal", "beige", "ivory", "lavender", "azure"}
)
"""Names that claim a lightness (NEUTRAL_NAME). Before another colour they only shade it: "slate blue" claims blue."""

_OTHER_WORDS = {
    "cerulean": "blue",
    "fuchsia": "magenta",
    "grey": "gray",
    "mauve": "purple",
    "ocher": "orange",
    "ochre": "orange",
    "scarlet": "red",
    "ultramarine": "blue",
    "vermilion": "red",
    "vermillion": "red",
}
"""Always a colour, and none of the named ones: judged as the one beside it."""
_OTHER_THINGS = {
    "amber": "orange",
    "aquamarine": "turquoise",
    "blues": "blue",
    "burgundy": "maroon",
    "chartreuse": "lime",
    "cobalt": "blue",
    "emerald": "green",
    "golden": "gold",
    "jade": "green",
    "lilac": "violet",
    "rosy": "rose",
    "ruby": "red",
    "sapphire": "blue",
    "silvery": "silver",
}
"""Things too. Blues are music and a mood."""
_ISH = {"red": "reddish", "tan": "tannish"}
_STEMS = {
    **{name: name for name in ("black", "brown", "gray", "green", "grey", "pink", "yellow")},
    "blue": "blu",
    "purple": "purpl",
    "red": "redd",
    "white": "whit",
}
"""What -er, -est and the like are put to."""
_MADE_WITH_EN = frozenset({"black", "red", "white"})
"""To redden, but to yellow."""
_CHROMATIC_AFTER_A_COLOUR = frozenset({"orange", "oranges", "violet", "violets"})
"""Behind a colour they are one: "red orange". Other things keep their meaning: "white chocolate", "red rose"."""
_A_COLOUR_WHEN_MODIFIED = frozenset({"orange", "violet", "coral", "salmon", "gold", "peach", "lime"})
_PLAIN_MODIFIERS = frozenset(
    {"bright", "burnt", "dark", "deep", "hot", "light", "muted", "neon", "pale", "pastel", "vivid"}
)
"""What makes a colour of those: "burnt orange", "pale gold". Not "blood orange", "dark chocolate": those are food."""

_BEFORE_A_COLOUR = """
    baby blood brick bright brilliant bold burnt candy canary cherry clear cobalt cold cool crisp dark darker deep
    deepest dull dusky dusty earthy electric emerald faded fiery fire forest fresh frosty hazy hot hunter ice icy inky
    intense jade jet kelly leaf lemon light lighter medium mellow midnight milky misty moss muted neon ocean off pale
    pastel powder pure racing rich royal ruby rusty sage sapphire sea shocking sky smoky snow soft steel stormy strong
    subtle sunny tomato ultra vibrant vivid warm wine
"""
QUALIFIERS = frozenset(_BEFORE_A_COLOUR.split())
"""What stands before a colour and leaves it one: "dark green", "blood red"."""
_BEHIND_A_COLOUR = """
    color colored colors colour coloured colours gradient gradients hue hued hues ish shade shaded shades tinge tinged
    tint tinted tints tone toned tones undertone undertones
"""
COLOUR_NOUNS = frozenset(_BEHIND_A_COLOUR.split())
"""What stands behind a word for a colour and makes it one: "orange tones", "gold-tinted", "orange-ish"."""
_JOINED = re.compile(r"(?:\s*(?:[/&+,]|\b(?:and|or|to)\b)\s*)+")
_JOINED_BEFORE_A_COLOUR = frozenset({"bright", "dark", "deep", "hot", "light", "medium", "pale", "soft"})
"""What is also written in one word with it: "lightgreen"."""

NEUTRAL_NAME = 0.04
"""Names of less chroma (NEUTRAL_NAMES) claim lightness."""
NEAR_LIGHTNESS, NEUTRAL_CHROMA = 0.35, 0.12
VISIBLE_CHROMA, NEAR_HUE = 0.03, 60.0
NOT_OPPOSITE = 135.0
"""Two hues so far apart, but no farther, have hues between them: blue and green are 122 degrees apart."""
ROUNDING = 1e-9
_HUES = {"brown": 55.0}
"""Names whose value of CSS is no middle of what they mean: its brown is a red (26), and browns reach to olive."""


@dataclass(frozen=True, slots=True)
class ColourWord:
    """The named colour that a word claims. `always`: it can mean nothing else."""

    name: str
    always: bool


def colour_word(word: str) -> ColourWord | None:
    """What a word in lower case claims, in the singular, the plural, with -ish, or as "redder" and "reddened"; None
    when it is no word for a colour."""
    return _WORDS.get(word)


def parts_of(word: str) -> tuple[str, ...]:
    """The two words of a compound written as one ("lightgreen", "greenyellow"); otherwise the word alone."""
    if word not in _WORDS:
        for end in range(3, len(word) - 2):
            if word[end:] in _WORDS and (word[:end] in _JOINED_BEFORE_A_COLOUR or word[:end] in _WORDS):
                return word[:end], word[end:]
    return (word,)


def claimed_names(words: tuple[str, ...]) -> frozenset[str]:
    """The named colours that words in lower case claim together, when they are nothing but a colour: "dark green",
    "red orange", "golden yellow", "orange tones". Empty when they may mean a thing.

    They are contradicted when each of the names is: what a palette holds one of can be called by both.
    """
    names, certain = _named(words)
    return names if certain else frozenset()


def claims_of(tag: str) -> tuple[frozenset[str], ...]:
    """What each of the colours in a tag in lower case claims (claimed_names): "red and orange", "blue/green".

    Beside a certain colour every word for one is meant as such. Empty when the tag may mean a thing.
    """
    found = [_named(tuple(part.split(" "))) for part in _JOINED.split(tag)]
    meant = all(names for names, _ in found) and any(certain for _, certain in found)
    return tuple(names for names, _ in found) if meant else ()


def is_modified_colour(modifier: str, word: str) -> bool:
    """Whether a word that is a thing too means the colour behind this one: "burnt orange"."""
    return word in _A_COLOUR_WHEN_MODIFIED and modifier in _PLAIN_MODIFIERS


def _named(words: tuple[str, ...]) -> tuple[frozenset[str], bool]:
    """The names in words that are words for colours, qualifiers and nouns only; whether they can mean nothing else."""
    parts = tuple(part for word in words for part in parts_of(word))
    bare = parts
    while bare and bare[-1] in COLOUR_NOUNS:
        bare = bare[:-1]
    if not bare or not (last := colour_word(bare[-1])):
        return frozenset(), False
    if not all(part in QUALIFIERS or part in _WORDS for part in bare[:-1]):
        return frozenset(), False
    found = [last, *(colour for part in bare[:-1] if part not in QUALIFIERS and (colour := colour_word(part)))]
    behind_a_colour = bare[-1] in _CHROMATIC_AFTER_A_COLOUR and any(colour.always for colour in found[1:])
    modified = any(is_modified_colour(part, bare[-1]) for part in bare[-2:-1])
    names = frozenset({last.name, *(colour.name for colour in found if colour.name not in NEUTRAL_NAMES)})
    return names, last.always or behind_a_colour or modified or len(bare) < len(parts)


def _forms(word: str) -> Iterator[tuple[str, bool]]:
    """The word, its plural, its -ish form and what is made of an adjective; whether that form is always a colour where
    the word is not."""
    yield word, False
    yield re.sub(r"(?<![ae])y$", "ie", word) + ("es" if word.endswith("ch") else "s"), False
    yield _ISH.get(word, f"{word.removesuffix('e')}ish"), True
    yield _ISH.get(word, f"{word}ish"), True
    if stem := _STEMS.get(word):
        made = f"{stem}en" if word in _MADE_WITH_EN else stem
        yield from ((form, True) for form in (f"{stem}er", f"{stem}est", f"{made}ed", f"{made}ing", f"{word}ness"))
        if made != stem:
            yield made, True


def _words() -> dict[str, ColourWord]:
    plain = {
        **{name: ColourWord(name, name in ALWAYS_A_COLOUR) for name in NAMED_COLOURS},
        **{word: ColourWord(name, always=True) for word, name in _OTHER_WORDS.items()},
    }
    found = {
        form: ColourWord(colour.name, colour.always or always)
        for word, colour in plain.items()
        for form, always in _forms(word)
    }
    return found | {word: ColourWord(name, always=False) for word, name in _OTHER_THINGS.items()}


def is_contradicted(name: str, rgb: Sequence[RGB]) -> bool:
    """Whether none of the colours (RGB 0-255) comes near to the named one. A word that is no name never is, nor is the
    nearest name of one of the colours: the names cover it already."""
    if name not in NAMED_COLOURS or any(nearest_name(one) == name for one in rgb):
        return False
    return not any(_supports(measured_name(name), _measured(one)) for one in rgb)


def are_contradicted(names: Iterable[str], rgb: Sequence[RGB]) -> bool:
    """Whether none of the colours comes near to any of the names that one colour is given together, nor lies between
    two of them: teal is far from blue and from green, and is a blue green."""
    names = sorted(names)
    return all(is_contradicted(name, rgb) for name in names) and not any(
        _is_between(measured_name(one), measured_name(other), _measured(seen))
        for one, other in combinations(names, 2)
        for seen in rgb
    )


@cache
def measured_name(name: str) -> tuple[float, float, float]:
    """The lightness, chroma and hue that a name stands for. KeyError for a word that is none."""
    lightness, chroma, hue = to_oklch(NAMED_COLOURS[name])
    return lightness, chroma, _HUES.get(name, hue)


def _supports(named: tuple[float, float, float], seen: tuple[float, float, float]) -> bool:
    if named[1] < NEUTRAL_NAME:
        return abs(named[0] - seen[0]) <= NEAR_LIGHTNESS and seen[1] <= NEUTRAL_CHROMA
    return seen[1] >= VISIBLE_CHROMA and _apart(named[2], seen[2]) <= NEAR_HUE


def _is_between(
    one: tuple[float, float, float], other: tuple[float, float, float], seen: tuple[float, float, float]
) -> bool:
    if min(one[1], other[1]) < NEUTRAL_NAME or seen[1] < VISIBLE_CHROMA:
        return False
    apart = _apart(one[2], other[2])
    return apart <= NOT_OPPOSITE and _apart(one[2], seen[2]) + _apart(other[2], seen[2]) <= apart + ROUNDING


def _apart(one: float, other: float) -> float:
    apart = abs(one - other)
    return min(apart, 360 - apart)


@lru_cache(maxsize=65_536)
def _measured(rgb: RGB) -> tuple[float, float, float]:
    return to_oklch(rgb)


_WORDS = _words()
