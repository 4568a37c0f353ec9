"""What an artist says: the statement and the image prompt, read from a model's text. Pure.

An answer is a JSON object, or the older form with `===ARTIST STATEMENT===` and `===FINAL IMAGE PROMPT===`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from grabient_assets.prompting.extraction import AnswerFinder, without_thoughts
from grabient_assets.thresholds import STATEMENT_WORDS

Form = Literal["json", "delimiters"]
MOST_PROMPT_CHARACTERS = 8_000
"""OpenAI takes 32,000 and Google more. Beyond this a model repeats itself."""

_FINDER = AnswerFinder(("statement", "image_prompt"))
_DELIMITED = re.compile(
    r"={2,}\s*ARTIST\s+STATEMENT\s*={2,}(?P<statement>.*?)(?:={2,}\s*FINAL\s+IMAGE\s+PROMPT\s*={2,}(?P<prompt>.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """An artist's answer: its fate and, where it cannot be painted, why. What was said all the same is kept."""

    statement: str | None = None
    image_prompt: str | None = None
    form: Form | None = None
    fate: Literal["succeeded", "repaired", "invalid", "mismatched"] = "invalid"
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> int | None:
        """The number of words of the statement."""
        return None if self.statement is None else len(self.statement.split())


def read_statement(text: str, ref: str | None) -> Statement:
    """The artist's answer in a model's text. `ref` is the request's own."""
    found = _FINDER.find(text, ref)
    if isinstance(found, str):
        match = _DELIMITED.search(without_thoughts(text))
        return _checked(match["statement"], match["prompt"], "delimiters") if match else Statement(error=found)
    if ref is not None and found.ref not in (None, ref):
        error = f"The answer belongs to the request {found.ref!r}, not to {ref}."
        return Statement(fate="mismatched", error=error)
    read = _checked(found.fields.get("statement"), found.fields.get("image_prompt"), "json")
    return replace(read, fate="repaired") if found.repaired and read.error is None else read


def _checked(statement: Any, prompt: Any, form: Form) -> Statement:
    words, painted = _text(statement), _text(prompt)
    if words is None and painted is None:
        return Statement(error="The answer holds neither a statement nor an image prompt.")
    if painted is None:
        error = "The artist wrote a statement but no image prompt, so nothing was painted."
        return Statement(words, None, form, error=error)
    if len(painted) > MOST_PROMPT_CHARACTERS:
        error = f"The image prompt has {len(painted):,} characters; {MOST_PROMPT_CHARACTERS:,} are the most."
        return Statement(words, painted, form, error=error)
    notes: list[str] = []
    if words is None:
        notes.append("There is an image prompt and no statement.")
    elif not (least := STATEMENT_WORDS[0]) <= (count := len(words.split())) <= STATEMENT_WORDS[1]:
        notes.append(f"The statement has {count} words instead of {least} to {STATEMENT_WORDS[1]}.")
    return Statement(words, painted, form, "succeeded", notes=tuple(notes))


def _text(value: Any) -> str | None:
    return value.replace("\0", "").strip() or None if isinstance(value, str) else None
