"""One palette of a palette file, in each of its formats. Pure functions; a bad line raises BadLineError."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from grabient_assets.errors import SeedError
from grabient_assets.gradient.palette import Palette
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.vocabulary import (
    DEFAULT_ANGLE,
    DEFAULT_STEPS,
    DEFAULT_STYLE,
    MAX_STEPS,
    MIN_STEPS,
    STYLES,
)
from grabient_assets.groups.palettes.palette_text import HEX_COLOURS_ONLY

MAX_NAME_CHARS = 100
UNREADABLE = "its seed cannot be read: "
SEED_COLUMNS = ("seed", "id", "url")
READ_COLUMNS = (*SEED_COLUMNS, "style", "steps", "angle", "name")
DELIMITERS = (",", ";", "\t", "|")
Sixteen = Literal["preset", "modifiers"]
"""What 16 numbers are that may be either: four vectors with alpha, or twelve coefficients and four modifiers."""

_ADDRESS = re.compile(r"(?:https?://)?(?:[a-z0-9-]+\.)*grabient\.com(?=[/?#]|$)", re.IGNORECASE)
_NUMBER = r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?"
_OTHER_NUMBERS = re.compile(rf"{_NUMBER}(?:[\s;|]+{_NUMBER}){{11,15}}[\s;|]*", re.IGNORECASE | re.ASCII)
_FEW_NUMBERS = re.compile(r"[+-]?\d*\.?\d+(?:[\s;|]+[+-]?\d*\.?\d+)*[\s;|]*", re.ASCII)
_VECTOR_WORDS = re.compile(r"\bvec[34]\b|[\[\](){}]", re.IGNORECASE)


class BadLineError(Exception):
    """A line that gives no palette. The text is the reason, shown beside the line number."""


class AmbiguousNumbersError(BadLineError):
    """16 numbers that are a preset with alpha as well as a seed with modifiers. A person has to say which."""


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """One palette of a file: where it stands, the spelling it came in, how it wants to be drawn, what it is called.

    `note` says what was not taken over as it is written. `angle` is in degrees; `name` is for people only. The
    palette's identity is `palette.canonical`, not `source_seed`.
    """

    line: int
    source_seed: str
    palette: Palette
    style: str = DEFAULT_STYLE
    steps: int = DEFAULT_STEPS
    angle: float = DEFAULT_ANGLE
    name: str | None = None
    note: str | None = None


class _Written(float):
    """A number that is shown as the file writes it."""

    def __new__(cls, text: str, decimal: str = ".") -> _Written:
        """Raises ValueError when the text is no number. `decimal` is what parts the fraction."""
        found = super().__new__(cls, text.replace(decimal, "."))
        found._text = text
        return found

    _text: str

    def __repr__(self) -> str:
        return self._text


def is_comment(text: str) -> bool:
    """A blank line, or one that starts with "#". Lines of nothing but hex colours ("#ff0000") are mistaken seeds
    and must be reported, so they are no comments."""
    stripped = text.strip()
    return not stripped or (stripped[0] == "#" and not HEX_COLOURS_ONLY.fullmatch(stripped))


def csv_columns(text: str, delimiters: Sequence[str] = DELIMITERS) -> tuple[tuple[str, ...], str] | None:
    """The column names, in lower case, and the delimiter, if `text` is the header of a CSV file that names a column of
    SEED_COLUMNS."""
    for delimiter in delimiters:
        try:
            columns = tuple(name.strip().lower() for name in csv_fields(text, delimiter))
        except BadLineError:
            continue
        if any(name in columns for name in SEED_COLUMNS):
            return columns, delimiter
    return None


def is_csv_comment(text: str, columns: Sequence[str], delimiter: str) -> bool:
    """Whether a record below a header is a comment or blank: it begins as one, and no column of SEED_COLUMNS holds
    anything else. `#1 Sunset` may be a name."""
    if not is_comment(text):
        return not text.replace(delimiter, "").strip()
    try:
        fields = dict(zip(columns, csv_fields(text, delimiter), strict=False))
    except BadLineError:
        return True
    return all(is_comment(fields.get(name, "")) for name in SEED_COLUMNS)


def columns_named_twice(columns: Sequence[str]) -> list[str]:
    """The names that several columns have, of those that are read."""
    return [name for name in READ_COLUMNS if columns.count(name) > 1]


def row_from_text(line: int, text: str, sixteen: Sixteen | None = None) -> PaletteRow:
    """A row from a line that is a seed, a Grabient address or numbers and nothing else. Quotation marks around it and a
    comma behind it, as in a list that was copied from a program, are left out."""
    bare = text.strip()
    if quoted := re.fullmatch(r"([\"'])([^\"']*)\1\s*[,;]?|([^\"']*?)\s*[,;]", bare):
        bare = quoted[2] or quoted[3] or bare
    if is_numbers_in_brackets(bare):
        bare = " ".join(_VECTOR_WORDS.sub(" ", bare).replace(",", " ").split())
    return _row(line, {"seed": bare}, sixteen)


def is_numbers_in_brackets(text: str) -> bool:
    """Whether the text is 12 or 16 numbers as vectors that are no JSON: `[[0.5 0.5 0.5] ...]`, `vec3(0.5, ...)`."""
    if not _VECTOR_WORDS.search(text):
        return False
    numbers = _VECTOR_WORDS.sub(" ", text).replace(",", " ").split()
    try:
        is_json = isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        is_json = False
    return not is_json and len(numbers) in (12, 16) and all(re.fullmatch(_NUMBER, one, re.ASCII) for one in numbers)


def is_row_of_a_table(text: str) -> bool:
    """Whether a line without a header above it has fields, and a seed or an address is one of them."""
    for delimiter in DELIMITERS:
        try:
            fields = csv_fields(text, delimiter)
        except BadLineError:
            continue
        if len(fields) > 1 and any(names_palette(one) for one in fields):
            return True
    return False


def names_palette(text: str) -> bool:
    """Whether the text alone is a seed, the numbers of a palette or an address."""
    try:
        row_from_text(0, text, "modifiers")
    except BadLineError:
        return False
    return True


def typed_palette(text: str, sixteen: Sixteen | None = None) -> PaletteRow:
    """The palette that a person names on the command line: what may be a line of a file may stand there. Raises
    SeedError."""
    try:
        return row_from_text(1, text, sixteen)
    except AmbiguousNumbersError as error:
        raise SeedError(text, f"{error}; --sixteen of `grabient palette` and `grabient load` says which") from None
    except BadLineError as error:
        raise SeedError(text, str(error).removeprefix(UNREADABLE)) from None


def row_from_csv(
    line: int, text: str, columns: Sequence[str], delimiter: str = ",", sixteen: Sixteen | None = None
) -> PaletteRow:
    """A row from the fields that `columns` names. Empty fields take the default."""
    fields = csv_fields(text, delimiter)
    if len(columns) == 1 and _OTHER_NUMBERS.fullmatch(" ".join(fields)):
        fields = [",".join(fields)]
    while len(fields) > len(columns) and not fields[-1].strip():
        fields.pop()
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
                values[name] = _Written(values[name], "." if delimiter == "," else ",")
            except ValueError:
                raise BadLineError(f"its {name} {_short(values[name])} is not a number") from None
    return _row(line, values, sixteen)


def row_from_json(line: int, text: str, sixteen: Sixteen | None = None) -> PaletteRow:
    """A row from a JSON object with `seed`, `id` or `url`, and if wanted `style`, `steps`, `angle`, `name`; or from an
    array of 12 or 16 numbers."""
    try:
        # A line out of an array that was copied ends with a comma.
        value = json.loads(re.sub(r"(?<=[}\]\"])\s*,\s*$", "", text), parse_constant=_refuse_constant)
    except RecursionError:
        raise BadLineError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise BadLineError(f"it is not valid JSON ({error})") from None
    if isinstance(value, str) and not names_palette(value):
        raise BadLineError(f"it is JSON, but {_kind(value)} instead of an object with a seed")
    return row_from_value(line, value, sixteen)


def row_from_value(line: int, value: Any, sixteen: Sixteen | None = None) -> PaletteRow:
    """A row from an element of a JSON array: an object, a seed, or 12 or 16 numbers."""
    if isinstance(value, str):
        return _row(line, {"seed": value}, sixteen)
    if is_one_palette(value):
        return _row(line, {"seed": ",".join(map(str, _flat(value)))}, sixteen)
    if not isinstance(value, dict):
        raise BadLineError(f"it is JSON, but {_kind(value)} instead of an object with a seed")
    return _row(line, value, sixteen)


def is_one_palette(value: Any) -> bool:
    """Whether a JSON value is an array of 12 or 16 numbers, flat or as vectors."""
    numbers = _flat(value) if isinstance(value, list) else []
    return len(numbers) in (12, 16) and all(type(one) in (int, float) for one in numbers)


def _flat(rows: Sequence[Any]) -> list[Any]:
    return [one for row in rows for one in (row if isinstance(row, list) else [row])]


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, JSON has no such words.
    raise ValueError(f"{name} is not JSON")


class UnfinishedCsvError(BadLineError):
    """A quoted field is still open at the end of the text: it may go on in the next line."""


def csv_fields(text: str, delimiter: str = ",") -> list[str]:
    """The fields of one CSV record. Raises UnfinishedCsvError when it does not end with the text."""
    try:
        records = csv.reader(
            text.splitlines(keepends=True), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"
        )
        return next(records, [])
    except csv.Error as error:
        kind = UnfinishedCsvError if "unexpected end of data" in str(error) else BadLineError
        raise kind(f"it is not valid CSV ({error})") from None


def _row(line: int, values: Mapping[str, Any], sixteen: Sixteen | None) -> PaletteRow:
    """Every value checked; None and absent values take what the address says, or the default."""
    seed = _named_seed(values)
    if seed is None and any(isinstance(one, list) and one and isinstance(one[0], dict) for one in values.values()):
        raise BadLineError("it is an object around a list; give the list itself, as a JSON array, or one object a line")
    if seed is None:
        raise BadLineError("it has no seed (nor id)")
    if not isinstance(seed, str):
        raise BadLineError(f"its seed is {_kind(seed)} instead of text")
    written, in_address = _from_address(seed)
    values = {**in_address, **{name: value for name, value in values.items() if value is not None}}
    try:
        palette = decode_seed(_one_spelling(written, sixteen))
    except SeedError as error:
        raise BadLineError(f"{UNREADABLE}{error.reason}") from None
    name = _name(values.get("name"))
    return PaletteRow(
        line=line,
        source_seed=written.strip(),
        palette=palette,
        style=_style(values.get("style")),
        steps=_steps(values.get("steps")),
        angle=_angle(values.get("angle")),
        name=None if name is None else name[:MAX_NAME_CHARS],
        note=_cut(name),
    )


def _named_seed(values: Mapping[str, Any]) -> Any:
    """What stands in the columns of a seed. An id may be the key of somebody's database: then the address counts."""
    named = {name: values[name] for name in SEED_COLUMNS if values.get(name) is not None}
    for name, one in named.items():
        if is_one_palette(one):
            named[name] = ",".join(map(str, _flat(one)))
    texts = {name: one for name, one in named.items() if isinstance(one, str)}
    if list(texts) == ["id", "url"] and not names_palette(texts["id"]):
        return texts["url"]
    return next(iter(texts.values()), next(iter(named.values()), None))


def _from_address(seed: str) -> tuple[str, dict[str, Any]]:
    """The seed of a Grabient address, with the style, steps and angle that it names; any other text as it is."""
    text = seed.strip()
    if not _ADDRESS.match(text):
        return seed, {}
    address = urlsplit(text if "://" in text else f"https://{text}")
    asked = dict(parse_qsl(address.query))
    parts = [part for part in address.path.split("/") if part]
    found = asked.get("seed") or (unquote(parts[-1]) if parts else "")
    if not found:
        raise BadLineError("it is a Grabient address without a palette; a palette's ends in its seed")
    in_address: dict[str, Any] = {"style": asked["style"]} if "style" in asked else {}
    for name in ("steps", "angle"):
        if name in asked:
            try:
                in_address[name] = _Written(asked[name])
            except ValueError:
                raise BadLineError(f"its {name} {_short(asked[name])} is not a number") from None
    return found, in_address


def _one_spelling(seed: str, sixteen: Sixteen | None) -> str:
    """The seed as decode_seed reads it: numbers with commas between them, a preset without its alpha."""
    if _OTHER_NUMBERS.fullmatch(seed.strip()):
        seed = ",".join(re.split(r"[\s;|]+", seed.strip().strip(";|").replace(",", ".").strip()))
    elif "." in seed and _FEW_NUMBERS.fullmatch(seed.strip()):
        count = len(re.findall(_NUMBER, seed))
        raise BadLineError(
            f"it has {count} number{'' if count == 1 else 's'} instead of 12 or 16; put all of a palette on one line"
        )
    numbers = seed.split(",")
    try:
        preset = len(numbers) == 16 and [float(numbers[place]) for place in (3, 7, 11, 15)] == [1, 0, 0, 0]
    except ValueError:
        preset = False
    if not preset or sixteen == "modifiers":
        return seed
    if sixteen is None:
        raise AmbiguousNumbersError(
            "its 16 numbers have 1, 0, 0, 0 in places 4, 8, 12 and 16; that may be a preset, four vectors with alpha, "
            "or twelve coefficients with exposure, contrast, frequency and phase"
        )
    return ",".join(number for place, number in enumerate(numbers) if place % 4 != 3)


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
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode().strip() or None


def _cut(name: str | None) -> str | None:
    if name is None or len(name) <= MAX_NAME_CHARS:
        return None
    return f"its name has {len(name)} characters; the first {MAX_NAME_CHARS} are kept"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _short(value: Any) -> str:
    # Whole numbers of thousands of digits cannot even be printed.
    if isinstance(value, int) and not -(10**15) < value < 10**15:
        return "of more than 15 digits"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
