"""Collecting ended tagging batches, and finding the palettes whose tagging is now complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, without_current_consensus
from grabient_assets.groups.tagging.tags import Tagged, complete_tagging
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.groups.tagging.wave_judging import judge_waves
from grabient_assets.groups.tagging.waves import ended_waves
from grabient_assets.ledger.asked_progress import answered_but_open
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Completed:
    """Palettes whose tagging is complete, and the consensus of those with a usable answer."""

    tagged: tuple[Tagged, ...]
    consensus: tuple[ConsensusRecord, ...]


def complete_palettes(
    warehouse: Warehouse,
    providers: Sequence[str],
    clock: Callable[[], datetime],
    among: Sequence[SubjectVersion] | None = None,
) -> Completed:
    """The completely tagged palettes among those named, or all that lack their consensus; it is built for each.

    Before that, palettes whose wave has ended are judged: a palette that goes on to the next one is not complete.
    """
    with warehouse.write() as connection:
        take_over(connection, TAGGING, ledger_time(connection, clock()))
    judge_waves(warehouse, providers, clock, among)
    with warehouse.write() as connection:
        now = ledger_time(connection, clock())
        tagged = complete_tagging(connection, providers, among)
        stale = without_current_consensus(connection, tagged)
    chosen = tagged if among is not None else stale
    records = tally(warehouse, [t.partition for t in chosen if t.answers], now)
    return Completed(tuple(chosen), tuple(records))


def palettes_to_complete(warehouse: Warehouse, providers: Sequence[str]) -> list[SubjectVersion]:
    """Palettes whose tagging is complete, or would be if its asks were closed, and whose consensus is missing or out of
    date; and those whose wave has ended and is not judged yet. A process that is killed between storing the last answer
    and closing the asks leaves such."""
    with warehouse.read() as connection:
        stale = without_current_consensus(connection, complete_tagging(connection, providers))
        ended = ended_waves(connection, providers)
        found = [
            *(t.partition for t in stale),
            *answered_but_open(connection, TAGGING),
            *(one.partition for one in ended),
        ]
        return list(dict.fromkeys(found))


def palettes_without_answer(connection: DuckDBPyConnection, providers: Sequence[str]) -> list[Tagged]:
    """Palettes whose tagging is complete, and not one answer can be used."""
    return [t for t in complete_tagging(connection, providers) if not t.answers]
