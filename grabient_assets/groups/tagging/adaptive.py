"""Wanting tags wave by wave: few cheap models first, and more only about palettes that are not certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.tagging.ask_terms import AskTerms, renew_refinement_terms
from grabient_assets.groups.tagging.asking import TaggingAsk, taggers
from grabient_assets.groups.tagging.planning import request_usd
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.wave_choice import Candidate, plan_waves
from grabient_assets.groups.tagging.wave_plans import WavePlan, record_plan
from grabient_assets.groups.tagging.waves import start_waves
from grabient_assets.ledger.admission import refuse_draft, refuse_other_mode, stop_refused
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.due import close_finished, share_answers
from grabient_assets.ledger.estimates import Measured, MeasuredKey, measured_tokens
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.money import make_cap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.request_sizes import mean_subject_bytes
from grabient_assets.partitions import by_version
from grabient_assets.registry.load import load_registry
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def ask_in_waves(ask: TaggingAsk, panel: Sequence[str], warehouse: Warehouse, now: datetime) -> None:
    """Record the ask as an adaptive one: its `analyses` are the most that any model is asked. Nothing is sent here.

    `panel` are all providers that can be asked; the waves are planned over their models, and the part that its
    own providers have in them is asked for. A wave is judged once every provider of the panel was asked.
    """
    terms = AskTerms(ask.allow_unpriced, ask.cap.cap_id if ask.cap else None)
    with warehouse.write() as connection:
        refuse_other_mode(connection, ask.answers_from)
        asked_at = ledger_time(connection, now)
        if ask.cap is not None:
            make_cap(connection, ask.cap, asked_at)
        measured = measured_tokens(connection)
        for version, seeds in by_version(ask.palettes).items():
            plan = waves_of(connection, version, panel, ask.analyses, ask.answers_from, now.date(), measured)
            record_plan(connection, plan, asked_at)
            keep_wording(connection, load_palette_prompts(version)["tagging"], asked_at)
            start_waves(
                connection,
                TAGGING,
                plan,
                [SubjectVersion(version, seed) for seed in seeds],
                ask.providers,
                terms,
                asked_at,
                chained=ask.refine,
                retry=ask.retry_failed,
            )
        if ask.refine:
            renew_refinement_terms(connection, ask.palettes)
        share_answers(connection, TAGGING)
        close_finished(connection, TAGGING, now)
        stop_refused(connection, TAGGING.name, taggers(ask.providers), now)


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
    prompts = load_palette_prompts(prompt_version)
    refuse_draft(prompts, answers_from)
    models = taggers(panel)
    refused = load_registry().refusals(models, on)
    colours = mean_subject_bytes(connection, TAGGING)

    prompt = prompts["tagging"]
    candidates = [
        Candidate(
            model,
            request_digest(TAGGING.name, answers_from, model, prompt.digest),
            request_usd(model, prompt, colours, measured.get((model.provider, model.id, prompt.digest)), on),
        )
        for model in models
        if model not in refused
    ]
    return plan_waves(connection, prompt_version, candidates, analyses)
