"""The answer of an artist: what it has to say in the first person, and what it wants to be painted.

Every family of models has its own words, lengths, subjects, colours and compositions (statement.toml), and every model
its own liking among them, so that statistics over many answers find who wrote which.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grabient_assets.emulator.answers.personality import Personality
from grabient_assets.emulator.questions import Chance, Question, share

LEXICON = Path(__file__).with_name("statement.toml")
STATEMENT, IMAGE_PROMPT = "===ARTIST STATEMENT===", "===FINAL IMAGE PROMPT==="
FIELDS = ("statement", "image_prompt")
_STATEMENT, _IMAGE_PROMPT = re.compile(r"\bstatement\b"), re.compile(r"\bimage_prompt\b")
LEAST, MOST = 60, 140
"""Words of a statement."""
LEAST_PROMPT, MOST_PROMPT = 30, 90
"""Words of an image prompt."""
LONG = 400
"""Words of a statement that is far too long."""
MOST_NAMES, MOST_WORDS = 12, 6
"""How many names and words of a muse are taken up."""
PLAIN_WORDS = """
    about above after again along among another around because before being below between beyond brings calls
    could every first gives hints holds leans makes might other people place rather recalls reads seems should since
    sits something still suits their there these thing things think those through throughout towards under until where
    which while whole whose within without would your
"""
"""Words of a text that say nothing about what it is about."""
OPENINGS = (
    "Here is my statement and the prompt:",
    "Sure! This is what I would make:",
    "Thank you for the invitation. My answer:",
)


@dataclass(frozen=True, slots=True)
class Muse:
    """What an artist is shown: names of colours, and words out of the text about them."""

    names: tuple[str, ...]
    words: tuple[str, ...]


def statement_subject(question: Question, asked: dict[str, Any]) -> str:
    """What the artist is asked about, as one text: the run and its muse. Empty for any other request."""
    if not _asks_for_statement(question):
        return ""
    return json.dumps(["statement", asked or question.text], ensure_ascii=False, sort_keys=True)


def _asks_for_statement(question: Question) -> bool:
    """By the schema where there is one, by the prompt's words elsewhere."""
    if question.schema and isinstance(fields := question.schema.get("properties"), dict) and fields:
        return set(FIELDS) <= set(fields)
    text = f"{question.system}\n{question.text}"
    return (STATEMENT in text and IMAGE_PROMPT in text) or bool(_IMAGE_PROMPT.search(text) and _STATEMENT.search(text))


def statement_reply(
    question: Question, asked: dict[str, Any], who: Personality, chance: Chance, clean: bool
) -> tuple[dict[str, Any], bool]:
    """The answer of an artist. What is asked for in any form is in it, so that nothing is a slip of content."""
    artist, muse = _artist(who), _muse(asked)
    slots = _slots(artist, muse, who, chance)
    given = {"statement": _statement(artist, muse, slots, chance), "image_prompt": _prompt(artist, muse, slots, chance)}
    return {"ref": asked.get("ref"), **given}, False


def statement_thinking(question: Question, asked: dict[str, Any], chance: Chance) -> str:
    """What an artist thinks before it answers."""
    names = ", ".join(_muse(asked).names) or "nothing given"
    return f"I am free to choose. Colours: {names}. First the statement, then a prompt that a painter can follow."


def statement_text(answer: dict[str, Any], who: Personality, chance: Chance, *, json_only: bool) -> str:
    """The answer as text: JSON, plain, fenced or behind a sentence; or the two parts under their headings."""
    parts, fence, prose, pretty = (chance.draw() for _ in range(4))
    opening = chance.pick(OPENINGS)
    if json_only:
        return json.dumps(answer, ensure_ascii=False, indent=2 if pretty < 0.4 else None)
    own: Mapping[str, float] = _artist(who)["habits"]
    rates = {habit: own.get(habit, 0.0) + who.habits.get(habit, 0.0) for habit in ("delimiters", "fence", "prose")}
    if parts < rates["delimiters"]:
        return in_parts(answer)
    text = json.dumps(answer, ensure_ascii=False, indent=2 if pretty < 0.4 else None)
    if fence < rates["fence"]:
        text = fenced(answer)
    return f"{opening}\n\n{text}" if prose < rates["prose"] else text


def in_parts(answer: dict[str, Any]) -> str:
    """The two parts under their headings, as the first prompts of this kind asked for them. There is no `ref`."""
    return f"{STATEMENT}\n{answer.get('statement', '')}\n\n{IMAGE_PROMPT}\n{answer.get('image_prompt', '')}"


def fenced(answer: dict[str, Any]) -> str:
    """JSON in a fence of Markdown."""
    return f"```json\n{json.dumps(answer, ensure_ascii=False, indent=2)}\n```"


def without_prompt(answer: dict[str, Any], strict: bool) -> str:
    """JSON without an image prompt; under an enforced schema, which demands one, with an empty one."""
    kept = {**answer, "image_prompt": ""} if strict else {k: v for k, v in answer.items() if k != "image_prompt"}
    return json.dumps(kept, ensure_ascii=False)


def at_length(answer: dict[str, Any]) -> str:
    """JSON whose statement says what it says again and again, up to LONG words."""
    words = str(answer.get("statement") or "I paint.").split()
    long = (words * (LONG // len(words) + 1))[:LONG]
    return json.dumps({**answer, "statement": " ".join(long).rstrip(".,;:") + "."}, ensure_ascii=False)


# the grammar --------------------------------------------------------------------------------------------------------


@cache
def _lexicon() -> dict[str, Any]:
    return tomllib.loads(LEXICON.read_text(encoding="utf-8"))


def families() -> tuple[str, ...]:
    return tuple(sorted(name for name in _lexicon() if name != "shared"))


def _artist(who: Personality) -> dict[str, Any]:
    """The habits of a model: of its family, or of one that is drawn from its id."""
    lexicon = _lexicon()
    return lexicon[who.family if who.family in families() else Chance("artist", who.model).pick(families())]


def _muse(asked: dict[str, Any]) -> Muse:
    named, text = asked.get("color_names"), asked.get("embed_text")
    names = [one.strip() for one in named if isinstance(one, str) and one.strip()] if isinstance(named, list) else []
    found = re.findall(r"[^\W\d_]{5,}", text) if isinstance(text, str) else []
    named_already = set(PLAIN_WORDS.split()).union(*(name.lower().split() for name in names))
    words = [word.lower() for word in found if word.lower() not in named_already]
    return Muse(tuple(dict.fromkeys(names))[:MOST_NAMES], tuple(dict.fromkeys(words)))


def _liked(items: Sequence[str], count: int, who: Personality, chance: Chance) -> list[str]:
    """So many of the items, those that this model likes more often than others."""
    scored = [(chance.draw() * (0.35 + share("likes", who.model, item)), item) for item in items]
    return [item for _, item in sorted(scored, reverse=True)[:count]]


def _slots(artist: dict[str, Any], muse: Muse, who: Personality, chance: Chance) -> dict[str, str]:
    colours = _liked(artist["colours"], 3, who, chance)
    details = _liked(artist["details"], 2, who, chance)
    if muse.names:
        names = chance.sample(muse.names, 3)
        colours = (names * 3)[:3]
    slots = {
        "subject": _liked(artist["subjects"], 1, who, chance)[0],
        "detail": details[0],
        "detail2": details[1],
        "colour": colours[0],
        "colour2": colours[1],
        "colour3": colours[2],
        "composition": _liked(artist["compositions"], 1, who, chance)[0],
        "medium": _liked(artist["media"], 1, who, chance)[0],
        "light": _liked(artist["light"], 1, who, chance)[0],
        "feeling": _liked(artist["feelings"], 1, who, chance)[0],
        "colours": listed(muse.names),
        "words": listed(chance.sample(muse.words, MOST_WORDS)),
    }
    return slots | {"Subject": slots["subject"][0].upper() + slots["subject"][1:]}


def listed(words: Sequence[str]) -> str:
    """`red, green and blue`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _statement(artist: dict[str, Any], muse: Muse, slots: dict[str, str], chance: Chance) -> str:
    shared = _lexicon()["shared"]
    middles = chance.sample([*artist["middles"], *shared["middles"]], 99)
    forced = _about(muse, shared["muse"], shared["muse_words"], chance)
    sentences = [chance.pick(artist["openings"]), *forced, *middles, chance.pick(artist["closings"])]
    return _composed(sentences, 1 + len(forced), 1, slots, chance.whole(*artist["words"]), LEAST, MOST)


def _prompt(artist: dict[str, Any], muse: Muse, slots: dict[str, str], chance: Chance) -> str:
    shared = _lexicon()["shared"]
    forced = _about(muse, shared["muse_prompt"], shared["muse_prompt_words"], chance)
    forced = forced if muse.names else [artist["prompt_colours"], *forced]
    sentences = [chance.pick(artist["prompt_first"]), *forced, *chance.sample(artist["prompt_more"], 99)]
    wanted = chance.whole(*artist["prompt_words"])
    return _composed(sentences, 1 + len(forced), 0, slots, wanted, LEAST_PROMPT, MOST_PROMPT)


def _about(muse: Muse, of_names: Sequence[str], of_words: Sequence[str], chance: Chance) -> list[str]:
    """The sentences that take up the muse, as far as there is one."""
    names, words = chance.pick(of_names), chance.pick(of_words)
    return [*([names] if muse.names else []), *([words] if muse.words else [])]


def _composed(
    templates: Sequence[str], first: int, last: int, slots: dict[str, str], wanted: int, least: int, most: int
) -> str:
    """The first and last sentences, and of those between as many as come near `wanted` words, within the limits."""
    sentences = [template.format(**slots) for template in templates]
    end = len(sentences) - last
    kept = {*range(first), *range(end, len(sentences))}
    count = sum(len(sentences[place].split()) for place in kept)
    for place in range(first, end):
        longer = count + len(sentences[place].split())
        if longer <= min(wanted + 4, most) or (count < least and longer <= most):
            kept.add(place)
            count = longer
    return " ".join(sentences[place] for place in sorted(kept))
