"""What tagging would send: by the rule of sending, with the sizes of the real request lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import RequestRejectedError
from grabient_assets.groups.tagging.purpose import TAGGING, tagging_bytes
from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.estimates import Measured, MeasuredKey
from grabient_assets.ledger.plan import plan_target, planning
from grabient_assets.ledger.planning import Lines, PlannedModel, askable_digests, planned_model, sending
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import BatchLimits, Model
from grabient_assets.settings import prompts_dir

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def plan_tagging(
    connection: DuckDBPyConnection,
    models: Sequence[Model],
    prompt_version: str,
    seeds: Sequence[str],
    analyses: int,
    answers_from: str,
    on: date,
    measured: Mapping[MeasuredKey, Measured],
    others: Sequence[str] = (),
    limits: Mapping[str, BatchLimits] | None = None,
) -> list[PlannedModel]:
    """The plan of each model if these palettes were asked for.

    `measured`: tokens of past answers, as `measured_tokens` finds them. `others` were chosen too and lack nothing: what
    they have is counted. `limits` by provider; those of the registry when not given.
    """
    limits, versions = limits or load_registry().limits, load_prompt_versions(prompts_dir())
    with planning(connection, TAGGING, seeds, others):
        found: list[PlannedModel] = []
        for model in models:
            current = askable_digests(TAGGING, model, versions, answers_from)
            target = AskTarget(model.provider, model.id, current.get(prompt_version, ""))
            counts = plan_target(connection, TAGGING, prompt_version, target, analyses, current)
            at = limits[model.provider]
            found.append(planned_model(connection, TAGGING, model, counts, counts.lines, measured, at, on))
        return found


def request_usd(model: Model, prompt: Prompt, colour_bytes: int, measured: Measured | None, on: date) -> Decimal | None:
    """What one request about colours of this size is expected to cost; None at an unknown price, or when the model
    does not take such a request."""
    import numpy

    try:
        size = tagging_bytes(prompt, model) + colour_bytes
    except RequestRejectedError:
        return None
    lines = Lines(numpy.ones(1, dtype=numpy.int64), numpy.asarray([size]))
    found = sending(model, lines, prompt.parameters, measured, load_registry().limits[model.provider], on)
    return None if found.usd is None else found.usd.expected
