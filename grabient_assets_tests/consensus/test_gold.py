"""Gold: skill with the intervals of Wilson, and whether claimed probabilities come true."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.dawid_skene import tag_gold
from grabient_assets.consensus.gold import (
    AMBIGUOUS,
    UNKNOWN,
    blank_answers,
    calibration,
    errors_on_gold,
    macro_average,
    measure_skill,
    measure_tag_skill,
    tag_calibration,
    wilson,
)
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns, said, tagged


def test_wilsons_interval_on_published_figures() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (score): four of his cases."""
    found = wilson(np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29]))
    assert found.low == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert found.high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


def test_no_trials_have_no_rate() -> None:
    found = wilson(np.array([0.0, 2.0]), np.array([0.0, 2.0]))
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()
    assert (found.value[1], found.high[1]) == (1.0, 1.0)


def test_confusion_sensitivity_and_specificity() -> None:
    annotations = columns([0, 0, 1, 1, 2], [0, 1, 1, None, 0], values=3)
    found = measure_skill(annotations, np.array([0, 1, 1, 0, UNKNOWN]))
    assert found.confusion[0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.confusion[1].tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 0]]
    assert found.accuracy.value.tolist() == [0.5, 1.0]
    assert found.accuracy.trials.tolist() == [4, 3]
    assert found.sensitivity.value[0, :2].tolist() == [0.5, 0.5]
    assert np.isnan(found.sensitivity.value[0, 2])
    assert found.specificity.value[0].tolist() == [0.5, 0.5, 1.0]
    # The second was not asked about one of the two zeros, which is no blank.
    assert found.sensitivity.value[1, :2].tolist() == [1.0, 1.0]
    assert found.sensitivity.trials[1].tolist() == [1, 2, 0]


def test_blanks_are_no_mistakes_but_misses() -> None:
    """Right on 5 palettes and blank on 95."""
    blank = said({(item, 0): [0 if item < 5 else None] for item in range(100)}, values=3)
    found = measure_skill(blank, np.zeros(100, dtype=np.int64))
    assert (found.accuracy.value[0], found.accuracy.trials[0]) == (1.0, 5)
    assert (found.sensitivity.value[0, 0], found.sensitivity.trials[0, 0]) == (0.05, 100)
    assert blank_answers(blank).tolist() == [95]
    assert blank_answers(columns([0] * 5 + [None] * 95, values=3)).tolist() == [0], "not asked"


def test_half_an_answer_is_half_a_miss() -> None:
    """Two answers, one of them blank: named rightly, and found once of twice."""
    found = measure_skill(said({(0, 0): [0, None], (1, 0): [1, 1]}, values=2), np.array([0, 1]))
    assert found.accuracy.value.tolist() == [1.0]
    assert found.sensitivity.value[0].tolist() == [0.5, 1.0]


def test_the_mean_of_the_values_and_its_interval() -> None:
    """0.9 of 100 and 0.5 of 10, one value never tried. Wilson: 0.8256-0.9448 and 0.2366-0.7634; the mean is 0.7, down
    by sqrt(0.0744^2 + 0.2634^2) / 2, up by sqrt(0.0448^2 + 0.2634^2) / 2."""
    found = macro_average(wilson(np.array([[90.0, 5.0, 0.0]]), np.array([[100.0, 10.0, 0.0]])))
    assert (found.value[0], found.trials[0]) == (pytest.approx(0.7), 110)
    assert (found.low[0], found.high[0]) == (pytest.approx(0.5632, abs=1e-4), pytest.approx(0.8336, abs=1e-4))
    assert np.isnan(macro_average(wilson(np.zeros((1, 3)), np.zeros((1, 3)))).value).all()


def test_the_interval_of_the_mean_holds_it() -> None:
    """1,000 draws: 0.97, 0.8 and 0.3 right of 60, 20 and 15."""
    random, shares, trials = np.random.default_rng(1), np.array([0.97, 0.8, 0.3]), np.array([60, 20, 15])
    hits = random.binomial(trials, shares, size=(1000, 3))
    found = macro_average(wilson(hits, np.broadcast_to(trials, hits.shape)))
    assert 0.93 < ((found.low <= shares.mean()) & (shares.mean() <= found.high)).mean() < 0.98


def test_right_in_one_of_two_answers_is_half_right_and_one_item() -> None:
    found = measure_skill(said({(0, 0): [0, 1], (1, 0): [1, 1, None]}, values=2), np.array([0, 1]))
    assert found.accuracy.value.tolist() == [0.75]
    assert found.accuracy.trials.tolist() == [2]


def test_ambiguous_items_are_left_out() -> None:
    annotations = columns([0, 1, 1], values=2)
    assert measure_skill(annotations, np.array([0, AMBIGUOUS, 0])).accuracy.trials.tolist() == [2]
    assert errors_on_gold(annotations, np.array([0, AMBIGUOUS, 0])).tolist() == [[0.0], [1.0]]


def test_the_interval_holds_the_skill_it_was_made_from() -> None:
    hits = 0
    for seed in range(60):
        annotations, truth = invented([0.8, 0.6], items=150, values=4, seed=seed)
        found = measure_skill(annotations, truth).accuracy
        hits += int(((found.low <= [0.8, 0.6]) & (found.high >= [0.8, 0.6])).sum())
    assert 0.9 < hits / 120 <= 1


def test_without_gold_nothing_is_measured() -> None:
    found = measure_skill(columns([0, 1], values=2), np.array([UNKNOWN, AMBIGUOUS]))
    assert np.isnan(found.accuracy.value).all()


def test_tags_on_gold() -> None:
    given = tagged({(0, 0): [[1, 2], [1]], (0, 1): [[3]], (1, 0): [[2]]}, tags=4)
    gold = tag_gold(given, np.array([True, False]), np.array([0, 0]), np.array([1, 3]))
    found = measure_tag_skill(given, gold)
    # Candidates of item 0: 1 and 3 true, 2 wrong. The first names 1 always and 2 half of the time.
    assert found.sensitivity.value.tolist() == [0.5, 0.5]
    assert found.sensitivity.trials.tolist() == [2, 2]
    assert found.specificity.value.tolist() == [0.5, 1.0]


def test_errors_are_missing_where_nothing_was_said() -> None:
    errors = errors_on_gold(columns([0, 1, None], [1, None, 1], values=2), np.array([0, 0, 1]))
    assert np.array_equal(errors, [[0, 1], [1, np.nan], [np.nan, 0]], equal_nan=True)


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
