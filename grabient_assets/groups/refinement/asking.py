"""Wanting refinement: who refines, and recording which palettes should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import SettingsError
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.drafts import refuse_draft
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.one_mode import refuse_other_mode
from grabient_assets.ledger.refined import (
    REFINEMENT,
    close_finished_refinements,
    forget_other_refiners,
    open_refiners,
    share_refinements,
)
from grabient_assets.ledger.shut_down import stop_refused
from grabient_assets.ledger.wordings import keep_wording
from grabient_assets.partitions import by_version
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR, load_settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PURPOSE = "refinement"


def refiner() -> Model:
    """The model that refines: that of GRABIENT_REFINER, else the panel's. Raises SettingsError for one that is none."""
    registry, chosen = load_registry(), load_settings().refiner
    if chosen is None:
        return registry.panel("refiner")[0]
    known = {model.id: model for model in registry.models if "refiner" in model.roles}
    if chosen not in known:
        raise SettingsError(f"GRABIENT_REFINER is {chosen!r}, which refines nothing; choose {' or '.join(known)}.")
    return known[chosen]


def ask_for_refinement(
    chosen: Sequence[SubjectVersion],
    answers_from: str,
    warehouse: Warehouse,
    now: datetime,
    *,
    retry_failed: bool = False,
    allow_unpriced: bool = False,
    despite_checks: bool = False,
    cap_id: str | None = None,
) -> None:
    """Record that these palettes should be refined, once their tagging is complete. Nothing is sent here.

    With `despite_checks`, also those that a check keeps back; without it their ask stays open until it does not. What
    is asked of a refiner that is shut down is stopped at once, with the reason.
    """
    chosen_now = refiner()
    with warehouse.write() as connection:
        refuse_other_mode(connection, answers_from)
        asked_at = ledger_time(connection, now)
        for model, partitions in _by_refiner(connection, chosen, chosen_now).items():
            for version, seeds in by_version(partitions).items():
                prompts = load_prompt_set(PROMPTS_DIR, version)
                refuse_draft(prompts, answers_from)
                keep_wording(connection, prompts.refinement, asked_at)
                digest = request_digest(PURPOSE, answers_from, model, prompts.refinement.digest)
                record_asks(
                    connection,
                    REFINEMENT,
                    [SubjectVersion(version, seed) for seed in seeds],
                    [AskTarget(model.provider, model.id, digest)],
                    1,
                    asked_at,
                    retry=retry_failed,
                    allow_unpriced=allow_unpriced,
                    despite_checks=despite_checks,
                    cap_id=cap_id,
                )
            stop_refused(connection, PURPOSE, [model], now)
        forget_other_refiners(connection, chosen)
        share_refinements(connection)
        close_finished_refinements(connection, now)


def _by_refiner(
    connection: DuckDBPyConnection, chosen: Sequence[SubjectVersion], model: Model
) -> dict[Model, list[SubjectVersion]]:
    """Who refines which palette: what is asked of another refiner already stays with it, as it may be under way."""
    registry = load_registry()
    served = {(one.provider, one.id): one for one in registry.models if "refiner" in one.roles}
    asked = open_refiners(connection, chosen)
    found: dict[Model, list[SubjectVersion]] = {}
    for partition in chosen:
        found.setdefault(served.get(asked.get(partition, ("", "")), model), []).append(partition)
    return found
