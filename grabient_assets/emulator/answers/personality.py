"""Characters of the emulated models: how often they err, what they like, how they format."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grabient_assets.emulator.answers.chance import Chance
from grabient_assets.errors import EmulatorError

PERSONALITIES = Path(__file__).parents[1] / "personalities.toml"
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
