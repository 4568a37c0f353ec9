"""Reads the data files into a Registry, strictly."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from grabient_assets.errors import RegistryError
from grabient_assets.registry.catalogue import Registry
from grabient_assets.registry.lines import Location, line_of, line_of_failure
from grabient_assets.registry.model import PROVIDERS, Accepts, BatchLimits, Caching, Model, Price, Rates
from grabient_assets.registry.rows import DEAREST, CachingRow, ModelRow, PriceRow, ProviderFile, RatesRow
from grabient_assets.registry.rules import mistakes

DATA = Path(__file__).parent / "data"

_WAYS_OUT = {
    "extra_forbidden": "unknown key; correct its spelling or remove it",
    "missing": "this key is missing; add it",
    "date_type": "not a date; write it as 2026-11-20, without quotes",
    "list_type": "not a list; write it in [brackets]",
    "string_pattern_mismatch": "empty, or with spaces around it; write what it is, without them",
}
_PRICE_KEYS = ("input", "output", "cached_input", "cache_write")


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
    limits = {name: BatchLimits(file.limits.max_requests, file.limits.max_bytes) for name, file in read.items()}
    return Registry(models=tuple(models), limits=limits)


def _read(path: Path) -> ProviderFile:
    from pydantic import ValidationError

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
        return f"a price is a number above 0, at most {DEAREST}, in dollars per million tokens, such as 0.15; {found}"
    if item["type"] in ("greater_than_equal", "less_than") and isinstance(item["input"], date):
        return f"a day between 2020 and 2099 is needed, {found}; correct it"
    if key == "currency":
        return f"prices are kept in US dollars only, {found}; convert them and write 'USD'"
    if key == "prices" and item["type"] == "too_short":
        return "the model has no price; add a [[models.prices]] entry"
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
    accepts = row.accepts.model_dump(exclude={"efforts"})
    plain = row.model_dump(exclude={"accepts", "prices", "roles"})
    return Model(
        provider=provider,
        roles=tuple(row.roles),
        accepts=Accepts(**accepts, efforts=tuple(row.accepts.efforts)),
        prices=tuple(_price(price) for price in row.prices),
        caching=caching,
        **plain,
    )


def _caching(row: CachingRow) -> Caching:
    return Caching(row.adds_up, row.explicit, row.least_hits)


def _price(row: PriceRow) -> Price:
    return Price(row.since, _rates(row.standard), _rates(row.batch), row.source, row.prompt_tokens_up_to)


def _rates(row: RatesRow) -> Rates:
    return Rates(**row.model_dump())
