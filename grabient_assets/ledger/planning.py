"""What would be sent: batches, tokens and dollars, before anything is. No network, nothing written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from grabient_assets.errors import RegistryError, UnpricedError
from grabient_assets.ledger.estimates import DollarRange, Measured, TokenBasis, estimate, token_estimate
from grabient_assets.ledger.request_sizes import request_shape
from grabient_assets.registry.catalogue import Registry
from grabient_assets.registry.model import BatchLimits, Model

if TYPE_CHECKING:
    import numpy

Limit = Literal["requests", "bytes"]


@dataclass(frozen=True, slots=True)
class Lines:
    """Request lines in the order of sending: how many of each, and the bytes of one, its line end not counted.

    `picture_bytes` of them are pictures, of which each request has `pictures`.
    """

    requests: numpy.ndarray[Any, Any]
    line_bytes: numpy.ndarray[Any, Any]
    pictures: int = 0
    picture_bytes: int = 0

    @property
    def count(self) -> int:
        """How many requests there are."""
        return int(self.requests.sum())


@dataclass(frozen=True, slots=True)
class Division:
    """How many batches there are, and which limits of the provider end one before the last."""

    batches: int
    limits: frozenset[Limit] = frozenset()


@dataclass(frozen=True, slots=True)
class Sending:
    """Requests that would go out, in how many batches, with how many tokens, and what they cost.

    `usd` is None at an unknown price. `cache_saved_usd` is the part that `usd.expected` leaves out because the
    provider's prompt cache should serve it.
    """

    requests: int = 0
    batches: int = 0
    split_by: frozenset[Limit] = frozenset()
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    basis: frozenset[TokenBasis] = frozenset()
    usd: DollarRange | None = field(default_factory=DollarRange)
    cache_saved_usd: Decimal = Decimal(0)

    def __add__(self, other: Sending) -> Sending:
        return Sending(
            self.requests + other.requests,
            self.batches + other.batches,
            self.split_by | other.split_by,
            self.bytes + other.bytes,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.basis | other.basis,
            self.usd + other.usd if self.usd and other.usd else None,
            self.cache_saved_usd + other.cache_saved_usd,
        )


def divide(lines: Lines, limits: BatchLimits) -> Division:
    """The parts that `submit.split` makes of these lines, found without the lines: by their sizes alone."""
    import numpy

    ends = numpy.cumsum(numpy.repeat(lines.line_bytes.astype(numpy.int64) + 1, lines.requests))
    start, batches, cut_by = 0, 0, set[Limit]()
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        by_bytes = max(start + 1, int(numpy.searchsorted(ends, before + limits.max_bytes, side="right")))
        by_requests = start + limits.max_requests
        end = min(by_bytes, by_requests)
        if end < len(ends):
            cut_by.add("requests" if by_requests <= by_bytes else "bytes")
        start, batches = end, batches + 1
    return Division(batches, frozenset(cut_by))


def sending(
    model: Model,
    lines: Lines,
    parameters: Mapping[str, Any],
    measured: Measured | None,
    limits: BatchLimits,
    on: date,
) -> Sending:
    """What sending these lines to `model` on the day `on` comes to."""
    count = lines.count
    if not count:
        return Sending()
    size = int((lines.line_bytes * lines.requests).sum())
    text = math.ceil(size / count) - lines.picture_bytes
    tokens = token_estimate(request_shape(text, lines.pictures, parameters, model), model, measured)
    try:
        usd = estimate(model, on, tokens, count)
        saved = estimate(model, on, replace(tokens, cached=0), count).expected - usd.expected
    except UnpricedError:
        usd, saved = None, Decimal(0)
    division = divide(lines, limits)
    return Sending(
        count,
        division.batches,
        division.limits,
        size + count,
        tokens.input * count,
        tokens.output * count,
        frozenset([tokens.basis]),
        usd,
        saved,
    )


def why_not_sent(registry: Registry, model: Model, planned: Sending, on: date) -> str | None:
    """The sentence about a model that would be sent nothing: shut down, not out yet, or of unknown price."""
    from grabient_assets.registry.prices import batch_price

    try:
        registry.usable(model, on)
        if planned.usd is None:
            batch_price(model, on)
    except RegistryError as error:
        return str(error)
    return None
