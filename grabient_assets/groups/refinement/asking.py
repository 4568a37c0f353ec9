"""Wanting refinement: who refines, and recording which palettes should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.errors import PromptError
from grabient_assets.groups.refinement.purpose import REFINEMENT, refiner
from grabient_assets.groups.refinement.refined import chained_refinements, open_refiners
from grabient_assets.groups.tagging.asking import tagging_terms
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.ledger.admission import stop_refused
from grabient_assets.ledger.asked_progress import FailedAsk
from grabient_assets.ledger.asking import ask_models, begin_asking, take_over
from grabient_assets.ledger.asks import (
    USUAL_TERMS,
    AskTerms,
    SubjectVersion,
    by_version,
    forget_earlier_targets,
    unchain,
)
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
    terms: AskTerms = USUAL_TERMS,
    *,
    retry_failed: bool = False,
) -> None:
    """Record that these palettes should be refined, once their tagging is complete. Nothing is sent here.

    The ask of one that a check keeps back stays open until it does not. What is asked of a refiner that is shut down is
    stopped at once, with the reason.
    """
    with warehouse.write() as connection:
        asked_at = begin_asking(connection, answers_from, now)
        for model, among in _by_refiner(connection, chosen, refiner()).items():
            ask_models(connection, REFINEMENT, among, [model], 1, answers_from, asked_at, terms, retry=retry_failed)
            stop_refused(connection, REFINEMENT.name, [model], now)
        forget_earlier_targets(connection, REFINEMENT.name, chosen)
        take_over(connection, REFINEMENT, now)


def refine_again(warehouse: Warehouse, failed: Sequence[FailedAsk], answers_from: str, now: datetime) -> None:
    """Ask again, on the terms on which each was asked for before, whoever refines now."""
    alike: dict[AskTerms, list[SubjectVersion]] = {}
    for one in failed:
        alike.setdefault(one.terms, []).append(one.partition)
    for terms, palettes in alike.items():
        ask_for_refinement(palettes, answers_from, warehouse, now, terms, retry_failed=True)


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
    for terms, among in by_terms.items():
        for chosen in by_version(among).values():
            try:
                ask_for_refinement(chosen, answers_from, warehouse, now, terms)
            except PromptError as error:
                with warehouse.write() as connection:
                    unchain(connection, TAGGING.name, chosen)
                complaints.append(f"{counted(len(chosen), 'palette')} not refined. {error}")
    return tuple(complaints)
