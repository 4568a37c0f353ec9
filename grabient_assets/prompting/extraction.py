"""The JSON object in what a model wrote: fences, prose, thoughts, wrappers, several objects, broken JSON.

Which object counts: of all objects outside the thoughts that hold at least one answer field, the last that holds at
least half of them. A sketch loses to the final answer, a correction wins over what it corrects, a remark such as
{"mood": ["calm"]} after the answer does not replace it. Without any so full, the fullest; among equals the last.
An object that carries another request's `ref` is set aside when there is one that does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

_THINK_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """`text` without what stands between <think> and </think> (also <thinking>, <thought>, <reasoning>, any case).

    A closing tag without an opening one ends thoughts that began at the start. An opening tag that is never closed is
    only itself removed: the model forgot to close it, and the rest may be its whole answer.
    """
    kept: list[str] = []
    position, opened = 0, -1
    for tag in _THINK_TAG.finditer(text):
        closing = bool(tag.group(1))
        if closing and opened < 0:
            kept.clear()
            position = tag.end()
        elif closing:
            kept.append(text[position:opened])
            position, opened = tag.end(), -1
        elif opened < 0:
            opened = tag.start()
    rest = text[position:]
    return "".join(kept) + (_THINK_TAG.sub(" ", rest) if opened >= 0 else rest)


MAX_CHARS = 1_000_000
# json-repair takes time that grows with the square of the length in bad cases (18 s for 32 KB); answers have 1-3 KB.
MAX_REPAIR_CHARS = 6_000
MAX_REPAIR_DEPTH = 40
MAX_REPAIRS = 4
MAX_NODES = 50

# strict=False lets a raw line break stand inside a string.
_DECODER = json.JSONDecoder(strict=False)
# Only where an object with keys, or a list of objects, can begin.
_START = re.compile(r"\{\s*\"|\[\s*\{")
MAX_ATTEMPTS = 1_000
_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
_KEY_NOISE = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Found:
    """An object that may be the answer: its known fields under their own names, and how many are filled."""

    fields: dict[str, Any]
    filled: int
    repaired: bool

    @property
    def ref(self) -> str | None:
        """The ref inside the answer, or None when there is none."""
        value = self.fields.get("ref")
        return str(value).strip() or None if value is not None else None


class AnswerFinder:
    """Finds answers whose fields are `names`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = {_key(name): name for name in (*names, "ref")}
        self._exact = frozenset((*names, "ref"))
        self._enough = len(names) // 2
        keys = "|".join(re.escape(name).replace("_", "[ _-]?") for name in (*names, "ref"))
        self._broken_start = re.compile(rf"\{{\s*[\"'“”‘’`]?(?:{keys})[\"'“”‘’`]?\s*[:=]", re.IGNORECASE)

    def find(self, text: str, ref: str | None) -> Found | str:
        """The answer in `text`, or the sentence that says why there is none."""
        if len(text) > MAX_CHARS:
            return f"The answer has {len(text)} characters, more than {MAX_CHARS}."
        whole = _parse_whole(text)
        if whole is not _NOTHING:
            found = self._recognise(whole, repaired=False)
            return found or f"The answer is JSON ({_kind(whole)}), but holds none of the fields asked for."
        stripped = without_thoughts(text)
        candidates = [found for value in _json_values(stripped) if (found := self._recognise(value, repaired=False))]
        if not any(found.filled >= self._enough for found in candidates):
            candidates += self._repair(stripped)
        if not candidates:
            return (
                "The answer holds no JSON object with the fields asked for." if text.strip() else "The answer is empty."
            )
        return self._choose(candidates, ref)

    def _choose(self, candidates: list[Found], ref: str | None) -> Found:
        if ref is not None:
            candidates = [found for found in candidates if found.ref in (None, ref)] or candidates
        full = [found for found in candidates if found.filled >= self._enough]
        if full:
            return full[-1]
        best = max((found.filled, not found.repaired) for found in candidates)
        return [found for found in candidates if (found.filled, not found.repaired) == best][-1]

    def _recognise(self, value: Any, *, repaired: bool) -> Found | None:
        """`value` as an answer, taken out of lists and of wrappers such as {"result": {...}}."""
        nodes: list[Any] = [value]
        outer_ref: Any = None
        for node in nodes:
            if isinstance(node, dict):
                fields = self._fields(node)
                filled = sum([key != "ref" and isinstance(item, (str, list)) for key, item in fields.items()])
                if filled:
                    return Found(fields if "ref" in fields else {**fields, "ref": outer_ref}, filled, repaired)
                outer_ref = fields.get("ref", outer_ref)
                node = list(node.values())
            if isinstance(node, list):
                inside = (item for item in node if isinstance(item, (dict, list)))
                nodes.extend(islice(inside, MAX_NODES - len(nodes)))
        return None

    def _fields(self, value: dict[str, Any]) -> dict[str, Any]:
        if value.keys() <= self._exact:
            return value
        fields: dict[str, Any] = {}
        for key, item in value.items():
            name = self._names.get(_key(key)) if len(key) <= 40 else None
            if name is not None and (name not in fields or key == name):
                fields[name] = item
        return fields

    def _repair(self, text: str) -> Iterator[Found]:
        """Objects that begin like an answer but are not valid JSON, read with json-repair."""
        import json_repair

        starts = [match.start() for match in self._broken_start.finditer(text)][-MAX_REPAIRS:]
        left = MAX_REPAIR_CHARS
        for start, end in pairwise([*starts, len(text)]):
            piece = _whole_strings(text[start : min(end, start + left)].partition("```")[0])
            left -= len(piece)
            if not piece or _depth(piece) > MAX_REPAIR_DEPTH:
                continue
            found = self._recognise(json_repair.loads(piece, skip_json_loads=True), repaired=True)
            if found is not None:
                yield found


_NOTHING = object()


def _parse_whole(text: str) -> Any:
    try:
        return _DECODER.decode(text.strip().strip("\ufeff").strip())
    except (ValueError, RecursionError):
        return _NOTHING


def _json_values(text: str) -> Iterator[Any]:
    """Every JSON object or array in `text`, outermost first found, left to right.

    Work is bounded: a failed attempt costs time for the whole text before it (json counts lines for its message), so
    there may be only so many, and together they may read only so far.
    """
    budget = 3 * len(text) + 200_000
    position = 0
    for _ in range(MAX_ATTEMPTS):
        start = _START.search(text, position)
        if start is None or budget < 0:
            return
        try:
            value, position = _DECODER.raw_decode(text, start.start())
            yield value
        except json.JSONDecodeError as error:
            position = start.start() + 1
            budget -= error.pos - start.start()
        except (ValueError, RecursionError):
            position = start.start() + 1
            budget -= 20_000


def _whole_strings(piece: str) -> str:
    """`piece` without the string it breaks off in: half a word is another word."""
    opened = -1
    for quote in _QUOTE.finditer(piece):
        opened = quote.start() if opened < 0 else -1
    return piece if opened < 0 else piece[:opened]


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _key(text: str) -> str:
    return _KEY_NOISE.sub("", text).lower().replace("colour", "color")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
