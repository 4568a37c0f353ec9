"""The shape of a data file, checked key by key. What spans several rows is checked in `registry.rules`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from grabient_assets.registry.model import AddsUp, Effort, Role, Structured, Thinking


def _whole_number(value: Any) -> Any:
    """A price written as `5` is as good as `5.00`."""
    return Decimal(value) if type(value) is int else value


DEAREST = 10_000
"""Dollars per million tokens. Above it is a slip, and costs might not fit into the DECIMAL(18, 10) of the tables."""

PerMillion = Annotated[Decimal, BeforeValidator(_whole_number), Field(gt=0, le=DEAREST)]
Text = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
Count = Annotated[int, Field(gt=0, le=10**12)]
Day = Annotated[date, Field(ge=date(2020, 1, 1), lt=date(2100, 1, 1))]
"""Outside of these years it is a slip. No clock is read: one that is wrong must not keep the files from loading."""


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RatesRow(Row):
    input: PerMillion
    output: PerMillion
    cached_input: PerMillion | None = None
    cache_write: PerMillion | None = None


class PriceRow(Row):
    since: Day = Field(alias="from")
    standard: RatesRow
    batch: RatesRow
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


class ModelRow(Row):
    id: Text
    family: Text
    roles: Annotated[list[Role], Field(min_length=1)]
    panel: bool
    accepts: AcceptsRow
    token_parameter: Literal["max_tokens", "max_completion_tokens", "maxOutputTokens"]
    context_tokens: Count
    max_output_tokens: Count
    prices: Annotated[list[PriceRow], Field(min_length=1)]
    checked_on: Day
    source: Text
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


class CachingRow(Row):
    adds_up: AddsUp
    explicit: bool
    least_hits: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    checked_on: Day
    source: Text


class ProviderFile(Row):
    provider: Literal["anthropic", "openai", "groq", "google"]
    currency: Literal["USD"]
    limits: LimitsRow
    caching: CachingRow
    models: Annotated[list[ModelRow], Field(min_length=1)]
