"""On what terms refinement goes out: those on which the tags it reads were asked for last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion, chosen, named, set_terms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class AskTerms:
    """On what terms something was asked: at an unknown price too, and under which cap."""

    allow_unpriced: bool
    cap_id: str | None


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
        found.setdefault(AskTerms(allow_unpriced, cap_id), []).append(SubjectVersion(version, seed))
    return found


def renew_refinement_terms(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> None:
    """Put the open refinement asks of these palettes on the terms of their tagging, after it was asked for anew.

    What waits under an earlier cap does not wait for it any more, and what was asked without one stays within the new
    one. A permission to refine despite a check stands. `asked_at` does too: nothing else is asked than before.
    """
    terms = f"WITH {_TERMS} SELECT * FROM terms"
    set_terms(connection, "refinement", terms, ("allow_unpriced", "cap_id"), named(among), open_only=True)
