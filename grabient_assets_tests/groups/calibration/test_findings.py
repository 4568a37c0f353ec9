"""A report at its thresholds: a fall and an agreement that lie on them pass, beyond them they fail and are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from grabient_assets.consensus.gold import wilson
from grabient_assets.groups.calibration.findings import earlier_version, in_order, lost_accuracy, low_agreement
from grabient_assets.groups.tagging.model_reports import FieldReport, ModelReport, PanelReport, Report
from grabient_assets.thresholds import ACCURACY_FALL, AGREEMENT, TAG_AGREEMENT

AT = datetime(2026, 11, 20, tzinfo=UTC)


def rate(version: str, right: int, of: int, model: str = "m", field: str = "contrast") -> ModelReport:
    found = wilson(np.array([right]), np.array([of]))
    accuracy = [float(part[0]) for part in (found.value, found.low, found.high)]
    return ModelReport(version, "groq", model, field, of, of, 0, of, *accuracy, *[None] * 7, AT)  # pyright: ignore


def report(version: str, models: tuple[ModelReport, ...] = (), fields: tuple[FieldReport, ...] = ()) -> Report:
    return Report(
        models, fields, PanelReport(version, 1, "[]", "[]", 1.0, 1.0, 1.0, 0, None, Decimal(0), None, "[]", "", AT)
    )


def agreement(high: float | None, field: str = "contrast", palettes: int = 20) -> FieldReport:
    alpha = None if high is None else high - 0.05
    low = None if high is None else high - 0.1
    return FieldReport("v1", field, palettes, alpha, low, high, None if high else "one value only", 0.1, AT)


def test_a_fall_of_five_points_passes_however_sure_and_a_larger_one_does_not() -> None:
    assert ACCURACY_FALL.limit == 0.05
    before = report("v1", (rate("v1", 9_500, 10_000),))
    assert lost_accuracy(report("v2", (rate("v2", 9_000, 10_000),)), before).found == 0
    found = lost_accuracy(report("v2", (rate("v2", 8_999, 10_000),)), before)
    assert found.found == 1 and found.threshold == 0.05
    assert found.examples == [
        "groq m, contrast: 90% (89-91) of 10000 under v2, 95% (95-95) of 10000 under v1.",
    ]
    assert found.figures["largest fall"] == pytest.approx(0.0501) and found.figures["comparisons"] == 1
    assert found.notes == {"compared with": "v2 with v1"}
    assert found.table.splitlines()[2:] == [r"| groq m | contrast | 95% \(95-95\) | 90% \(89-91\) | -5.0 fell |"]


def test_a_fall_within_the_noise_passes() -> None:
    """Of 30: 29 right has 83.3-99.4 %, 21 has 52.1-83.3 % and 20 has 48.8-80.8 %."""
    before = report("v1", (rate("v1", 29, 30),))
    assert lost_accuracy(report("v2", (rate("v2", 21, 30),)), before).found == 0
    assert lost_accuracy(report("v2", (rate("v2", 20, 30),)), before).found == 1


def test_what_rose_or_was_measured_once_is_no_fall() -> None:
    before = report("v1", (rate("v1", 50, 100), rate("v1", 99, 100, "left")))
    unmeasured = replace(rate("v2", 1, 100, field="mood"), accuracy=None, accuracy_low=None, accuracy_high=None)
    now = report("v2", (rate("v2", 99, 100), rate("v2", 1, 100, "new"), unmeasured))
    found = lost_accuracy(now, before)
    assert found.found == 0 and found.figures == {"largest fall": pytest.approx(-0.49), "comparisons": 1}
    assert lost_accuracy(now, None).notes == {"compared with": "nothing: no version before v2 has a report"}


def test_a_version_is_compared_with_the_last_released_one_before_it() -> None:
    versions = in_order(["v10", "v2", "gone", "v1"], ["v1", "v2", "v10", "v11"])
    assert versions == ["gone", "v1", "v2", "v10"]
    assert earlier_version("v10", versions, {"v1"}) == "v1"
    assert earlier_version("v10", versions, {"v1", "v2", "v10"}) == "v2"
    assert earlier_version("v10", versions, ()) == "v2"
    assert earlier_version("gone", versions, {"v1"}) is None


@pytest.mark.parametrize(("field", "floor"), [("contrast", 0.667), ("mood", 0.10)])
def test_agreement_on_its_floor_passes_and_below_it_fails(field: str, floor: float) -> None:
    assert {AGREEMENT.limit, TAG_AGREEMENT.limit} >= {floor}
    assert low_agreement(report("v1", fields=(agreement(floor, field),))).found == 0
    found = low_agreement(report("v1", fields=(agreement(floor - 0.001, field), agreement(0.9, "brightness"))))
    assert found.found == 1
    (said,) = found.examples
    assert said.startswith(f"{field} under v1: alpha ") and said.endswith(f"of 20 palettes, the floor is {floor}.")
    assert found.figures[f"alpha of {field}"] == pytest.approx(floor - 0.051)
    assert found.threshold == 0.667 and found.figures["threshold of tag fields"] == 0.10


def test_few_palettes_and_fields_without_alpha_are_not_judged() -> None:
    assert low_agreement(report("v1", fields=(agreement(0.1, palettes=19), agreement(None, "brightness")))).found == 0
    assert low_agreement(report("v1", fields=(agreement(0.1, palettes=20),))).found == 1
