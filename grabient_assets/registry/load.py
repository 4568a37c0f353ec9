"""Reads the data files into a Registry, strictly. Messages name the line of the file.

pydantic and the shape of the files are imported when a file is read: every command imports this module, and many read
no file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import RegistryError
from grabient_assets.registry.catalogue import Registry
from grabient_assets.registry.model import (
    PROVIDERS,
    Accepts,
    BatchLimits,
    Caching,
    DirectLimits,
    ImageRules,
    Model,
    Price,
    Rates,
    VectorRules,
)

if TYPE_CHECKING:
    from grabient_assets.registry.file_format import (
        CachingRow,
        Location,
        ModelRow,
        PriceRow,
        ProviderFile,
        RatesRow,
        Row,
    )

DATA = Path(__file__).parent / "data"
_HEADER = re.compile(r"""\s*(\[{1,2})\s*([\w."'\- ]+?)\s*\]{1,2}\s*(?:#.*)?$""")

_WAYS_OUT = {
    "extra_forbidden": "unknown key; correct its spelling or remove it",
    "missing": "this key is missing; add it",
    "date_type": "not a date; write it as 2026-11-20, without quotes",
    "list_type": "not a list; write it in [brackets]",
    "string_pattern_mismatch": "empty, or with spaces around it; write what it is, without them",
}
_PRICE_KEYS = tuple(field.name for field in fields(Rates))


@lru_cache(maxsize=8)
def load_registry(folder: Path | None = None) -> Registry:
    """The models of every `<provider>.toml` in `folder` (default: those of this package). Read once per folder.

    Raises RegistryError naming the file, the line and the way out for anything unknown, missing, undated, unpriced,
    unsorted or contradictory.
    """
    files = sorted((folder or DATA).glob("*.toml"))
    if not files:
        raise RegistryError(
            f"There is no model file in {folder or DATA}; it should hold one <provider>.toml per provider."
        )
    read = {file.provider: file for file in map(_read, files)}
    models = [
        _model(name, row, _caching(read[name].caching))
        for name in PROVIDERS
        if name in read
        for row in read[name].models
    ]
    limits = {
        name: BatchLimits(file.limits.max_requests, file.limits.max_bytes)
        for name, file in read.items()
        if file.limits is not None
    }
    direct = {name: DirectLimits(file.direct.in_flight, file.direct.timeout_s) for name, file in read.items()}
    return Registry(models=tuple(models), limits=limits, direct=direct)


def _read(path: Path) -> ProviderFile:
    from pydantic import ValidationError

    from grabient_assets.registry.file_format import ProviderFile, mistakes

    text = _text_of(path)
    parsed = _parsed(path, text)
    try:
        file = ProviderFile.model_validate(parsed)
    except ValidationError as error:
        raise _refusal(path, text, [_mistake(parsed, dict(item)) for item in error.errors()]) from error
    found = list(mistakes(file))
    if file.provider != path.stem:
        found.insert(0, (("provider",), f"the file is named {path.name} but holds {file.provider}; rename one of them"))
    if found:
        raise _refusal(path, text, found)
    return file


def _text_of(path: Path) -> str:
    content = b""
    try:
        content = path.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise RegistryError(f"The model file {path.name} cannot be read ({error}); restore it.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RegistryError(
            f"The model file {path.name} cannot be read: line {line} is not UTF-8 text ({error.reason}). Save the file "
            "as UTF-8."
        ) from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        what = str(error)
    except RecursionError:
        what = "Brackets nested too deeply"
    except (ValueError, ArithmeticError):
        what = "A number with too many digits"
    # What is never closed is found at the end of the text; it is to be mended where it begins.
    where = "" if "(at line" in what else f" (line {line_of_failure(text)})"
    raise RegistryError(
        f"The model file {path.name} is not valid TOML: {what.removesuffix(' (at end of document)')}{where}. "
        "Correct that line."
    )


def _mistake(parsed: dict[str, Any], item: dict[str, Any]) -> tuple[Location, str]:
    place: Location = item["loc"]
    way_out = _WAYS_OUT.get(item["type"]) or _way_out(item, place[-1] if place else "")
    subject = _model_named_by(parsed, place)
    return place, f"{subject}`{'.'.join(map(str, place))}`: {way_out}"


def _way_out(item: dict[str, Any], key: str | int) -> str:
    found = f"found {str(item['input'])[:60]!r}"
    if key in _PRICE_KEYS:
        from grabient_assets.registry.file_format import PRICE_NEEDED

        return f"{PRICE_NEEDED}; {found}"
    if item["type"] in ("greater_than_equal", "less_than") and isinstance(item["input"], date):
        return f"a day between 2020 and 2099 is needed, {found}; correct it"
    if key == "currency":
        return f"prices are kept in US dollars only, {found}; convert them and write 'USD'"
    return f"{item['msg']}, {found}; correct it"


def _model_named_by(parsed: dict[str, Any], place: Location) -> str:
    if len(place) < 2 or place[0] != "models" or not isinstance(place[1], int):
        return ""
    row = parsed["models"][place[1]]
    return f"model {row['id']}, " if isinstance(row, dict) and isinstance(row.get("id"), str) else ""


def _refusal(path: Path, text: str, found: list[tuple[Location, str]]) -> RegistryError:
    sentences = [f"{path.name}, line {line_of(text, place)}: {what}." for place, what in found]
    return RegistryError("The model file cannot be used. " + " ".join(sentences))


def _model(provider: str, row: ModelRow, caching: Caching) -> Model:
    separate = ("accepts", "prices", "roles", "panel_roles", "deliveries", "images", "vectors")
    plain = row.model_dump(exclude={*separate, "token_parameter", "context_tokens", "max_output_tokens"})
    roles = tuple(row.roles)
    return Model(
        provider=provider,
        roles=roles,
        accepts=_accepts(row),
        token_parameter=row.token_parameter or "",
        context_tokens=row.context_tokens or 0,
        max_output_tokens=row.max_output_tokens or 0,
        prices=tuple(_price(price) for price in row.prices),
        caching=caching,
        deliveries=tuple(row.deliveries),
        panel_roles=(roles if row.panel_roles is None else tuple(row.panel_roles)) if row.panel else (),
        images=None if row.images is None else ImageRules(**_frozen(row.images)),
        vectors=None if row.vectors is None else VectorRules(**_frozen(row.vectors)),
        **plain,
    )


def _accepts(row: ModelRow) -> Accepts:
    """A model that writes no text accepts none of what a text can be asked with."""
    if row.accepts is None:
        reads = row.images is not None and row.images.most_inputs > 0
        return Accepts(sampling=False, thinking="none", structured="none", images=reads)
    return Accepts(**_frozen(row.accepts))


def _frozen(row: Row) -> dict[str, Any]:
    """The values of a row, lists as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row}


def _caching(row: CachingRow | None) -> Caching:
    return Caching("no", False) if row is None else Caching(row.adds_up, row.explicit, row.least_hits)


def _price(row: PriceRow) -> Price:
    batch = None if row.batch is None else _rates(row.batch)
    return Price(row.since, _rates(row.standard), batch, row.source, row.prompt_tokens_up_to)


def _rates(row: RatesRow) -> Rates:
    return Rates(**{key: rate for key, rate in row if rate is not None})


def line_of(text: str, place: Location) -> int:
    """The number of the line (from 1) where `place` stands, or of the nearest thing around it.

    A value is named by the line on which it begins. Lines inside a value are not recognised, so one that looks like a
    table header gives a wrong number.
    """
    lines = text.split("\n")  # the ends of lines that TOML knows
    start, stop, best, table = 0, len(lines), 1, ""
    for position, step in enumerate(place):
        if isinstance(step, int):
            continue
        written = _assigned(lines[start:stop], place[position:])
        if written is not None:
            return start + written + 1
        table = f"{table}.{step}" if table else step
        following = place[position + 1] if position + 1 < len(place) else None
        entry = following if isinstance(following, int) else 0
        headers = [n for n in range(start, stop) if _header(lines[n]) in (("[", table), ("[[", table))]
        if entry >= len(headers):
            break
        start = best = headers[entry] + 1
        stop = next((n for n in range(start, stop) if not _is_within(lines[n], table)), stop)
    return best


def line_of_failure(text: str) -> int:
    """The number of the line on which the statement begins that keeps `text` from being TOML."""
    lines = text.split("\n")
    whole = max(n for n in range(len(lines)) if _is_toml("\n".join(lines[:n])))
    return whole + 1


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return False
    return True


def _assigned(lines: Sequence[str], place: Location) -> int | None:
    """The line that writes the key, of those before the first sub-table; a dotted key as far as it goes."""
    keys = [str(key) for key in takewhile(lambda step: isinstance(step, str), place)]
    own = [*takewhile(lambda line: _header(line) is None, lines)]
    for length in range(len(keys), 0, -1):
        dotted = r"\s*\.\s*".join(rf"""["']?{re.escape(key)}["']?""" for key in keys[:length])
        assignment = re.compile(rf"\s*{dotted}\s*[.=]")
        for number, line in enumerate(own):
            if assignment.match(line):
                return number
    return None


def _header(line: str) -> tuple[str, str] | None:
    """The brackets and the name of a table header."""
    found = _HEADER.match(line)
    return (found[1], re.sub(r"""[\s"']""", "", found[2])) if found else None


def _is_within(line: str, table: str) -> bool:
    """Whether the line belongs to the table that was begun: it is no header, or one of a table inside it."""
    header = _header(line)
    return header is None or header[1].startswith(f"{table}.")
