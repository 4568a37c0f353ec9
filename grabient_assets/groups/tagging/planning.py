"""What tagging would send: by the rule of sending, with the sizes of the real request lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import PromptError, RequestRejectedError
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.tagging.purpose import TAGGING, tagging_bytes
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.due import DueTarget
from grabient_assets.ledger.estimates import Measured, MeasuredKey, measured_tokens
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.plan import DueLines, TargetPlan, plan_target, plan_target_due, planning, planning_due
from grabient_assets.ledger.planning import Lines, Sending, sending, why_not_sent
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.prompting.prompt import Prompt, PromptSet
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import BatchLimits, Model
from grabient_assets.settings import PROMPTS_DIR

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What becomes of the requests to one model. `sending` covers what is missing and what is due besides;
    `cannot` is why it would not be sent."""

    model: Model
    counts: TargetPlan
    sending: Sending
    cannot: str | None


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
    askable = _Askable(answers_from, on, measured, limits or load_registry().limits)
    with planning(connection, TAGGING, seeds, others):
        found: list[PlannedModel] = []
        for model in models:
            current = askable.digests(model)
            target = AskTarget(model.provider, model.id, current.get(prompt_version, ""))
            counts = plan_target(connection, TAGGING, prompt_version, target, analyses, current)
            found.append(askable.planned(model, counts, counts.lines))
        return found


def plan_due(
    connection: DuckDBPyConnection,
    provider: str,
    targets: Sequence[DueTarget],
    limits: BatchLimits,
    answers_from: str,
    on: date,
) -> list[PlannedModel]:
    """The plan of these targets of the provider, whoever asked for them: what a submission sends.

    What is there already is counted over the asks that are open and those recorded together with them, so models to
    which nothing goes are in the plan too.
    """
    going = {(target.model, target.prompt_version, target.cap_id) for target in targets}
    askable = _Askable(answers_from, on, measured_tokens(connection), {provider: limits})
    with planning_due(connection, TAGGING, provider):
        found: list[PlannedModel] = []
        for model in load_registry().models:
            if model.provider != provider:
                continue
            counts = plan_target_due(connection, TAGGING, provider, model.id, askable.digests(model))
            lines = [one for one in counts.lines if (model.id, one.prompt_version, one.cap_id) in going]
            if lines or counts.cached or counts.failed or counts.in_flight:
                found.append(askable.planned(model, counts, lines))
        return found


class _Askable:
    """What may be asked, and what that comes to."""

    def __init__(
        self,
        answers_from: str,
        on: date,
        measured: Mapping[MeasuredKey, Measured],
        limits: Mapping[str, BatchLimits],
    ) -> None:
        self._answers_from, self._on, self._measured, self._limits = answers_from, on, measured, limits
        self._sets = _askable(answers_from)

    def digests(self, model: Model) -> dict[str, str]:
        """Prompt version -> request digest, of what may be sent to the model."""
        return {
            v: request_digest(TAGGING.name, self._answers_from, model, s[TAGGING.name].digest)
            for v, s in self._sets.items()
        }

    def planned(self, model: Model, counts: TargetPlan, going: Sequence[DueLines]) -> PlannedModel:
        """The model with what sending these lines comes to."""
        whole, refused = Sending(), None
        for lines in going:
            prompt = self._sets[lines.prompt_version][TAGGING.name]
            try:
                fixed = tagging_bytes(prompt, model)
            except RequestRejectedError as error:
                refused = str(error)
                continue
            whole += sending(
                model,
                Lines(lines.requests, lines.subject_bytes + fixed),
                prompt.parameters,
                self._measured.get((model.provider, model.id, prompt.digest)),
                self._limits[model.provider],
                self._on,
            )
        return PlannedModel(model, counts, whole, refused or why_not_sent(load_registry(), model, whole, self._on))


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


def _askable(answers_from: str) -> dict[str, PromptSet]:
    """The prompt versions that may be sent; what was asked under another is stopped when sending."""
    found: dict[str, PromptSet] = {}
    for version in load_prompt_versions(PROMPTS_DIR):
        try:
            prompts = load_palette_prompts(version)
            refuse_draft(prompts, answers_from)
        except PromptError:
            continue
        found[version] = prompts
    return found
