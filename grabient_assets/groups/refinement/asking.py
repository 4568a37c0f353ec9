"""Wanting refinement: who refines, and recording which palettes should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import PromptError
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.refinement.purpose import REFINEMENT, refiner
from grabient_assets.groups.refinement.refined import chained_refinements, open_refiners
from grabient_assets.groups.tagging.ask_terms import tagging_terms
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.ledger.admission import refuse_draft, refuse_other_mode, stop_refused
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, forget_earlier_targets, record_asks, unchain
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.due import close_finished, share_answers
from grabient_assets.ledger.identity import request_digest
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.partitions import by_version
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
                prompts = load_palette_prompts(version)
                refuse_draft(prompts, answers_from)
                keep_wording(connection, prompts["refinement"], asked_at)
                digest = request_digest(REFINEMENT.name, answers_from, model, prompts["refinement"].digest)
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
            stop_refused(connection, REFINEMENT.name, [model], now)
        forget_earlier_targets(connection, REFINEMENT.name, chosen)
        share_answers(connection, REFINEMENT)
        close_finished(connection, REFINEMENT, now)


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


def waiting_for_refinement(connection: DuckDBPyConnection, providers: Sequence[str]) -> list[SubjectVersion]:
    """The completely tagged palettes whose refinement follows by itself and is not asked for yet."""
    tagged = [one.partition for one in complete_tagging(connection, providers) if one.answers]
    return chained_refinements(connection, tagged)


def ask_for_chained(
    warehouse: Warehouse, providers: Sequence[str], answers_from: str, now: datetime
) -> tuple[str, ...]:
    """Ask for the refinement of every completely tagged palette that was to go on by itself.

    A prompt version that cannot be used any more, because its folder is gone or reads otherwise, does not go on: that
    must not keep the others back. Returns a sentence for each.
    """
    with warehouse.read() as connection:
        by_terms = tagging_terms(connection, waiting_for_refinement(connection, providers))
    complaints: list[str] = []
    for terms, partitions in by_terms.items():
        for version, seeds in by_version(partitions).items():
            chosen = [SubjectVersion(version, seed) for seed in seeds]
            try:
                ask_for_refinement(
                    chosen, answers_from, warehouse, now, allow_unpriced=terms.allow_unpriced, cap_id=terms.cap_id
                )
            except PromptError as error:
                with warehouse.write() as connection:
                    unchain(connection, TAGGING.name, chosen)
                complaints.append(f"{counted(len(chosen), 'palette')} not refined. {error}")
    return tuple(complaints)
