"""Asks whose request would no longer be the one that was asked for."""

from __future__ import annotations

from datetime import datetime

from grabient_assets.errors import PromptError, RegistryError
from grabient_assets.ledger.asks import OpenTarget, open_targets, stop_target
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.drafts import refuse_draft
from grabient_assets.ledger.identity import request_digest
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.warehouse.connection import Warehouse


def stop_outdated_asks(purpose: str, connection: Connection, warehouse: Warehouse, now: datetime) -> tuple[str, ...]:
    """Stop what was asked in the other mode, under a prompt that reads otherwise now, or under one that is gone.

    Nothing is sent that nobody asked for: an ask of the emulator must not become a paid request because the mode was
    switched in between. Returns a sentence for each prompt version and model that was stopped.
    """
    reasons: list[str] = []
    with warehouse.write() as database:
        for target in open_targets(database, purpose, connection.provider.name):
            reason = _why_outdated(target, connection.answers_from)
            if reason is not None:
                stop_target(database, target, reason, now)
                reasons.append(reason)
    return tuple(reasons)


def _why_outdated(target: OpenTarget, answers_from: str) -> str | None:
    try:
        prompts = load_prompt_set(PROMPTS_DIR, target.prompt_version)
        refuse_draft(prompts, answers_from)
        model = load_registry().model(target.provider, target.model)
    except PromptError as error:
        return str(error)
    except RegistryError:
        return None  # the submission says so itself, model by model
    prompt = prompts.tagging if target.purpose == "tagging" else prompts.refinement
    if request_digest(target.purpose, answers_from, model, prompt.digest) == target.request_digest:
        return None
    return (
        f"What was asked of {target.model} under {target.prompt_version} was asked in another mode or under another "
        "wording of the prompt, so it was not sent. Ask again: `grabient run`, or materialize the partitions."
    )
