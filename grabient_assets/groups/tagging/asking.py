"""Wanting tags: recording that they should be asked for, and the terms on which refinement follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.waves import reopen_cancelled, settle_in_full
from grabient_assets.ledger.asked_progress import FailedAsk
from grabient_assets.ledger.asking import ask_models, begin_asking, take_over
from grabient_assets.ledger.asks import AskTarget, AskTerms, SubjectVersion, chosen, named, record_asks, set_terms
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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

    @property
    def terms(self) -> AskTerms:
        """On what terms all of it is asked."""
        return AskTerms(self.refine, self.allow_unpriced, cap_id=self.cap.cap_id if self.cap else None)


def ask_for_tags(ask: TaggingAsk, warehouse: Warehouse, now: datetime) -> None:
    """Record the ask. Nothing is sent here; what exists already is taken over at once and costs nothing.

    What is asked of a model that is shut down is stopped at once, with the reason. Palettes that were tagged wave by
    wave (adaptive.py) are asked in full from now on.
    """
    with warehouse.write() as connection:
        asked_at = begin_asking(connection, ask.answers_from, now, ask.cap)
        ask_models(
            connection,
            TAGGING,
            ask.palettes,
            TAGGING.models(ask.providers),
            ask.analyses,
            ask.answers_from,
            asked_at,
            ask.terms,
            retry=ask.retry_failed,
        )
        settle_in_full(connection, ask.palettes, asked_at)
        end_asking(connection, ask, now)


def end_asking(connection: DuckDBPyConnection, ask: TaggingAsk, now: datetime) -> None:
    """What follows when the ask is recorded, in the same transaction."""
    if ask.refine:
        renew_refinement_terms(connection, ask.palettes)
    take_over(connection, TAGGING, now, TAGGING.models(ask.providers))


def ask_tags_again(warehouse: Warehouse, failed: Sequence[FailedAsk], now: datetime) -> None:
    """Ask again, in one transaction for all, on the terms on which each was asked for before."""
    alike: dict[tuple[str, AskTarget, AskTerms], list[SubjectVersion]] = {}
    for one in failed:
        alike.setdefault((one.partition.prompt_version, one.target, one.terms), []).append(one.partition)
    with warehouse.write() as connection:
        asked_at = ledger_time(connection, now)
        for (_, target, terms), palettes in alike.items():
            # One analysis at least: record_asks keeps the larger number that was asked for before.
            record_asks(connection, TAGGING, palettes, [target], 1, asked_at, terms, retry=True)
            reopen_cancelled(connection, palettes)


# Of several asks about a palette, the cap of the latest; what one of them may be sent at, the refinement may be too.
_TERMS = f"""
    {chosen()},
    terms AS (
        SELECT prompt_version, subject, bool_or(allow_unpriced) AS allow_unpriced,
               arg_max_null(cap_id, asked_at) AS cap_id
        FROM asks SEMI JOIN chosen USING (subject, prompt_version) WHERE purpose = 'tagging' GROUP BY ALL
    )
"""


def tagging_terms(
    connection: DuckDBPyConnection, among: Sequence[SubjectVersion]
) -> dict[AskTerms, list[SubjectVersion]]:
    """The palettes by the terms on which their tagging was asked: of several, those of the latest ask."""
    rows = connection.execute(f"WITH {_TERMS} SELECT * FROM terms ORDER BY ALL", named(among)).fetchall()
    found: dict[AskTerms, list[SubjectVersion]] = {}
    for version, seed, allow_unpriced, cap_id in rows:
        terms = AskTerms(allow_unpriced=allow_unpriced, cap_id=cap_id)
        found.setdefault(terms, []).append(SubjectVersion(version, seed))
    return found


def renew_refinement_terms(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> None:
    """Put the open refinement asks of these palettes on the terms of their tagging, after it was asked for anew.

    What waits under an earlier cap does not wait for it any more, and what was asked without one stays within the new
    one. A permission to refine despite a check stands. `asked_at` does too: nothing else is asked than before.
    """
    terms = f"WITH {_TERMS} SELECT * FROM terms"
    set_terms(connection, "refinement", terms, ("allow_unpriced", "cap_id"), named(among), open_only=True)
