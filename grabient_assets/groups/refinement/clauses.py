"""English prose in sentences, and where a sentence may end early.

The rules are word lists and punctuation, no parser. A sentence that they do not know is not cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Sentence = list[str]
"""The words of a sentence, as they stand between blanks."""

_END = re.compile(r"[.!?…][\"'”’»)\]]*$")
_ELLIPSIS = re.compile(r"(?:…|\.\.)[\"'”’»)\]]*$")
_ABBREVIATION = re.compile(r"^[(\"“]*(?:[A-Z]|St|Mt|Mr|Mrs|Ms|Dr|Prof|vs|ca?|approx|[a-z]\.[a-z])\.$")
_OPENING = re.compile(r"^[\"'“‘«(\[*_]*")
_LOOSE_START = re.compile(r"^[\s,;:.!?…/&+|~–—-]+")
_LOOSE_END = re.compile(r"[\s,;:/&+|~–—(\[{“‘«-]+$")
_DASH = re.compile(r"[–—]$|^-$")
_CLOSES = {")": "(", "]": "[", "”": "“", "»": "«"}

_NEVER_LAST_WORDS = """
    a an the and or but nor yet so as at by for from in into of off on onto per than through to toward towards under
    upon via with within without between beside beneath behind before after above across against along amid among
    around over like near until while where when which who whose that because since if although though unless its
    their his her our your my this these those each every no not very too such both either neither is are was were
    be been being has have had does do did can could may might must shall should will would gives give becomes
    become seems seem
"""
NEVER_LAST = frozenset(_NEVER_LAST_WORDS.split())
"""No sentence that was cut ends with one of these."""
_NOT_FIRST_WORDS = """
    as although and because before but for if like nor once or since so than that then though unless until when
    where whereas whether which while who whose yet with
"""
_NOT_FIRST = frozenset(_NOT_FIRST_WORDS.split())
"""Begins a clause that does not stand alone."""
_LEANS_BACK_WORDS = """
    and besides both but each either finally first hence her his however instead its later latter meanwhile neither
    next no nor or other others second similarly so such that then these they third this those thus together which
    yes yet
"""
_LEANS_BACK = frozenset(_LEANS_BACK_WORDS.split())
"""Begins a sentence that needs the one before it."""
_HOLDS_A_CLAUSE_WORDS = """
    although because if once since that though unless until when where whereas whether which while who whose
"""
_HOLDS_A_CLAUSE = frozenset(_HOLDS_A_CLAUSE_WORDS.split())
_CLAUSE_BEHIND_A_COMMA_WORDS = """
    as before blending brightening bringing but calling capturing conjuring creating deepening drifting echoing
    ending evoking fading forming giving hinting leaving lending like making melting moving offering passing
    recalling reminiscent settling shifting softening suggesting then turning until warming where whereas which
    while whose with
"""
_CLAUSE_BEHIND_A_COMMA = frozenset(_CLAUSE_BEHIND_A_COMMA_WORDS.split())
_PHRASE_WORDS = """
    across after and before beneath beside but like under until where which while whose with
"""
_PHRASE = frozenset(_PHRASE_WORDS.split())
"""Before one of these a long sentence may end, where nothing better is found."""
_PAIRS = frozenset({"between", "both", "either", "from", "neither"})
_VERBS_WORDS = """
    are belongs becomes begins blooms breathes brings burns calls captures carries climbs closes comes conjures
    contains covers cools creates crosses dances deepen deepens descends dissolve dissolves drifts echoes embraces
    ends evoke evokes fades falls feels fills flows follows frames gathers gives glides glows goes grows hangs has
    have holds hovers invites is keeps leads leans leaves lends lie lies lingers looks makes meets melt melts merge
    merges moves offers opens paints passes plays presents pulls pulses pushes reaches recall recalls remain remains
    rests rises rolls runs seems sets settle settles shares shifts shimmers shines sinks sits softens speaks spreads
    stands starts stays stretches strikes suggest suggests suits surrounds sweeps swings takes tells transitions
    travels turns unfold unfolds unites walks wanders warms was were whispers works wraps
"""
_VERBS = frozenset(_VERBS_WORDS.split())
"""Finite forms that are hardly ever nouns in prose on colours; so no waves, shades, tones, hints, blends."""
_VERBS_BEHIND_A_PLURAL_WORDS = """
    answer blend blur burn carry climb cool cross dance drift fade fall flash flicker float flow gather gleam glide
    glow go hang hover lead lean leave make meet mingle mix move open pass play ripple rise roll run share shift
    shimmer shine sink slide slip spread stand stretch suit surround sweep swirl travel turn warm wash weave
"""
_VERBS_BEHIND_A_PLURAL = frozenset(_VERBS_BEHIND_A_PLURAL_WORDS.split())
"""Nouns and adjectives too; verbs behind a plural ("waves roll", not "a soft glow")."""
_PLURAL = re.compile(r"[^s’']s$")
_FEWEST_WORDS = 4


def sentences(words: Sequence[str]) -> list[Sentence]:
    """The sentences of a text. An abbreviation ("St. Ives") and an ellipsis within a sentence do not end one."""
    found: list[Sentence] = [[]]
    for place, word in enumerate(words):
        found[-1].append(word)
        following = words[place + 1] if place + 1 < len(words) else ""
        pauses = _ELLIPSIS.search(word) and following[:1].islower()
        if following and _END.search(word) and not pauses and not _ABBREVIATION.match(word):
            found.append([])
    return [one for one in found if one]


def leans_back(sentence: Sequence[str]) -> bool:
    """Whether a sentence is hard to read without the one before it: "Then it fades", "Both rest on navy"."""
    return _plain(sentence[0]) in _LEANS_BACK


def has_finite_verb(sentence: Sequence[str]) -> bool:
    """Whether a word of the lists of verbs stands behind something that may be its subject."""
    plain = [_plain(word) for word in sentence]
    return any(
        (word in _VERBS or (word in _VERBS_BEHIND_A_PLURAL and _PLURAL.search(sentence[place])))
        and plain[place + 2 : place + 3] != ["of"]
        for place, word in enumerate(plain[1:])
    )


def clauses(sentence: Sequence[str]) -> list[Sentence]:
    """The parts of a sentence between its semicolons."""
    found: list[Sentence] = [[]]
    for word in sentence:
        found[-1].append(word)
        if word.endswith(";"):
            found.append([])
    return [one for one in found if one]


def stands_alone(clause: Sequence[str]) -> bool:
    """Whether a part of a sentence is one: long enough, a subject and a verb, no clause that may be unfinished."""
    plain = [_plain(word) for word in clause]
    return (
        len(plain) >= _FEWEST_WORDS
        and plain[0] not in _NOT_FIRST
        and plain[0] not in _VERBS
        and not _HOLDS_A_CLAUSE.intersection(plain)
        and plain[-1] not in NEVER_LAST
        and has_finite_verb(clause)
    )


def beginning(sentence: Sequence[str], room: int) -> Sentence:
    """The longest beginning of a sentence, of at most `room` words, that is a sentence itself; empty when none is."""
    for end in range(min(room, len(sentence) - 1), _FEWEST_WORDS - 1, -1):
        if _ends_a_clause(sentence, end) and stands_alone(sentence[:end]):
            return list(sentence[:end])
    return []


def beginning_of_a_long_one(sentence: Sequence[str], room: int) -> Sentence:
    """What a sentence that no clause ends in time is cut to: before a phrase, or else after `room` words."""
    for end in range(min(room, len(sentence) - 1), room // 2, -1):
        near = {_plain(word) for word in sentence[max(end - 6, 0) : end]}
        ends = _plain(sentence[end]) in _PHRASE and _plain(sentence[end - 1]) not in NEVER_LAST
        if ends and not _PAIRS.intersection(near) and not sentence[end - 1].endswith(","):
            return list(sentence[:end])
    return list(sentence[:room])


def _ends_a_clause(sentence: Sequence[str], end: int) -> bool:
    last, following = sentence[end - 1], _plain(sentence[end])
    if last.endswith(";") or _DASH.search(last) or _DASH.search(sentence[end]):
        return True
    return last.endswith(",") and following in _CLAUSE_BEHIND_A_COMMA


def finished(sentence: Sequence[str]) -> Sentence:
    """The sentence with a capital first and a full stop last. Where it was cut, no word is left that asks for more."""
    words = list(sentence)
    while words and not _LOOSE_START.sub("", words[0]):
        words.pop(0)
    if words and not _END.search(words[-1]):
        while words and ((last := _LOOSE_END.sub("", words[-1])) == "" or _plain(last) in NEVER_LAST):
            words.pop()
        words[-1:] = [f"{_LOOSE_END.sub('', word)}." for word in words[-1:]]
    if not words:
        return []
    first = _LOOSE_START.sub("", words[0])
    opening = _OPENING.match(first)
    at = opening.end() if opening else 0
    words[0] = first[:at] + first[at : at + 1].upper() + first[at + 1 :]
    return words


def without_loose_brackets(text: Sequence[Sentence]) -> list[Sentence]:
    """The sentences without brackets and quotation marks that lack their other half."""
    loose = set(_loose(text))
    kept: list[Sentence] = []
    for number, sentence in enumerate(text):
        words = [
            "".join(sign for at, sign in enumerate(word) if (number, place, at) not in loose)
            for place, word in enumerate(sentence)
        ]
        kept.append([word for word in words if word])
    return [sentence for sentence in kept if sentence]


def _loose(text: Sequence[Sentence]) -> Iterator[tuple[int, int, int]]:
    open_ones: dict[str, list[tuple[int, int, int]]] = {sign: [] for sign in (*_CLOSES.values(), '"')}
    for number, sentence in enumerate(text):
        for place, word in enumerate(sentence):
            for at, sign in enumerate(word):
                if sign == '"' and open_ones['"']:
                    open_ones['"'].pop()
                elif sign in open_ones:
                    open_ones[sign].append((number, place, at))
                elif sign in _CLOSES:
                    if open_ones[_CLOSES[sign]]:
                        open_ones[_CLOSES[sign]].pop()
                    else:
                        yield number, place, at
    for left in open_ones.values():
        yield from left


def _plain(word: str) -> str:
    return word.lower().replace("’", "'").strip(".,;:!?…()[]{}\"'“”‘’«»*_–—-/")
