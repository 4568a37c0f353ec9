"""A report against its thresholds: models that got worse, and fields in which the models do not agree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.calibration.figures import alpha, percent
from grabient_assets.groups.markdown import table
from grabient_assets.groups.tagging.model_reports import FieldReport, ModelReport, Report
from grabient_assets.thresholds import ACCURACY_FALL, AGREEMENT, TAG_AGREEMENT, Finding, Threshold

_NOISE = 1e-9
"""Of subtracted shares: 0.95 - 0.90 is a hair more than 0.05."""


def in_order(reported: Sequence[str], known: Sequence[str]) -> list[str]:
    """The reported versions in the order of the `known` ones; those whose folder is gone come first."""
    return sorted(reported, key=lambda version: (known.index(version) if version in known else -1, version))


def earlier_version(version: str, versions: Sequence[str], released: Collection[str]) -> str | None:
    """With which of the reported `versions` (in order) this one is compared: the last released one before it, or the
    last one where none of them is released."""
    before = versions[: versions.index(version)]
    return next((one for one in reversed(before) if one in released), before[-1] if before else None)


@dataclass(frozen=True, slots=True)
class _Change:
    """A model's accuracy in a field, measured under both versions."""

    before: ModelReport
    now: ModelReport

    @property
    def points(self) -> float:
        """What was lost, 0 to 1; below 0 it was won."""
        return (self.before.accuracy or 0.0) - (self.now.accuracy or 0.0)

    @property
    def fell(self) -> bool:
        """Whether it fell by more than the threshold and the intervals lie apart."""
        low, high = self.before.accuracy_low, self.now.accuracy_high
        return low is not None and high is not None and high < low and self.points > ACCURACY_FALL.limit + _NOISE

    @property
    def sentence(self) -> str:
        """The model, the field and both figures."""
        now, before = self.now, self.before
        return (
            f"{now.provider} {now.model}, {now.field}: {_rate(now)} of {now.gold} under {now.prompt_version}, "
            f"{_rate(before)} of {before.gold} under {before.prompt_version}."
        )


def lost_accuracy(report: Report, before: Report | None) -> Finding:
    """Models that name a computed fact less often than under the earlier version."""
    if before is None:
        note = f"nothing: no version before {report.panel.prompt_version} has a report"
        return Finding(0, ACCURACY_FALL.limit, notes={"compared with": note})
    changes = sorted(_changes(report, before), key=lambda one: (-one.points, one.now.model, one.now.field))
    fallen = [one for one in changes if one.fell]
    return Finding(
        len(fallen),
        ACCURACY_FALL.limit,
        [one.sentence for one in fallen],
        figures={"largest fall": max((one.points for one in changes), default=0.0), "comparisons": len(changes)},
        notes={"compared with": f"{report.panel.prompt_version} with {before.panel.prompt_version}"},
        table=table(
            ("model", "field", before.panel.prompt_version, report.panel.prompt_version, "points"),
            [
                (
                    f"{one.now.provider} {one.now.model}",
                    one.now.field,
                    _rate(one.before),
                    _rate(one.now),
                    f"{-100 * one.points:+.1f}" + (" fell" if one.fell else ""),
                )
                for one in changes
            ],
        ),
    )


def low_agreement(report: Report) -> Finding:
    """Fields whose alpha lies below its floor with its whole interval, from enough palettes."""
    apart = [one for one in report.fields if _surely_below(one, _floor(one.field))]
    return Finding(
        len(apart),
        AGREEMENT.limit,
        [
            f"{one.field} under {one.prompt_version}: alpha {alpha(one)} of {one.palettes} palettes, the floor is "
            f"{_floor(one.field).limit}."
            for one in apart
        ],
        figures={
            "threshold of tag fields": TAG_AGREEMENT.limit,
            **{f"alpha of {one.field}": one.alpha for one in report.fields if one.alpha is not None},
        },
        notes={"prompt version": report.panel.prompt_version},
        table=table(
            ("field", "Krippendorff's alpha", "floor", "palettes"),
            [(one.field, alpha(one), f"{_floor(one.field).limit}", f"{one.palettes}") for one in report.fields],
        ),
    )


def _changes(report: Report, before: Report) -> Iterator[_Change]:
    earlier = {(one.provider, one.model, one.field): one for one in before.models if one.accuracy is not None}
    for one in report.models:
        known = earlier.get((one.provider, one.model, one.field))
        if known is not None and one.accuracy is not None:
            yield _Change(known, one)


def _rate(row: ModelReport) -> str:
    return percent(row.accuracy, row.accuracy_low, row.accuracy_high)


def _surely_below(row: FieldReport, floor: Threshold) -> bool:
    return row.palettes >= floor.cases and row.alpha_high is not None and row.alpha_high < floor.limit


def _floor(field: str) -> Threshold:
    return AGREEMENT if field in CATEGORICAL_VALUES else TAG_AGREEMENT
