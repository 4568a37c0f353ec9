"""Wanting tags wave by wave: few cheap models first, and more only about palettes that are not certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.asking import TaggingAsk, end_asking
from grabient_assets.groups.tagging.planning import request_usd
from grabient_assets.groups.tagging.purpose import TAGGING, taggers, tagging_prompt
from grabient_assets.groups.tagging.wave_choice import Candidate, plan_waves
from grabient_assets.groups.tagging.wave_plans import WavePlan, record_plan
from grabient_assets.groups.tagging.waves import start_waves
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.asks import by_version
from grabient_assets.ledger.estimates import Measured, MeasuredKey, measured_tokens
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.request_sizes import mean_subject_bytes
from grabient_assets.registry.load import load_registry
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def ask_in_waves(ask: TaggingAsk, panel: Sequence[str], warehouse: Warehouse, now: datetime) -> None:
    """Record the ask as an adaptive one: its `analyses` are the most that any model is asked. Nothing is sent here.

    `panel` are all providers that can be asked; the waves are planned over their models, and the part that its
    own providers have in them is asked for. A wave is judged once every provider of the panel was asked.
    """
    with warehouse.write() as connection:
        asked_at = begin_asking(connection, ask.answers_from, now, ask.cap)
        measured = measured_tokens(connection)
        for version, palettes in by_version(ask.palettes).items():
            plan = waves_of(connection, version, panel, ask.analyses, ask.answers_from, now.date(), measured)
            record_plan(connection, plan, asked_at)
            keep_wording(connection, tagging_prompt(version), asked_at)
            start_waves(
                connection,
                TAGGING,
                plan,
                palettes,
                ask.providers,
                ask.terms,
                asked_at,
                retry=ask.retry_failed,
            )
        end_asking(connection, ask, now)


def waves_of(
    connection: DuckDBPyConnection,
    prompt_version: str,
    panel: Sequence[str],
    analyses: int,
    answers_from: str,
    on: date,
    measured: Mapping[MeasuredKey, Measured],
) -> WavePlan:
    """The waves of the panel models that are served on the day `on`. `measured`: tokens of past answers.

    Raises PromptError for a draft where only released prompts may be asked.
    """
    prompt = tagging_prompt(prompt_version)
    refuse_draft(prompt, answers_from)
    models = taggers(panel)
    refused = load_registry().refusals(models, on)
    colours = mean_subject_bytes(connection, TAGGING)
    candidates = [
        Candidate(
            model,
            TAGGING.target(prompt_version, model, answers_from).request_digest,
            request_usd(model, prompt, colours, measured.get((model.provider, model.id, prompt.digest)), on),
        )
        for model in models
        if model not in refused
    ]
    return plan_waves(connection, prompt_version, candidates, analyses)
