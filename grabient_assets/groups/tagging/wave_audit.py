"""The audit of wave one: how many values of palettes that were certain turn when everybody else is asked.

What models of wave one share on palettes of unknown answer no agreement among them shows. So a part of the certain
palettes, the same ones every time, goes on to the next wave as if it were uncertain. Where too many values of a field
turn, wave one is not believed in it any more, and no palette is certain by it (docs/consensus.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.gold import wilson
from grabient_assets.groups.tagging.wave_numbers import AUDITED, FEWEST_AUDITED, TURNED_AT_MOST
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.wave_audits import FIELDS, AuditCount, PaletteAudit


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
        """Whether so many turned that wave one is not believed."""
        return self.low > TURNED_AT_MOST

    @property
    def words(self) -> str:
        """As "3 of 72 values turned (4.2 %, 95 %: 1.4 to 11.5 %)"."""
        interval = f"{self.share:.1%}, 95 %: {100 * self.low:.1f} to {100 * self.high:.1f} %"
        return f"{self.turned} of {self.values} values turned ({interval.replace('%,', ' %,')})"


def is_audited(palette: SubjectVersion) -> bool:
    """Whether this palette is asked on although it is certain: the same answer every time, no dice."""
    said = f"audit\n{palette.prompt_version}\n{palette.subject}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big") < AUDITED * 2**64


def audit_figures(counts: Sequence[AuditCount]) -> list[AuditFigure]:
    """Per plan a figure of all its fields, then one of each."""
    found: list[AuditFigure] = []
    for version, plan in dict.fromkeys((one.prompt_version, one.plan_id) for one in counts):
        fields = [one for one in counts if (one.prompt_version, one.plan_id) == (version, plan)]
        whole = (None, sum(one.values for one in fields), sum(one.turned for one in fields))
        for field, values, turned in (whole, *((one.field, one.values, one.turned) for one in fields)):
            rates = wilson(np.asarray([turned]), np.asarray([values]))
            cells = (float(rates.value[0]), float(rates.low[0]), float(rates.high[0])) if values else (0.0, 0.0, 1.0)
            found.append(AuditFigure(version, plan, field, values, turned, *cells))
    return found


def unbelieved(figures: Iterable[AuditFigure]) -> dict[str, list[str]]:
    """Plans whose wave one is not believed any more, each with the fields in which too many values turned, "all fields
    together" where no single one says so. From FEWEST_AUDITED palettes on."""
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
    lost = unbelieved(figures)
    said: list[str] = []
    for one in (figure for figure in figures if figure.field is None):
        palettes = max(count.values for count in counts if count.plan_id == one.plan_id)
        sentence = f"Audit of wave one ({one.prompt_version}): {palettes} certain palettes were asked about again, "
        sentence += f"{one.words}."
        if one.plan_id in lost:
            sentence += f" Too many in {', '.join(lost[one.plan_id])}: no palette is called certain after wave one now."
        elif palettes < FEWEST_AUDITED:
            sentence += f" From {FEWEST_AUDITED} palettes on it is judged."
        said.append(sentence)
    return said


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
