"""The text that is embedded for search: 30 to 50 words, by rule.

A word is what stands between blanks, punctuation included. A text outside the limits is repaired, never rejected:
cutting and extending are written rules, so the same answer always gives the same text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grabient_assets.groups.tagging.normalisation import visible_text

MIN_WORDS = 30
MAX_WORDS = 50
# Longer "words" are encoded data or a script without blanks; an embedding model gains nothing from them.
MAX_WORD_CHARS = 100
# Enough for 50 words of 100 characters; what lies behind can never be kept.
_MAX_CHARS = 6_000

_MARKUP = re.compile(r"<[^<>]*>|[<>]")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*$")
_DANGLING = " ,;:-–—([{\"'“‘«&/"
_EDGES = ".,;:!?…()[]{}\"'“”‘’«»*_"
# True of every palette, so they tell a search nothing; used last. Thirty different words make the rule total: a text of
# n < 30 words can already hold at most n of them. Six more, because `without` may refuse one ("gold", "tones").
_NEUTRAL_TEXT = (
    "gradient palette colours blend smooth transition hues tones shades background design swatches "
    "sequence blending steps fade surface band colour stripes range scheme digital art screen backdrop "
    "pattern spectrum visual texture image wallpaper canvas layout picture flow "
)


@dataclass(frozen=True, slots=True)
class EmbedText:
    """30 to 50 words; `repaired` when they are not the words the model wrote."""

    text: str
    repaired: bool


def word_count(text: str) -> int:
    """Number of words: runs of characters between blanks."""
    return len(text.split())


def _everything(words: Sequence[str]) -> list[str]:
    return list(words)


def fit_embed_text(
    text: str, extension: Iterable[str], without: Callable[[Sequence[str]], list[str]] = _everything
) -> EmbedText:
    """`text` with 30 to 50 words, free of HTML and control characters.

    More than 50 words: cut at the last sentence end within words 30 to 50, otherwise after word 50. Fewer than 30:
    the phrases of `extension` follow in their order, then neutral words, until there are at least 30. A phrase is added
    whole, and only when the text does not hold all its words yet. `without` takes words out of a text; no phrase from
    which it would take one is added. Applying the rule to its own result changes nothing.
    """
    words = without(plain_words(text))
    if len(words) > MAX_WORDS:
        words = _cut(words)
    if len(words) < MIN_WORDS:
        words = _extended(words, extension, without)
    return EmbedText(" ".join(words), repaired=words != text.split())


def plain_words(text: str) -> list[str]:
    """The words of `text` without markup, control and invisible characters; HTML entities as what they stand for."""
    plain = _plain(text[:_MAX_CHARS])
    while "&" in plain and (again := _plain(plain)) != plain:  # an entity may stand for the "&" of another
        plain = again
    return [word for word in plain.split() if len(word) <= MAX_WORD_CHARS]


def _plain(text: str) -> str:
    return visible_text(_MARKUP.sub(" ", html.unescape(text)))


def _cut(words: list[str]) -> list[str]:
    for count in range(MAX_WORDS, MIN_WORDS - 1, -1):
        if _SENTENCE_END.search(words[count - 1]):
            return words[:count]
    kept = words[:MAX_WORDS]
    while len(kept) > MIN_WORDS and not kept[-1].rstrip(_DANGLING):
        kept.pop()
    kept[-1] = kept[-1].rstrip(_DANGLING) or kept[-1]
    return kept


def _extended(words: list[str], extension: Iterable[str], without: Callable[[Sequence[str]], list[str]]) -> list[str]:
    extended = list(words)
    held = {_bare(word) for word in words}
    for phrase in (*extension, *_NEUTRAL_TEXT.split()):
        if len(extended) >= MIN_WORDS:
            break
        added = [word for word in plain_words(phrase) if _bare(word)]
        longer = [*extended, *added]
        if len(longer) <= MAX_WORDS and not held.issuperset(map(_bare, added)) and without(longer) == longer:
            held.update(map(_bare, added))
            extended = longer
    return extended


def _bare(word: str) -> str:
    return word.casefold().strip(_EDGES)
