"""What refinement would send. What it reads is not always known before, so its size is taken from others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from grabient_assets.groups.refinement.counting import Foreseen, plan_refinement
from grabient_assets.groups.refinement.purpose import (
    REFINEMENT,
    picture_bytes_in_line,
    refinement_bytes,
    refinement_prompt,
    refiner,
)
from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.estimates import Measured, MeasuredKey
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.planning import Lines, PlannedModel, sending, why_not_sent
from grabient_assets.registry.load import load_registry

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def plan_refinements(
    connection: DuckDBPyConnection,
    prompt_version: str,
    tagged: Sequence[str],
    answers_from: str,
    on: date,
    measured: Mapping[MeasuredKey, Measured],
    *,
    by_url: bool,
    untagged: Sequence[str] = (),
    refined: Sequence[str] = (),
    foreseen: Foreseen | None = None,
) -> PlannedModel:
    """The plan for palettes that are tagged, and for `untagged` ones once they are; `refined` were chosen too and lack
    nothing.

    `foreseen`: what the consensus of untagged ones may be known from. `measured`: tokens of past answers, as
    `measured_tokens` finds them. `by_url`: pictures go as addresses.
    """
    import numpy

    model, registry = refiner(), load_registry()
    prompt = refinement_prompt(prompt_version)
    target = AskTarget(model.provider, model.id, request_digest(REFINEMENT.name, answers_from, model, prompt.digest))
    found = plan_refinement(connection, prompt_version, target, tagged, untagged, refined, foreseen)
    picture = 0 if by_url else picture_bytes_in_line(found.picture_bytes)
    size = refinement_bytes(connection, prompt, model) + round(found.colour_bytes) + picture
    requests = numpy.array([sum(found.plan.missing.values())])
    whole = sending(
        model,
        Lines(requests, numpy.array([size]), pictures=1, picture_bytes=picture),
        prompt.parameters,
        measured.get((model.provider, model.id, prompt.digest)),
        registry.limits[model.provider],
        on,
    )
    return PlannedModel(model, found.plan, whole, why_not_sent(registry, model, whole, on))
