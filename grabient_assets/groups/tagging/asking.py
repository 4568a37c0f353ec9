"""Wanting tags: which models would be asked, and recording that they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.tagging.ask_terms import renew_refinement_terms
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.waves import settle_in_full
from grabient_assets.ledger.admission import refuse_draft, refuse_other_mode, stop_refused
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.due import close_finished, share_answers
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.money import SpendingCap, make_cap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.partitions import by_version
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.connection import Warehouse


def taggers(providers: Sequence[str]) -> list[Model]:
    """The panel's models at these providers."""
    return [model for model in load_registry().panel("tagger") if model.provider in providers]


@dataclass(frozen=True, slots=True)
class TaggingAsk:
    """What a person or a run wants: these palettes, tagged so many times by every panel model of these providers.

    `answers_from` is `emulator` or `live`. With `refine`, refinement follows by itself, on the terms of this wish also
    where it was asked for before and waits. With `retry_failed`, answers that could not be used are asked again;
    otherwise they count as answered. With `allow_unpriced`, it is sent although its batch price is not known. With a
    `cap`, no more is spent on it, refinement included; asks under one cap share it.
    """

    palettes: Sequence[SubjectVersion]
    providers: Sequence[str]
    analyses: int
    answers_from: str
    refine: bool = True
    retry_failed: bool = False
    allow_unpriced: bool = False
    cap: SpendingCap | None = None


def ask_for_tags(ask: TaggingAsk, warehouse: Warehouse, now: datetime) -> None:
    """Record the ask. Nothing is sent here; what exists already is taken over at once and costs nothing.

    What is asked of a model that is shut down is stopped at once, with the reason. Palettes that were tagged wave by
    wave (adaptive.py) are asked in full from now on.
    """
    models = taggers(ask.providers)
    with warehouse.write() as connection:
        refuse_other_mode(connection, ask.answers_from)
        asked_at = ledger_time(connection, now)
        if ask.cap is not None:
            make_cap(connection, ask.cap, asked_at)
        for version, seeds in by_version(ask.palettes).items():
            prompts = load_palette_prompts(version)
            refuse_draft(prompts, ask.answers_from)
            keep_wording(connection, prompts["tagging"], asked_at)
            record_asks(
                connection,
                TAGGING,
                [SubjectVersion(version, seed) for seed in seeds],
                [
                    AskTarget(
                        m.provider, m.id, request_digest(TAGGING.name, ask.answers_from, m, prompts["tagging"].digest)
                    )
                    for m in models
                ],
                ask.analyses,
                asked_at,
                retry=ask.retry_failed,
                chained=ask.refine,
                allow_unpriced=ask.allow_unpriced,
                cap_id=ask.cap.cap_id if ask.cap else None,
            )
        if ask.refine:
            renew_refinement_terms(connection, ask.palettes)
        settle_in_full(connection, ask.palettes, asked_at)
        share_answers(connection, TAGGING)
        close_finished(connection, TAGGING, now)
        stop_refused(connection, TAGGING.name, models, now)
