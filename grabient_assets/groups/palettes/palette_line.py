"""One line of a palette file, in each of the three formats. Pure functions; a bad line raises BadLineError."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from grabient_assets.errors import SeedError
from grabient_assets.gradient.seed import Palette, decode_seed
from grabient_assets.gradient.vocabulary import (
    DEFAULT_ANGLE,
    DEFAULT_STEPS,
    DEFAULT_STYLE,
    MAX_STEPS,
    MIN_STEPS,
    STYLES,
)

MAX_NAME_CHARS = 100
SEED_COLUMNS = ("seed", "id")
HEX_COLOURS_ONLY = re.compile(r"#[0-9a-f]{3,8}(?:[\s,;]+#[0-9a-f]{3,8})*\s*", re.IGNORECASE)


class BadLineError(Exception):
    """A line that gives no palette. The text is the reason, shown beside the line number."""


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """One palette of a file: where it stands, the spelling it came in, how it wants to be drawn, what it is called.

    `angle` is in degrees; `name` is for people only. The palette's identity is `palette.canonical`, not `source_seed`.
    """

    line: int
    source_seed: str
    palette: Palette
    style: str = DEFAULT_STYLE
    steps: int = DEFAULT_STEPS
    angle: float = DEFAULT_ANGLE
    name: str | None = None


def is_comment(text: str) -> bool:
    """A blank line, or one that starts with "#". Lines of nothing but hex colours ("#ff0000") are mistaken seeds
    and must be reported, so they are no comments."""
    stripped = text.strip()
    return not stripped or (stripped[0] == "#" and not HEX_COLOURS_ONLY.fullmatch(stripped))


def csv_columns(text: str) -> tuple[str, ...] | None:
    """The column names, in lower case, if `text` is the header of a CSV file with a seed or id column."""
    try:
        columns = tuple(name.strip().lower() for name in _csv_fields(text))
    except BadLineError:
        return None
    return columns if any(name in columns for name in SEED_COLUMNS) else None


def row_from_text(line: int, text: str) -> PaletteRow:
    """A row from a line that is a seed and nothing else."""
    return _row(line, {"seed": text.strip()})


def row_from_csv(line: int, text: str, columns: Sequence[str]) -> PaletteRow:
    """A row from the fields that `columns` names. Empty fields take the default."""
    fields = _csv_fields(text)
    if len(fields) > len(columns):
        raise BadLineError(
            f"it has {len(fields)} fields, but the header names {len(columns)}; a seed with commas must stand in quotes"
        )
    values: dict[str, Any] = {
        name: value.strip() for name, value in zip(columns, fields, strict=False) if value.strip()
    }
    for name in ("steps", "angle"):
        if name in values:
            try:
                values[name] = float(values[name])
            except ValueError:
                raise BadLineError(f"its {name} {_short(values[name])} is not a number") from None
    return _row(line, values)


def row_from_json(line: int, text: str) -> PaletteRow:
    """A row from a JSON object with `seed` or `id`, and if wanted `style`, `steps`, `angle`, `name`."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadLineError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise BadLineError(f"it is not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadLineError(f"it is JSON, but {_kind(value)} instead of an object with a seed")
    return _row(line, value)


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, JSON has no such words.
    raise ValueError(f"{name} is not JSON")


def _csv_fields(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise BadLineError(f"it is not valid CSV ({error})") from None


def _row(line: int, values: Mapping[str, Any]) -> PaletteRow:
    """Every value checked; None and absent values take the default."""
    seed = next((values[name] for name in SEED_COLUMNS if values.get(name) is not None), None)
    if seed is None:
        raise BadLineError("it has no seed (nor id)")
    if not isinstance(seed, str):
        raise BadLineError(f"its seed is {_kind(seed)} instead of text")
    try:
        palette = decode_seed(seed)
    except SeedError as error:
        raise BadLineError(f"its seed cannot be read: {error.reason}") from None
    return PaletteRow(
        line=line,
        source_seed=seed.strip(),
        palette=palette,
        style=_style(values.get("style")),
        steps=_steps(values.get("steps")),
        angle=_angle(values.get("angle")),
        name=_name(values.get("name")),
    )


def _style(value: Any) -> str:
    if value is None:
        return DEFAULT_STYLE
    if not isinstance(value, str):
        raise BadLineError(f"its style is {_kind(value)} instead of text")
    if value not in STYLES:
        raise BadLineError(f"its style {_short(value)} is none of {', '.join(STYLES)}")
    return value


def _steps(value: Any) -> int:
    if value is None:
        return DEFAULT_STEPS
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value % 1:
        raise BadLineError(f"its steps {_short(value)} is not a whole number")
    if not MIN_STEPS <= value <= MAX_STEPS:
        raise BadLineError(f"its steps {_short(value)} is outside {MIN_STEPS} to {MAX_STEPS}")
    return int(value)


def _angle(value: Any) -> float:
    if value is None:
        return DEFAULT_ANGLE
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadLineError(f"its angle {_short(value)} is not a number")
    try:
        angle = float(value)
    except OverflowError:
        angle = math.inf
    if not math.isfinite(angle):
        raise BadLineError(f"its angle {_short(value)} is not a finite number")
    return angle


def _name(value: Any) -> str | None:
    # A name is decoration: one that is no text does not cost the palette.
    return value.strip()[:MAX_NAME_CHARS] or None if isinstance(value, str) else None


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _short(value: Any) -> str:
    # Whole numbers of thousands of digits cannot even be printed.
    if isinstance(value, int) and not -(10**15) < value < 10**15:
        return "of more than 15 digits"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
