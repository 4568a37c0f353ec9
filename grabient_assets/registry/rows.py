"""The shape of a data file, checked key by key, and what must hold between its rows: order, dates, prices, roles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from grabient_assets.registry.model import (
    EFFORTS,
    KIND_OF,
    AddsUp,
    Delivery,
    Effort,
    ProviderName,
    Role,
    Structured,
    Thinking,
)

Location: TypeAlias = tuple[str | int, ...]
"""A path as pydantic reports it, e.g. ("models", 3, "prices", 0, "batch")."""
Mistake: TypeAlias = tuple[Location, str]


def _whole_number(value: Any) -> Any:
    """A price written as `5` is as good as `5.00`."""
    return Decimal(value) if type(value) is int else value


DEAREST = 10_000
"""Dollars per million tokens. Above it is a slip, and costs might not fit into the DECIMAL(18, 10) of the tables."""

PerMillion = Annotated[Decimal, BeforeValidator(_whole_number), Field(ge=0, le=DEAREST)]
Text = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
Count = Annotated[int, Field(gt=0, le=10**12)]
Day = Annotated[date, Field(ge=date(2020, 1, 1), lt=date(2100, 1, 1))]
"""Outside of these years it is a slip. No clock is read: one that is wrong must not keep the files from loading."""


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RatesRow(Row):
    input: PerMillion
    output: PerMillion | None = None
    cached_input: PerMillion | None = None
    cache_write: PerMillion | None = None
    image_input: PerMillion | None = None
    cached_image_input: PerMillion | None = None
    image_output: PerMillion | None = None


class PriceRow(Row):
    since: Day = Field(alias="from")
    standard: RatesRow
    batch: RatesRow | None = None
    source: Text
    prompt_tokens_up_to: Count | None = None
    currency: Literal["USD"] = "USD"


class AcceptsRow(Row):
    sampling: bool
    thinking: Thinking
    structured: Structured
    images: bool
    efforts: list[Effort] = []
    default_effort: Effort | None = None
    hide_reasoning: Literal["include_reasoning", "reasoning_format"] | None = None


class ImagesRow(Row):
    most_inputs: Annotated[int, Field(ge=0, le=100)]
    mask: Literal["guidance", "none"]
    transparent: bool
    sizes: list[Literal["1K", "2K", "4K"]] = []
    ratios: list[Annotated[str, Field(pattern=r"^[1-9]\d?:[1-9]\d?$")]] = []
    edge_multiple: Count | None = None
    longest_edge: Count | None = None
    least_pixels: Count | None = None
    most_pixels: Count | None = None
    widest_ratio: Count | None = None
    qualities: list[Text] = []
    formats: list[Literal["png", "jpeg", "webp"]] = []
    most_tokens: dict[str, Count] = {}


class VectorsRow(Row):
    dimensions: Count
    least: Count
    most: Count
    default: Count
    most_input_tokens: Count
    unit_length: bool
    task: Literal["parameter", "prefix", "none"]
    one_per_call: bool
    document_prefix: str = ""
    query_prefix: str = ""


class ModelRow(Row):
    id: Text
    family: Text
    roles: Annotated[list[Role], Field(min_length=1)]
    panel: bool
    prices: list[PriceRow]
    checked_on: Day
    source: Text
    accepts: AcceptsRow | None = None
    token_parameter: Literal["max_tokens", "max_completion_tokens", "maxOutputTokens"] | None = None
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    panel_roles: list[Role] | None = None
    deliveries: Annotated[list[Delivery], Field(min_length=1)] = ["batch", "direct"]
    images: ImagesRow | None = None
    vectors: VectorsRow | None = None
    cache_from_tokens: Count | None = None
    available_from: Day | None = None
    available_by: Day | None = None
    retires_on: Day | None = None
    retires_not_before: Day | None = None
    replacement: Text | None = None


class LimitsRow(Row):
    max_requests: Count
    max_bytes: Count
    checked_on: Day
    source: Text


class DirectRow(Row):
    in_flight: Annotated[int, Field(gt=0, le=1000)]
    timeout_s: Annotated[int, Field(gt=0, le=3600)]


class CachingRow(Row):
    adds_up: AddsUp
    explicit: bool
    least_hits: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    checked_on: Day
    source: Text


class ProviderFile(Row):
    provider: ProviderName
    currency: Literal["USD"]
    direct: DirectRow
    limits: LimitsRow | None = None
    caching: CachingRow | None = None
    models: Annotated[list[ModelRow], Field(min_length=1)]


def mistakes(file: ProviderFile) -> Iterator[Mistake]:
    """Every broken rule, as the place of the row and a sentence that names the way out."""
    yield from _provider(file)
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
        yield from _kind(index, model)
        yield from _effort(index, model)
        yield from _panel(index, model)
        yield from _prices(file.provider, index, model)


def _provider(file: ProviderFile) -> Iterator[Mistake]:
    for key in ("limits", "caching"):
        if file.provider != "local" and getattr(file, key) is None:
            yield (key,), f"`{key}`: this key is missing; add it"
    if file.caching is not None and file.caching.explicit and file.caching.least_hits is None:
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
    efforts = [*model.accepts.efforts] if model.accepts else []
    lists: tuple[tuple[str, list[str]], ...] = (
        ("roles", [*model.roles]),
        ("accepts", efforts),
        ("deliveries", [*model.deliveries]),
    )
    for key, words in lists:
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            yield ("models", index, key), f"{', '.join(twice)} of {model.id} stands there twice; remove one"
    if "refiner" in model.roles and model.accepts is not None and not model.accepts.images:
        place: Location = ("models", index, "accepts")
        yield place, f"model {model.id} refines but takes no images, and a refinement shows one; correct its `roles`"
    if (model.max_output_tokens or 0) > (model.context_tokens or 10**12):
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
    if model.available_from and model.prices and model.prices[0].since > model.available_from:
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


TEXT_KEYS = ("accepts", "token_parameter", "context_tokens", "max_output_tokens")
_FREE = ("edge_multiple", "longest_edge", "least_pixels", "most_pixels", "widest_ratio")


def _kind(index: int, model: ModelRow) -> Iterator[Mistake]:
    """Each kind of answer has keys of its own."""
    kinds = {KIND_OF[role] for role in model.roles}
    if len(kinds) > 1:
        place: Location = ("models", index, "roles")
        yield place, f"the roles of {model.id} stand for different kinds of answers; a model gives one kind"
        return
    missing = [key for key in TEXT_KEYS if kinds == {"text"} and getattr(model, key) is None]
    for kind, key in (("image", "images"), ("vector", "vectors")):
        if kind in kinds and getattr(model, key) is None:
            missing.append(key)
        if kind not in kinds and getattr(model, key) is not None:
            yield ("models", index, key), f"model {model.id} has `{key}` but no role for it; remove one of the two"
    for key in missing:
        yield ("models", index), f"model {model.id}, `models.{index}.{key}`: this key is missing; add it"
    yield from _images(index, model)
    yield from _vectors(index, model)


def _images(index: int, model: ModelRow) -> Iterator[Mistake]:
    images, place = model.images, ("models", index, "images")
    if images is None:
        return
    free = [key for key in _FREE if getattr(images, key) is not None]
    if free and (len(free) < len(_FREE) or images.sizes or images.ratios):
        yield place, f"sizes of {model.id} are either free, with all of {', '.join(_FREE)}, or `sizes` and `ratios`"
    if not free and not (images.sizes and images.ratios):
        yield place, f"the sizes of {model.id} are missing; add `sizes` and `ratios`, or {', '.join(_FREE)}"
    if unknown := set(images.most_tokens) - {*images.sizes, *([] if images.sizes else images.qualities)}:
        named = ", ".join(sorted(unknown))
        yield (
            (*place, "most_tokens"),
            f"`most_tokens` of {model.id} names {named}, which is none of its sizes or qualities; correct it",
        )
    if "editor" in model.roles and not images.most_inputs:
        yield (*place, "most_inputs"), f"model {model.id} edits but takes no images; correct its `roles`"


def _vectors(index: int, model: ModelRow) -> Iterator[Mistake]:
    vectors, place = model.vectors, ("models", index, "vectors")
    if vectors is None:
        return
    if not vectors.least <= vectors.default <= vectors.most:
        yield (
            (*place, "default"),
            f"the default dimensions of {model.id} lie outside of `least` and `most`; correct one",
        )
    if not vectors.least <= vectors.dimensions <= vectors.most:
        yield (*place, "dimensions"), f"the dimensions of {model.id} lie outside of `least` and `most`; correct one"
    if (vectors.task == "prefix") != bool(vectors.document_prefix or vectors.query_prefix):
        yield (*place, "task"), f"the task of {model.id} is told by a prefix when there is one; correct `task`"


def _panel(index: int, model: ModelRow) -> Iterator[Mistake]:
    if model.panel_roles is None:
        return
    place: Location = ("models", index, "panel_roles")
    if not model.panel:
        yield place, f"model {model.id} is not in the panel, so it has no `panel_roles`; remove them"
    if foreign := sorted({*model.panel_roles} - {*model.roles}):
        yield place, f"{', '.join(foreign)} is no role of {model.id}; add it to `roles`"


def _effort(index: int, model: ModelRow) -> Iterator[Mistake]:
    accepts = model.accepts
    place: Location = ("models", index, "accepts")
    if accepts is None:
        return
    if accepts.default_effort is not None and accepts.default_effort not in accepts.efforts:
        yield place, f"the default effort {accepts.default_effort} of {model.id} is not among its efforts; add it there"
    if accepts.thinking in ("effort", "level") and not accepts.efforts:
        yield (
            place,
            f"model {model.id} thinks by {accepts.thinking} but lists no efforts; add some of {', '.join(EFFORTS)}",
        )


def _prices(provider: str, index: int, model: ModelRow) -> Iterator[Mistake]:
    """An embedder may have none: what nobody publishes is asked for at an unknown price, when somebody allows it."""
    if not model.prices and model.retires_on is None and model.roles != ["embedder"]:
        place: Location = ("models", index, "prices")
        yield (
            place,
            f"model {model.id}, `models.{index}.prices`: the model has no price; add a [[models.prices]] entry",
        )
    for number, price in enumerate(model.prices):
        place = ("models", index, "prices", number)
        if number and price.since <= model.prices[number - 1].since:
            yield (
                (*place, "from"),
                f"prices of {model.id} must be sorted by `from`, each day once; move or redate this one",
            )
        for kind, rates in (("standard", price.standard), ("batch", price.batch)):
            if rates is not None:
                yield from _rates((*place, kind), kind, provider, model, rates)
        if price.batch is not None:
            yield from _discount((*place, "batch"), model, price.standard, price.batch)


PRICE_NEEDED = f"a price is a number above 0, at most {DEAREST}, in dollars per million tokens, such as 0.15"
_BILLED = ("input", "output", "image_input", "image_output")


def _rates(place: Location, kind: str, provider: str, model: ModelRow, rates: RatesRow) -> Iterator[Mistake]:
    for key, rate in rates:
        where = f"model {model.id}, `{'.'.join(map(str, (*place, key)))}`"
        if rate == 0 and provider != "local":
            yield (*place, key), f"{where}: {PRICE_NEEDED}; found '0'"
        if rate and provider == "local":
            yield (*place, key), f"{where}: what runs in this process costs nothing; write 0"
    if rates.output is None and model.vectors is None:
        yield place, f"model {model.id}, `{'.'.join(map(str, (*place, 'output')))}`: this key is missing; add it"
    if (rates.image_output is None) != (model.images is None):
        yield (
            place,
            f"the {kind} price of {model.id} needs `image_output` if it makes images, and only then",
        )
    if rates.cached_input is not None and rates.cached_input > rates.input:
        yield place, f"the {kind} price of cached input of {model.id} is above that of other input; look it up again"
    if rates.cached_image_input is not None and rates.cached_image_input > (rates.image_input or rates.input):
        yield place, f"the {kind} price of cached images of {model.id} is above that of other images; look it up again"


def _discount(place: Location, model: ModelRow, standard: RatesRow, batch: RatesRow) -> Iterator[Mistake]:
    """Only what is billed is compared: an embedder has no output, and most models have one price for all input."""
    if "batch" not in model.deliveries:
        yield place, f"model {model.id} has a batch price but no batches; correct its `deliveries`"
    for word in _BILLED:
        least, most = getattr(batch, word), getattr(standard, word)
        if (least is None) != (most is None):
            yield place, f"the price `{word}` of {model.id} is given for one delivery only; look up the other"
        elif least is not None and least >= most:
            yield (
                place,
                f"the batch {word} price {least} of {model.id} is not below its standard price {most}; "
                "batches cost less everywhere, so look it up again",
            )
