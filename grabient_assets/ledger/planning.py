"""The plan of a submission before it is sent: batches, tokens and dollars. No network, nothing written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from grabient_assets.errors import PromptError, RegistryError, RequestRejectedError, UnpricedError
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.estimates import (
    DollarRange,
    Measured,
    MeasuredKey,
    TokenBasis,
    estimate,
    measured_tokens,
    token_estimate,
)
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.plan import DueLines, TargetPlan, plan_target_due, planning_due
from grabient_assets.ledger.request_sizes import request_shape
from grabient_assets.registry.catalogue import Registry
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import BatchLimits, Model

if TYPE_CHECKING:
    import numpy
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.connection import Connection
    from grabient_assets.ledger.due import DueTarget
    from grabient_assets.ledger.purpose import Purpose

Limit = Literal["requests", "bytes"]

WHY = {
    "stopped": "stopped before",
    "retried": "failed, and asked again",
    "unanswered": "expired or missing before",
    "put_off": "put off by the provider",
    "changed_prompt": "changed prompt or parameters",
    "more_analyses": "more analyses than before",
    "changed_basis": "changed consensus",
    "waiting": "asked for, not sent yet",
    "new_model": "model not asked yet",
    "new_subject": "new palette",
    "basis_to_come": "consensus not complete yet",
}
"""The reasons why requests are missing, as a plan names them for people; the keys are those of plan.py."""
NAMES = {"changed_basis": "changed_consensus", "new_subject": "new_palette", "basis_to_come": "untagged"}
"""The names in `grabient plan --json` that differ from the ledger's names."""


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
    """The parts that `submit.split` would make of these lines, computed from their sizes alone."""
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
    """The batches, tokens and dollars of sending these lines to `model` on the day `on`."""
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
    """The sentence about a model that cannot be sent to: shut down, not released yet, or of unknown price."""
    from grabient_assets.registry.prices import batch_price

    try:
        registry.usable(model, on)
        if planned.usd is None:
            batch_price(model, on)
    except RegistryError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """The requests to one model, by their state. `sending` covers missing requests and others that are due; `cannot` is
    the reason why it would not be sent."""

    model: Model
    counts: TargetPlan
    sending: Sending
    cannot: str | None


def planned_model(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    model: Model,
    counts: TargetPlan,
    going: Sequence[DueLines],
    measured: Mapping[MeasuredKey, Measured],
    limits: BatchLimits,
    on: date,
) -> PlannedModel:
    """The model with the plan of sending these lines. `measured`: tokens of past answers, as `measured_tokens` finds
    them."""
    whole, refused = Sending(), None
    picture = purpose.picture_bytes(connection)
    for lines in going:
        prompt = purpose.prompt(lines.prompt_version, model)
        try:
            fixed = purpose.line_bytes(connection, prompt, model)
        except RequestRejectedError as error:
            refused = str(error)
            continue
        whole += sending(
            model,
            Lines(lines.requests, lines.subject_bytes + fixed + picture, purpose.pictures, picture),
            prompt.parameters,
            measured.get((model.provider, model.id, prompt.digest)),
            limits,
            on,
        )
    return PlannedModel(model, counts, whole, refused or why_not_sent(load_registry(), model, whole, on))


def plan_due(
    connection: DuckDBPyConnection, purpose: Purpose, at: Connection, targets: Sequence[DueTarget], on: date
) -> list[PlannedModel]:
    """The plan of these targets of the provider, for every open ask: what a submission sends.

    Existing answers are counted over the open asks and those recorded together with them, so models to which nothing is
    sent are in the plan too.
    """
    provider, measured = at.provider.name, measured_tokens(connection)
    going = {(target.model, target.prompt_version, target.cap_id) for target in targets}
    with planning_due(connection, purpose, provider) as versions:
        found: list[PlannedModel] = []
        for model in load_registry().models:
            if model.provider != provider or model.id not in versions:
                continue
            current = askable_digests(purpose, model, versions[model.id], at.answers_from)
            counts = plan_target_due(connection, purpose, provider, model.id, current)
            lines = [one for one in counts.lines if (model.id, one.prompt_version, one.cap_id) in going]
            if lines or counts.cached or counts.failed or counts.in_flight:
                limits = at.provider.limits
                found.append(planned_model(connection, purpose, model, counts, lines, measured, limits, on))
        return found


def askable_digests(purpose: Purpose, model: Model, versions: Iterable[str], answers_from: str) -> dict[str, str]:
    """Prompt version -> request digest that may be sent to the model now; asks of another digest are stopped when
    sending."""
    found: dict[str, str] = {}
    for version in versions:
        try:
            prompt = purpose.prompt(version, model)
            refuse_draft(prompt, answers_from)
        except (PromptError, RegistryError):
            continue
        found[version] = request_digest(purpose.name, answers_from, model, prompt.digest)
    return found
