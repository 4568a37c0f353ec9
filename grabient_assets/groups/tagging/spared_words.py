"""Words for colours that say nothing about the colours of a palette: proper names and denials, in English prose.

Both are recognised by lists, and only where the words between are on them too: "no trace of red" is a denial, "no cloud
dims the red sun" is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grabient_assets.gradient.colour_words import COLOUR_NOUNS, QUALIFIERS, colour_word, parts_of
from grabient_assets.gradient.vocabulary import is_name

_EDGES = ".,;:!?…()[]{}\"'“”‘’«»*_–—-/"
_STOPS = re.compile(r"[.;:!?…)\]–—]['\"”’»]*$")
_NEGATIONS_WORDS = """
    no not never without neither nor nothing nowhere cannot zero lacks lacking lack avoids avoiding avoid
    excludes excluding omits omitting skips skipping minus sans unlike isn't aren't doesn't don't won't can't wasn't
    weren't
"""
_NEGATIONS = frozenset(_NEGATIONS_WORDS.split())
_NEGATIONS_OF_TWO_WORDS_WORDS = """
    free-of free-from devoid-of void-of empty-of bare-of absence-of lack-of instead-of rather-than far-from
    anything-but none-of
"""
_NEGATIONS_OF_TWO_WORDS = frozenset(_NEGATIONS_OF_TWO_WORDS_WORDS.split())
_BETWEEN_WORDS = """
    a an any the its of in at all even ever quite really truly very too so much more single slightest faintest least
    real true visible obvious longer is are be been being does do did have has turn turns turning become becomes
    becoming go goes going get gets getting show shows showing reach reaches reaching use uses using need needs
    needing contain contains containing hold holds holding trace traces hint hints touch touches sign signs spot
    spots bit shade shades whisper drop drops glimmer flash flashes splash splashes patch patches note notes
    suggestion speck specks tinge stroke strokes glow accent accents streak streaks warmth warm into to toward
    towards kind sort form amount glimpse breath
"""
_BETWEEN = frozenset(_BETWEEN_WORDS.split()) | QUALIFIERS | COLOUR_NOUNS
"""What may stand between a negation and the colour that it denies."""
_ARTICLES = frozenset({"a", "an", "the", "its"})
"""Behind a colour they begin a phrase that the denial of that colour does not reach: "without any red a red sun"."""
_AND = frozenset({"and", "or", "nor", "&"})
_DENIED_BEHIND = re.compile(
    r"(?:(?:is|are|was|were|stays?|remains?) (?:\w+ly )?(?:absent|missing|nowhere|avoided|excluded|omitted|left out)"
    r"|(?:never|nowhere|does not|do not|doesn't|don't|cannot|can't) "
    r"(?:appears?|shows?|enters?|occurs?|intrudes?|arrives?|surfaces?|comes? in|creeps? in))\b"
)
_PLACES_WORDS = """
    Army Bay Bridge Canyon Coast County Creek Cross Desert Forest Gate Hills Island Islands Lake Lakes Mountain
    Mountains Ocean Park Planet Ridge River Rock Rocks Sands Sea Spot Springs Square Valley
"""
_PLACES = frozenset(_PLACES_WORDS.split())
"""Behind a colour they make a name of it also in a title, where every word has a capital."""
_ADJECTIVE = re.compile(r"(?:[cei]an|ese|ish|ic|[^aeiou]ean)$")
"""How adjectives end that have a capital: "Red Scandinavian cottages" begins with a colour."""
_TITLE = 0.6
"""From this part of the words with a capital on, the text is a title, and a capital says nothing."""
_FEW_WORDS = 4
"""Shorter texts are judged as if they were no title: "The Red Sea"."""


def is_proper_name(words: Sequence[str], place: int) -> bool:
    """Whether the word at `place` is part of a name: it and the word behind it have a capital ("Red Sea")."""
    word = words[place].lstrip(_EDGES)
    if place + 1 == len(words) or not _has_capital(word) or word[-1] in _EDGES:
        return False
    following = words[place + 1].rstrip(_EDGES).removesuffix("'s").removesuffix("’s")
    if following in _PLACES:
        return True
    if not _has_capital(following) or _is_colour(following) or following.lower() in COLOUR_NOUNS:
        return False
    if (place == 0 or _pauses(words[place - 1])) and (_ADJECTIVE.search(following) or is_name(following)):
        return False
    return len(words) <= _FEW_WORDS or sum(map(_has_capital, words)) < _TITLE * len(words)


def is_denied(words: Sequence[str], place: int) -> bool:
    """Whether the colour at `place` is said not to be there: "without any orange", "red is absent", "red-free"."""
    if re.search(r"[-\u2010-\u2013](?:free|less)\W*$", words[place].lower()):
        return True
    behind = place
    while behind + 1 < len(words) and not _pauses(words[behind]) and _is_listed(_plain(words[behind + 1])):
        behind += 1
    if not _pauses(words[behind]) and _DENIED_BEHIND.match(" ".join(map(_plain, words[behind + 1 : behind + 6]))):
        return True
    return _is_denied_before(words, place)


def _is_denied_before(words: Sequence[str], place: int) -> bool:
    only_a_list, has_article = True, False
    for at in range(place - 1, -1, -1):
        word, before = _plain(words[at]), _plain(words[at - 1]) if at else ""
        if _pauses(words[at]) or (words[at].endswith(",") and not (only_a_list and _is_listed(word))):
            return False
        if word in _NEGATIONS or f"{before}-{word}" in _NEGATIONS_OF_TWO_WORDS:
            return word == "nor" or before not in _NEGATIONS  # "never without red" asserts it
        if word in _AND:
            if not (only_a_list and _is_listed(before)):
                return False
        elif not (word in _BETWEEN or _is_colour(word)) or (has_article and _is_colour(word)):
            return False
        has_article = has_article or word in _ARTICLES
        only_a_list = only_a_list and _is_listed(word)
    return False


def _is_listed(word: str) -> bool:
    return word in _AND or word in QUALIFIERS or word in COLOUR_NOUNS or _is_colour(word)


def _is_colour(word: str) -> bool:
    return any(colour_word(part) for one in word.lower().split("-") for part in parts_of(one))


def _pauses(word: str) -> bool:
    return bool(_STOPS.search(word))


def _has_capital(word: str) -> bool:
    letters = word.strip(_EDGES)
    return letters[:1].isupper() and not letters[1:2].isupper()


def _plain(word: str) -> str:
    return word.lower().replace("’", "'").strip(_EDGES)
