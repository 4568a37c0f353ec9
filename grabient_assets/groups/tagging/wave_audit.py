"""The audit of wave one: how many values of certain palettes turn when the other models are asked.

Agreement among the models of wave one does not reveal errors that all of them share. So a part of the certain palettes,
the same ones every time, goes on to the next wave as if it were uncertain. Where too many values of a field turn, wave
one is rejected for it, and no palette is certain by it (docs/consensus.md). The table wave_audits holds these palettes,
and the later state of their values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.ledger.asks import SubjectVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIELDS = tuple(CATEGORICAL_VALUES)
"""The fields whose values the lists of a row hold, in this order."""

PENDING = """
    EXISTS (SELECT 1 FROM wave_audits a JOIN tagging_waves t USING (seed, prompt_version)
            WHERE a.plan_id = w.plan_id AND a.ended_at IS NULL AND t.plan_id = a.plan_id AND t.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM budget_holds h WHERE h.purpose = 'tagging' AND h.prompt_version = w.prompt_version)
"""
"""Whether an audit of the plan of `w` is under way. While money keeps tagging back nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The answers about a palette until now: the number of models, and the strongest value of each of FIELDS."""

    voices: int
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class AuditCount:
    """How many values of a field were looked at again under a plan, and how many turned."""

    prompt_version: str
    plan_id: str
    field: str
    values: int
    turned: int


@dataclass(frozen=True, slots=True)
class PaletteAudit:
    """One palette: its values when it was certain, and after the next wave; None while that is under way, empty when no
    other model answered."""

    certain_of: tuple[str | None, ...]
    ended_as: tuple[str | None, ...] | None


def begin_audits(
    connection: DuckDBPyConnection, chosen: Mapping[SubjectVersion, tuple[str, Tally]], now: datetime
) -> None:
    """Record these palettes, each with its plan and its tally. A palette that is audited again starts anew."""
    rows = [[p.subject, p.prompt_version, plan, one.voices, list(one.values), now] for p, (plan, one) in chosen.items()]
    if rows:
        connection.executemany(
            "INSERT OR REPLACE INTO wave_audits"
            " (seed, prompt_version, plan_id, voices, certain_of, chosen_at, ended_as, ended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",  # DuckDB leaves columns that are not named as they were
            rows,
        )


def end_audits(connection: DuckDBPyConnection, tallies: Mapping[SubjectVersion, Tally], now: datetime) -> None:
    """Record the values of these palettes after the next wave. The list is empty when no other model answered."""
    rows = [[one.voices, list(one.values), now, p.subject, p.prompt_version] for p, one in tallies.items()]
    if rows:
        connection.executemany(
            "UPDATE wave_audits SET ended_as = CASE WHEN ? > voices THEN ?::VARCHAR[] ELSE [] END, ended_at = ?"
            " WHERE seed = ? AND prompt_version = ? AND ended_at IS NULL",
            rows,
        )


def audit_counts(connection: DuckDBPyConnection, prompt_version: str | None = None) -> list[AuditCount]:
    """Per plan and field, of one prompt version or all: what was looked at, in the order of FIELDS."""
    rows = connection.execute(
        """
        WITH one AS (
            SELECT prompt_version, plan_id, unnest($fields::VARCHAR[]) AS field, unnest(certain_of) AS before,
                   unnest(ended_as) AS after
            FROM wave_audits WHERE len(ended_as) > 0 AND ($version IS NULL OR prompt_version = $version)
        )
        SELECT prompt_version, plan_id, field, count(*) FILTER (before IS NOT NULL AND after IS NOT NULL),
               count(*) FILTER (before <> after)
        FROM one GROUP BY ALL
        """,
        {"fields": list(FIELDS), "version": prompt_version},
    ).fetchall()
    return sorted(
        (AuditCount(*row) for row in rows), key=lambda one: (one.prompt_version, one.plan_id, FIELDS.index(one.field))
    )


def plans_under_audit(connection: DuckDBPyConnection, plan_ids: Sequence[str]) -> dict[str, int]:
    """Those of the plans whose audit is under way, each with the number of its palettes that are awaited."""
    rows = connection.execute(
        f"""
        SELECT w.plan_id, count(*)
        FROM wave_plans w JOIN wave_audits b USING (plan_id) JOIN tagging_waves o
            ON o.seed = b.seed AND o.prompt_version = b.prompt_version AND o.plan_id = b.plan_id
        WHERE list_contains($plans::VARCHAR[], w.plan_id) AND b.ended_at IS NULL AND o.state = 'open' AND {PENDING}
        GROUP BY ALL
        """,
        {"plans": list(plan_ids)},
    ).fetchall()
    return dict(rows)


AUDITED = 0.10
"""The part of the palettes that are certain after wave one and go on anyway. Less finds too late that wave one errs:
of 200 certain palettes 20 are looked at. It costs a tenth of what the first wave saves."""

FEWEST_AUDITED = 10
"""The least number of audited palettes from which wave one can be rejected. Certain palettes wait for as many, and for
no more."""

TURNED_AT_MOST = 0.02
"""Wave one is rejected for a field when the whole 95 % interval of the share of values that turn lies above it.
CERTAIN promises 1 % at most; of 20 palettes two must turn. Where 0.5 % turn that happens once in 200 audits."""


@dataclass(frozen=True, slots=True)
class AuditFigure:
    """How many of so many values turned, with the 95 % interval of their share (Wilson). `field` None: all fields."""

    prompt_version: str
    plan_id: str
    field: str | None
    values: int
    turned: int
    share: float
    low: float
    high: float

    @property
    def too_many(self) -> bool:
        """Whether so many turned that wave one is rejected."""
        return self.low > TURNED_AT_MOST

    @property
    def words(self) -> str:
        """As "3 of 72 values turned (4.2 %, 95 %: 1.4 to 11.5 %)"."""
        interval = f"{self.share:.1%}, 95 %: {100 * self.low:.1f} to {100 * self.high:.1f} %"
        return f"{self.turned} of {self.values} values turned ({interval.replace('%,', ' %,')})"


def is_audited(palette: SubjectVersion) -> bool:
    """Whether this palette is asked on although it is certain: the same answer every time, no dice."""
    identity = f"audit\n{palette.prompt_version}\n{palette.subject}"
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") < AUDITED * 2**64


def audit_figures(counts: Sequence[AuditCount]) -> list[AuditFigure]:
    """Per plan a figure of all its fields, then one of each."""
    import numpy as np  # late: tallying.py says why

    from grabient_assets.consensus.gold import wilson

    found: list[AuditFigure] = []
    for version, plan in dict.fromkeys((one.prompt_version, one.plan_id) for one in counts):
        fields = [one for one in counts if (one.prompt_version, one.plan_id) == (version, plan)]
        whole = (None, sum(one.values for one in fields), sum(one.turned for one in fields))
        for field, values, turned in (whole, *((one.field, one.values, one.turned) for one in fields)):
            rates = wilson(np.asarray([turned]), np.asarray([values]))
            cells = (float(rates.value[0]), float(rates.low[0]), float(rates.high[0])) if values else (0.0, 0.0, 1.0)
            found.append(AuditFigure(version, plan, field, values, turned, *cells))
    return found


def failing_plans(figures: Iterable[AuditFigure]) -> dict[str, list[str]]:
    """Plans whose wave one is rejected, each with the fields in which too many values turned, "all fields together"
    when no single field has too many. From FEWEST_AUDITED palettes on."""
    found: dict[str, list[str]] = {}
    for one in figures:
        palettes = one.values / len(FIELDS) if one.field is None else one.values
        if palettes >= FEWEST_AUDITED and one.too_many:
            found.setdefault(one.plan_id, []).append(one.field or "all fields together")
    return {plan: fields[1:] or fields for plan, fields in found.items()}


def worth_waiting(figures: Iterable[AuditFigure], awaited: Mapping[str, int]) -> set[str]:
    """Plans of which certain palettes wait: so many audited ones are `awaited` that wave one can be judged by them, and
    not yet by those before."""
    known = {one.plan_id: one.values // len(FIELDS) for one in figures if one.field is None}
    return {plan for plan, more in awaited.items() if known.get(plan, 0) < FEWEST_AUDITED <= known.get(plan, 0) + more}


def audit_sentences(counts: Sequence[AuditCount]) -> list[str]:
    """What a person reads of the audits, one sentence a plan; nothing where none has ended."""
    figures = audit_figures(counts)
    lost = failing_plans(figures)
    sentences: list[str] = []
    for one in (figure for figure in figures if figure.field is None):
        palettes = max(count.values for count in counts if count.plan_id == one.plan_id)
        sentence = f"Audit of wave one ({one.prompt_version}): {palettes} certain palettes were asked about again, "
        sentence += f"{one.words}."
        if one.plan_id in lost:
            sentence += f" Too many in {', '.join(lost[one.plan_id])}: no palette is called certain after wave one now."
        elif palettes < FEWEST_AUDITED:
            sentence += f" From {FEWEST_AUDITED} palettes on it is judged."
        sentences.append(sentence)
    return sentences


def palette_audit_words(audit: PaletteAudit) -> str:
    """What became of one palette's values, without a full stop."""
    opening = "It was certain after wave one and was asked on for the audit"
    if audit.ended_as is None:
        return f"{opening}, which is under way"
    if not audit.ended_as:
        return f"{opening}, but nobody else spoke"
    pairs = zip(FIELDS, audit.certain_of, audit.ended_as, strict=True)
    turned = [
        f"{field} from {before} to {after}" for field, before, after in pairs if before and after and before != after
    ]
    return f"{opening}: {', '.join(turned)} turned" if turned else f"{opening}: none of its values turned"
