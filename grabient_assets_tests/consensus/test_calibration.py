"""Whether claimed probabilities come true."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.calibration import calibration, tag_calibration


def test_scores_by_hand() -> None:
    posterior = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
    found = calibration(posterior, np.array([0, 1, 1, -1]))
    assert found.judged == 3
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.brier == pytest.approx((2 * 0.01 + 2 * 0.36 + 2 * 0.04) / 3)
    # Bins 0.6, 0.8 and 0.9 hold one each.
    assert found.expected_error == pytest.approx((0.6 + 0.2 + 0.1) / 3)
    assert found.reliability.count.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 1, 1]


def test_true_probabilities_are_calibrated_and_boasting_is_not() -> None:
    random = np.random.default_rng(0)
    claims = random.random(50_000)
    truth = (random.random(50_000) < claims).astype(int)
    honest = tag_calibration(claims, truth)
    boasting = tag_calibration(np.where(claims > 0.5, 0.99, 0.01), truth)
    assert honest.expected_error is not None
    assert boasting.expected_error is not None
    assert honest.brier is not None
    assert boasting.brier is not None
    assert honest.expected_error < 0.01 < 0.2 < boasting.expected_error
    assert honest.brier == pytest.approx(1 / 6, abs=0.005)
    assert boasting.brier > honest.brier
    bins = honest.reliability
    assert bins.count.sum() == 50_000
    assert ((bins.correct.low <= bins.confidence) & (bins.confidence <= bins.correct.high)).mean() >= 0.8


def test_certain_and_wrong_is_the_worst() -> None:
    assert calibration(np.array([[1.0, 0.0]]), np.array([1])).brier == 2
    assert tag_calibration(np.array([1.0]), np.array([0])).brier == 1


def test_a_claim_of_one_is_in_the_last_bin() -> None:
    assert tag_calibration(np.array([1.0, 0.0]), np.array([1, 0])).reliability.count[[0, -1]].tolist() == [1, 1]


def test_nothing_to_judge() -> None:
    found = calibration(np.array([[np.nan, np.nan], [0.5, 0.5]]), np.array([0, -1]))
    assert (found.judged, found.brier, found.expected_error) == (0, None, None)
    assert np.isnan(found.reliability.confidence).all()
    assert tag_calibration(np.zeros(0), np.zeros(0, dtype=int)).accuracy is None
