"""The emulated models: how often each errs, what it likes, how it formats, and the slips in its answers."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grabient_assets.emulator.questions import Chance
from grabient_assets.errors import EmulatorError

PERSONALITIES = Path(__file__).with_name("personalities.toml")
CATEGORICAL = ("temperature", "contrast", "brightness", "saturation")
HABITS = (
    "fence",
    "prose",
    "synonym",
    "nested",
    "nulls",
    "trailing_comma",
    "repeated",
    "string_list",
    "forgets_ref",
    "category_word",
)
UNUSABLE = ("refusal", "truncated", "empty", "garbage")
LEANINGS = ("nature", "night", "sea", "tech", "pop", "retro", "home", "luxury", "romance", "food", "city")


@dataclass(frozen=True, slots=True)
class Personality:
    """How one model answers. Shares are of answers, 0 to 1."""

    model: str
    family: str
    leanings: frozenset[str]
    tags: str
    errors: Mapping[str, float]
    habits: Mapping[str, float]
    unusable: Mapping[str, float]


def personality_of(model: str) -> Personality:
    """The personality of a model: from the data file, or derived from its id when it is not listed there."""
    listed = _listed()
    return listed[model] if model in listed else _derived(model)


@cache
def _listed() -> dict[str, Personality]:
    table = tomllib.loads(PERSONALITIES.read_text(encoding="utf-8"))
    return {model: _read(model, entry) for model, entry in table.items()}


def _read(model: str, entry: dict[str, Any]) -> Personality:
    allowed = {"errors": CATEGORICAL, "habits": HABITS, "unusable": UNUSABLE}
    for part, names in allowed.items():
        if unknown := sorted(set(entry[part]) - set(names)):
            raise EmulatorError(
                f"{PERSONALITIES.name}: {model} has unknown {part} {', '.join(unknown)}; known are {', '.join(names)}."
            )
    return Personality(
        model=model,
        family=entry["family"],
        leanings=frozenset(entry["leanings"]),
        tags=entry["tags"],
        errors=entry["errors"],
        habits=entry["habits"],
        unusable=entry["unusable"],
    )


@cache
def _derived(model: str) -> Personality:
    chance = Chance("personality", model)
    return Personality(
        model=model,
        family=model.rpartition("/")[2].split("-")[0],
        leanings=frozenset(chance.sample(LEANINGS, 2)),
        tags=chance.pick(("few", "some", "many")),
        errors={field: 0.04 + 0.12 * chance.draw() for field in CATEGORICAL},
        habits={habit: 0.06 * chance.draw() for habit in HABITS} | {"fence": 0.5 * chance.draw()},
        unusable={fate: 0.00125 + 0.003 * chance.draw() for fate in UNUSABLE},
    )


SYNONYMS = {
    "temperature": {"cool-warm": ("mixed", "both", "warm-cool"), "neutral": ("balanced", "gray")},
    "contrast": {"high": ("strong", "intense"), "medium": ("moderate", "mid"), "low": ("subtle", "soft", "minimal")},
    "brightness": {
        "light": ("bright", "pale"),
        "dark": ("deep", "dim"),
        "medium": ("moderate", "mid"),
        "varied": ("mixed", "variable"),
    },
    "saturation": {
        "vibrant": ("vivid", "bright", "saturated", "high"),
        "muted": ("pastel", "desaturated", "low", "soft"),
        "mixed": ("moderate", "medium", "varied"),
    },
}
LISTS = ("mood", "style", "dominant_colors", "harmony", "seasonal", "associations")
CATEGORY_WORDS = ("warm", "vibrant", "colorful", "gradient", "Bright", "cool")
OPENINGS = (
    "Here is the JSON you asked for:",
    "Sure! Based on the colours, here are the tags:",
    "Looking at the {hex} values, I would tag this palette as follows:",
    "Here's my analysis:",
)
CLOSINGS = ("", "", "\n\nLet me know if you'd like more associations!", "\n\nNote: {mood} is subjective.")


def damaged(answer: dict[str, Any], who: Personality, chance: Chance, *, clean: bool, strict: bool) -> dict[str, Any]:
    """The answer after the model's slips of content: synonyms, nested or repeated tags, nulls, a lost ref.

    `clean` (some structured output) makes them ten times rarer, `strict` (a schema enforced while writing) leaves
    only those that a schema permits. Every draw is made in any case, so that the rest stays the same.
    """
    rates = who.habits
    scale = 0.1 if clean else 1.0
    hit = {habit: chance.draw() < rates.get(habit, 0.0) * scale for habit in SLIPS}
    for habit, slip in SLIPS.items():
        aim = chance.draw()
        if hit[habit] and not (strict and habit in FORBIDDEN_BY_SCHEMA):
            slip(answer, aim)
    return answer


def _synonym(answer: dict[str, Any], aim: float) -> None:
    fields = [field for field in SYNONYMS if answer[field] in SYNONYMS[field]]
    if fields:
        field = fields[int(aim * len(fields))]
        words = SYNONYMS[field][answer[field]]
        answer[field] = words[int(aim * 997) % len(words)]


def _nested(answer: dict[str, Any], aim: float) -> None:
    field = LISTS[int(aim * len(LISTS))]
    answer[field] = [answer[field]]


def _nulls(answer: dict[str, Any], aim: float) -> None:
    field = ("seasonal", "dominant_colors", "harmony")[int(aim * 3)]
    answer[field] = None


def _repeated(answer: dict[str, Any], aim: float) -> None:
    words = answer["mood" if aim < 0.5 else "associations"]
    if words:
        words.append(words[0].title() if aim < 0.25 else words[0])


def _string_list(answer: dict[str, Any], aim: float) -> None:
    field = ("style", "harmony")[int(aim * 2)]
    if isinstance(answer[field], list):
        answer[field] = ", ".join(answer[field])


def _forgets_ref(answer: dict[str, Any], aim: float) -> None:
    answer.pop("ref", None)


def _category_word(answer: dict[str, Any], aim: float) -> None:
    answer["mood"].append(CATEGORY_WORDS[int(aim * len(CATEGORY_WORDS))])


# Slips that add to a list come before those that change its type.
SLIPS = {
    "synonym": _synonym,
    "repeated": _repeated,
    "category_word": _category_word,
    "string_list": _string_list,
    "nulls": _nulls,
    "nested": _nested,
    "forgets_ref": _forgets_ref,
}
FORBIDDEN_BY_SCHEMA = ("synonym", "nested", "nulls", "string_list", "forgets_ref")


def written(answer: dict[str, Any], who: Personality, chance: Chance, *, json_only: bool) -> str:
    """The answer as text: plain JSON, fenced, inside prose, with a trailing comma, in one line or many."""
    fence, prose, comma, pretty = (chance.draw() for _ in range(4))
    opening, closing = chance.pick(OPENINGS), chance.pick(CLOSINGS)
    text = json.dumps(answer, ensure_ascii=False, indent=2 if pretty < 0.4 else None)
    if json_only:
        return text
    rates = who.habits
    if comma < rates.get("trailing_comma", 0.0) and text.endswith("]}"):
        text = text[:-2] + ",]}"
    if fence < rates.get("fence", 0.0):
        text = f"```json\n{text}\n```"
    if prose < rates.get("prose", 0.0):
        text = f"{opening}\n{text}{closing}"
    return text
