"""What refinement would send. What it reads is not always known before, so its size is taken from others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.refinement.counting import Foreseen, RefinementCounts, plan_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT, refinement_bytes, refiner
from grabient_assets.ledger.asks import AskTarget, SubjectVersion
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import DueTarget, due_requests
from grabient_assets.ledger.estimates import Measured, MeasuredKey, measured_tokens
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.planning import Lines, Sending, sending, why_not_sent
from grabient_assets.partitions import by_version
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import images_by_url
from grabient_assets.settings import load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PICTURE_BYTES = 6_000
"""A drawn picture, 440 x 100 pixels; the stored ones replace this."""


@dataclass(frozen=True, slots=True)
class PlannedRefinement:
    """What becomes of the refinements. `sending` covers what is missing; `cannot` is why it would not be sent."""

    model: Model
    counts: RefinementCounts
    sending: Sending
    cannot: str | None


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
) -> PlannedRefinement:
    """The plan for palettes that are tagged, and for `untagged` ones once they are; `refined` were chosen too and lack
    nothing.

    `foreseen`: what the consensus of untagged ones may be known from. `measured`: tokens of past answers, as
    `measured_tokens` finds them. `by_url`: pictures go as addresses.
    """
    import numpy

    model, registry = refiner(), load_registry()
    prompt = load_palette_prompts(prompt_version)["refinement"]
    target = AskTarget(model.provider, model.id, request_digest(REFINEMENT.name, answers_from, model, prompt.digest))
    counts = plan_refinement(connection, prompt_version, target, tagged, untagged, refined, foreseen)
    picture = 0 if by_url else 4 * math.ceil((counts.picture_bytes or PICTURE_BYTES) / 3)
    size = refinement_bytes(connection, prompt, model) + round(counts.colour_bytes) + picture
    lines = Lines(numpy.array([sum(counts.missing.values())]), numpy.array([size]), pictures=1, picture_bytes=picture)
    found = sending(
        model,
        lines,
        prompt.parameters,
        measured.get((model.provider, model.id, prompt.digest)),
        registry.limits[model.provider],
        on,
    )
    return PlannedRefinement(model, counts, found, why_not_sent(registry, model, found, on))


def plan_due(connection: DuckDBPyConnection, at: Connection, targets: Sequence[DueTarget]) -> list[PlannedRefinement]:
    """The plan of what these due targets ask for."""
    name, measured = at.provider.name, measured_tokens(connection)
    due = [one for target in targets for one in due_requests(connection, REFINEMENT, name, target)]
    asked = by_version(SubjectVersion(one.prompt_version, one.subject) for one in due)
    on, by_url = datetime.now(UTC).date(), images_by_url(load_settings())
    return [
        plan_refinements(connection, version, seeds, at.answers_from, on, measured, by_url=by_url)
        for version, seeds in asked.items()
    ]
