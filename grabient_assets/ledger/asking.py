"""Recording what is asked of models: the steps that every purpose takes, in one transaction. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.admission import refuse_draft, refuse_other_mode, stop_refused
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, by_version, record_asks
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.due import close_finished, share_answers
from grabient_assets.ledger.money import SpendingCap, make_cap
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def begin_asking(
    connection: DuckDBPyConnection, answers_from: str, now: datetime, cap: SpendingCap | None = None
) -> datetime:
    """The time of the ask, with its cap made. Raises SettingsError when the folder holds answers of the other mode."""
    refuse_other_mode(connection, answers_from)
    asked_at = ledger_time(connection, now)
    if cap is not None:
        make_cap(connection, cap, asked_at)
    return asked_at


def ask_models(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    wanted: Sequence[SubjectVersion],
    models: Sequence[Model],
    analyses: int,
    answers_from: str,
    asked_at: datetime,
    terms: AskTerms,
    *,
    retry: bool,
) -> None:
    """Want so many answers of each model about each subject, under the prompts as they read now, which are kept.

    `answers_from` is `emulator` or `live`. Raises PromptError for a draft where only released prompts may be asked.
    """
    for version, subjects in by_version(wanted).items():
        prompts = {prompt.digest: prompt for prompt in (purpose.prompt(version, model) for model in models)}
        for prompt in prompts.values():
            refuse_draft(prompt, answers_from)
            keep_wording(connection, prompt, asked_at)
        targets = [purpose.target(version, model, answers_from) for model in models]
        record_asks(connection, purpose, subjects, targets, analyses, asked_at, terms, retry=retry)


def take_over(connection: DuckDBPyConnection, purpose: Purpose, now: datetime, models: Sequence[Model] = ()) -> None:
    """Give what is asked the answers that exist already, free of charge, and close what lacks nothing then. What is
    open of those of the `models` that are shut down is stopped, with the reason."""
    share_answers(connection, purpose)
    close_finished(connection, purpose, now)
    stop_refused(connection, purpose.name, models, now)
