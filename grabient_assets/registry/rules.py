"""What must hold between the rows of a data file: order, dates, prices, replacements."""

from __future__ import annotations

from collections.abc import Iterator

from grabient_assets.registry.lines import Location
from grabient_assets.registry.model import EFFORTS
from grabient_assets.registry.rows import ModelRow, PriceRow, ProviderFile

Mistake = tuple[Location, str]


def mistakes(file: ProviderFile) -> Iterator[Mistake]:
    """Every broken rule, as the place of the row and a sentence that names the way out."""
    yield from _caching(file)
    ids = [model.id for model in file.models]
    for index, model in enumerate(file.models):
        place: Location = ("models", index, "id")
        if model.id in ids[:index]:
            yield place, f"model {model.id} is listed twice; remove one of the two"
        elif index and model.id < ids[index - 1]:
            before = min(other for other in ids[:index] if other > model.id)
            yield place, f"models must be sorted by id; move {model.id} before {before}"
        yield from _dates(index, model)
        yield from _life(file, index, model)
        yield from _abilities(index, model)
        yield from _effort(index, model)
        yield from _prices(index, model)


def _caching(file: ProviderFile) -> Iterator[Mistake]:
    if file.caching.explicit and file.caching.least_hits is None:
        yield (
            ("caching", "explicit"),
            "caching that has to be asked for needs `least_hits`, the part of requests that find the prefix; add it",
        )


def _dates(index: int, model: ModelRow) -> Iterator[Mistake]:
    if model.available_from is None and model.available_by is None:
        yield (
            ("models", index, "available_from"),
            f"model {model.id} is undated; add `available_from`, or where that day is not published `available_by`, "
            "the first day on which a source shows it",
        )
    if model.available_from is not None and model.available_by is not None:
        place: Location = ("models", index, "available_by")
        yield place, f"model {model.id} has `available_from`, which says more than `available_by`; remove the latter"
    if model.replacement is not None and model.retires_on is None and model.retires_not_before is None:
        yield (
            ("models", index, "replacement"),
            f"model {model.id} names a replacement but no end; add `retires_on` or `retires_not_before`",
        )


def _abilities(index: int, model: ModelRow) -> Iterator[Mistake]:
    lists: tuple[tuple[str, list[str]], ...] = (("roles", [*model.roles]), ("accepts", [*model.accepts.efforts]))
    for key, words in lists:
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            yield ("models", index, key), f"{', '.join(twice)} of {model.id} stands there twice; remove one"
    if "refiner" in model.roles and not model.accepts.images:
        place: Location = ("models", index, "accepts")
        yield place, f"model {model.id} refines but takes no images, and a refinement shows one; correct its `roles`"
    if model.max_output_tokens > model.context_tokens:
        yield (
            ("models", index, "max_output_tokens"),
            f"model {model.id} would write more tokens than its context of {model.context_tokens} holds; correct one",
        )


def _life(file: ProviderFile, index: int, model: ModelRow) -> Iterator[Mistake]:
    if model.retires_on is not None and model.replacement is None:
        yield ("models", index, "retires_on"), f"model {model.id} retires but names no replacement; add `replacement`"
    if model.retires_not_before is not None and model.replacement is None:
        place = ("models", index, "retires_not_before")
        yield place, f"model {model.id} may retire but names no replacement; add `replacement`"
    if model.available_from and model.prices[0].since > model.available_from:
        yield (
            ("models", index, "prices", 0, "from"),
            f"model {model.id} is available from {model.available_from}, but its first price holds from "
            f"{model.prices[0].since} on; add the price of the days before",
        )
    if model.available_from and model.retires_on and model.retires_on <= model.available_from:
        yield (
            ("models", index, "retires_on"),
            f"model {model.id} retires before it is available; correct one of the dates",
        )
    if model.replacement is None:
        return
    place: Location = ("models", index, "replacement")
    heir = next((other for other in file.models if other.id == model.replacement), None)
    if heir is None:
        yield place, f"the replacement {model.replacement} of {model.id} is not in this file; add it or name another"
    elif heir is model:
        yield place, f"model {model.id} is named as its own replacement; name another"
    elif model.retires_on and heir.retires_on and heir.retires_on <= model.retires_on:
        yield place, f"the replacement {heir.id} of {model.id} retires no later than the model itself; name another"


def _effort(index: int, model: ModelRow) -> Iterator[Mistake]:
    accepts = model.accepts
    place: Location = ("models", index, "accepts")
    if accepts.default_effort is not None and accepts.default_effort not in accepts.efforts:
        yield place, f"the default effort {accepts.default_effort} of {model.id} is not among its efforts; add it there"
    if accepts.thinking in ("effort", "level") and not accepts.efforts:
        yield (
            place,
            f"model {model.id} thinks by {accepts.thinking} but lists no efforts; add some of {', '.join(EFFORTS)}",
        )


def _prices(index: int, model: ModelRow) -> Iterator[Mistake]:
    for number, price in enumerate(model.prices):
        place: Location = ("models", index, "prices", number)
        if number and price.since <= model.prices[number - 1].since:
            yield (
                (*place, "from"),
                f"prices of {model.id} must be sorted by `from`, each day once; move or redate this one",
            )
        yield from _price(place, model.id, price)


def _price(place: Location, model: str, price: PriceRow) -> Iterator[Mistake]:
    for word in ("input", "output"):
        batch, standard = getattr(price.batch, word), getattr(price.standard, word)
        if batch >= standard:
            yield (
                (*place, "batch"),
                f"the batch {word} price {batch} of {model} is not below its standard price {standard}; "
                "batches cost less everywhere, so look it up again",
            )
    for kind, rates in (("standard", price.standard), ("batch", price.batch)):
        if rates.cached_input is not None and rates.cached_input > rates.input:
            yield (
                (*place, kind),
                f"the {kind} price of cached input of {model} is above that of other input; look it up again",
            )
