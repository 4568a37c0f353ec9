"""Open tags in one form, so that "Sunsets", "sunset" and "sun-set" are counted as one word.

The form is only what is compared; what the models wrote stays in palette_tags, and the consensus shows the spelling
that most of them used. Two words of different meaning must never share a form, so the rules are few: marks at the ends,
hyphens, British spelling, the plural of the last word, and a reviewed list of synonyms (tag_forms.toml). A plural whose
singular is a colour stays apart: "roses" are flowers, "rose" is a colour.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from grabient_assets.gradient.vocabulary import COLOUR_NAMES
from grabient_assets.groups.tagging.normalisation import QUOTES, clean_tag

_JOINERS = re.compile(r"[\s_\-\u2010-\u2015]+")
_EDGES = " .,;:!?\u2026#*()" + QUOTES
_SIBILANT = ("sses", "shes", "ches", "xes", "zzes", "tzes")
# "viruses" and "frescoes", but "houses" and "shoes".
_US_OR_O = re.compile(r"(?<![aeo])uses$|\w{3}(?<!sh)oes$")
_BRITISH_S = re.compile(r"(?<=is)(?=ed$|ing$|ation$)")
_LIKE = re.compile(r"(?<=\w)-like\b")
_EMOJI_STYLE = "\ufe0f"
_NO_PLURAL = ("ss", "us", "is", "ics")
_SHORTEST_PLURAL = 4


@dataclass(frozen=True, slots=True)
class TagForms:
    """The lists of tag_forms.toml."""

    spellings: dict[str, str]
    plurals: dict[str, str]
    synonyms: dict[str, str]
    invariant: frozenset[str]
    invariant_alone: frozenset[str]
    always_s: frozenset[str]


@cache
def tag_forms() -> TagForms:
    """The reviewed lists, read once."""
    text = (resources.files("grabient_assets.groups.tagging") / "tag_forms.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    sets = {name: frozenset(found[name]["words"]) for name in ("invariant", "invariant_alone", "always_s")}
    return TagForms(found["spellings"], found["plurals"], found["synonyms"], **sets)


@lru_cache(maxsize=65_536)
def tag_form(tag: str) -> str:
    """The form in which `tag` is counted. A form is its own form; what is no tag at all is returned as it is."""
    cleaned = clean_tag(tag)
    if cleaned is None:
        return tag
    lists = tag_forms()
    words = _JOINERS.sub(" ", _LIKE.sub("like", cleaned).replace(_EMOJI_STYLE, "")).strip(_EDGES).split(" ")
    if not words[-1]:
        return cleaned  # nothing but such marks
    words = [_american(word, lists) for word in words]
    if len(words) > 1 or words[0] not in lists.invariant_alone:
        words[-1] = _american(_singular(words[-1], lists), lists)
    form = " ".join(words)
    return lists.synonyms.get(form, form)


def _american(word: str, lists: TagForms) -> str:
    """`word` in American spelling, in the plural too."""
    word = word.replace("colour", "color")
    if word.endswith("s") and word not in lists.spellings and word[:-1] in lists.spellings:
        return f"{lists.spellings[word[:-1]]}s"
    if word not in lists.always_s and (found := _BRITISH_S.search(word)):
        word = f"{word[: found.start() - 1]}z{word[found.start() :]}"
    return lists.spellings.get(word, word)


def _singular(word: str, lists: TagForms) -> str:
    """`word` in the singular, where that is certain."""
    if word in lists.plurals:
        return lists.plurals[word]
    if len(word) < _SHORTEST_PLURAL or word in lists.invariant or not word.isalpha() or not word.endswith("s"):
        return word
    if word.endswith(_NO_PLURAL):
        return word
    if word.endswith("ies"):
        singular = word[:-1] if len(word) == _SHORTEST_PLURAL else word[:-3] + "y"
    elif word.endswith(_SIBILANT) or _US_OR_O.search(word):
        singular = word[:-2]
    else:
        singular = word[:-1]
    return word if singular in COLOUR_NAMES else singular
