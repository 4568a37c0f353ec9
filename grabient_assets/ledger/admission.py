"""Admission: the rules for what may be asked and sent. No draft goes to a real model, a data folder holds the answers
of one mode, no model that is shut down is asked, and no request is sent whose text has changed since it was asked
for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import PromptError, RegistryError, SettingsError
from grabient_assets.ledger.asks import OpenTarget, open_targets, stop_asks, stop_target
from grabient_assets.ledger.batches import modes_sent_in
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.prompting.prompt import Prompt, PromptSet
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def refuse_draft(prompts: PromptSet | Prompt, answers_from: str) -> None:
    """Raise PromptError when real models would be asked with a prompt that may still change.

    An answer that was paid for must be traceable to its text for ever, by the name of the version.
    """
    if answers_from != "emulator" and not prompts.released:
        version = prompts.version
        raise PromptError(
            f"Prompt version {version} is a draft, and drafts run only against the emulator. Release it first: "
            f"`grabient prompts release {version}`. From then on it cannot be changed."
        )


def refuse_other_mode(connection: DuckDBPyConnection, answers_from: str) -> None:
    """Raise SettingsError when batches were sent from this folder in the other mode.

    Emulated answers would otherwise vote beside real ones, or replace answers that were paid for.
    """
    others = modes_sent_in(connection) - {answers_from}
    if others:
        other = others.pop()
        raise SettingsError(
            f"This data folder holds answers from {other} mode, and {answers_from} answers must not mix with them. "
            f"Set GRABIENT_DATA_DIR to another folder, such as .grabient-{answers_from}, and load the palettes there."
        )


def stop_refused(connection: DuckDBPyConnection, purpose: str, models: Sequence[Model], now: datetime) -> None:
    """Stop the open asks of models that are shut down, or not released yet; the reason names a replacement."""
    for model, reason in load_registry().refusals(models, now.date()).items():
        stop_asks(connection, purpose, model.provider, model.id, reason, now)


def stop_outdated_asks(
    purpose: Purpose, connection: Connection, warehouse: Warehouse, now: datetime
) -> tuple[str, ...]:
    """Stop open asks of the other mode, of a prompt whose text has changed, and of a prompt that is gone.

    An ask of the emulator must not become a paid request because the mode was switched. Returns a sentence for each
    prompt version and model that was stopped.
    """
    reasons: list[str] = []
    with warehouse.write() as database:
        for target in open_targets(database, purpose.name, connection.provider.name):
            reason = _why_outdated(purpose, target, connection.answers_from)
            if reason is not None:
                stop_target(database, target, reason, now)
                reasons.append(reason)
    return tuple(reasons)


def _why_outdated(purpose: Purpose, target: OpenTarget, answers_from: str) -> str | None:
    try:
        model = load_registry().model(target.provider, target.model)
        prompt = purpose.prompt(target.prompt_version, model)
        refuse_draft(prompt, answers_from)
    except PromptError as error:
        return str(error)
    except RegistryError:
        return None  # the submission reports this itself, model by model
    if request_digest(purpose.name, answers_from, model, prompt.digest) == target.request_digest:
        return None
    return (
        f"What was asked of {target.model} under {target.prompt_version} was asked in another mode or under another "
        "wording of the prompt, so it was not sent. Ask again: `grabient run`, or materialize the partitions."
    )
