"""How many votes a panel is worth, and who could go."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from grabient_assets.consensus.annotations import Annotations, categorical_annotations
from grabient_assets.consensus.gold import errors_on_gold
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.independence import (
    dollars_per_effective_vote,
    effective_votes,
    enough_pairs,
    error_correlation,
    mean_correlation,
    votes_interval,
)
from grabient_assets.consensus.majority import PartMajority, majority
from grabient_assets.consensus.panel import judge, leave_one_out, removals
from grabient_assets.errors import AnnotationsError
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns


def equicorrelated(n: int, r: float) -> np.ndarray:
    return np.full((n, n), r) + (1 - r) * np.eye(n)


@pytest.mark.parametrize(
    ("n", "r", "votes"),
    [(10, 0.0, 10), (10, 1.0, 1), (9, 0.4375, 2), (2, 0.5, 4 / 3), (1, 1.0, 1), (5, -0.2, 5), (3, -0.5, 3)],
)
def test_kishs_design_effect(n: int, r: float, votes: float) -> None:
    assert effective_votes(equicorrelated(n, r)) == pytest.approx(votes)


def test_votes_of_a_part_and_of_nobody() -> None:
    matrix = np.eye(4)
    matrix[:2, :2] = 1
    assert effective_votes(matrix, [0, 1]) == 1
    assert effective_votes(matrix, [0, 2]) == 2
    assert effective_votes(matrix, []) == 0


def test_dollars_per_effective_vote() -> None:
    costs = [Decimal("0.30"), Decimal("0.10")]
    assert dollars_per_effective_vote(costs, equicorrelated(2, 1.0)) == Decimal("0.40")
    assert dollars_per_effective_vote(costs, np.eye(2)) == Decimal("0.20")
    assert dollars_per_effective_vote(costs, unknown(2)) is None
    assert dollars_per_effective_vote([], np.eye(0)) is None


def test_correlation_is_pearsons() -> None:
    errors = (np.random.default_rng(0).random((200, 4)) < 0.3).astype(float)
    errors[:, 3] = np.where(np.arange(200) < 120, errors[:, 2], errors[:, 3])
    assert error_correlation([errors]).matrix == pytest.approx(np.corrcoef(errors.T))


def test_correlation_over_the_items_both_answered() -> None:
    errors = (np.random.default_rng(1).random((80, 3)) < 0.4).astype(float)
    errors[:30, 0] = np.nan
    errors[50:, 1] = np.nan
    found = error_correlation([errors])
    assert found.items.tolist() == [[50, 20, 50], [20, 50, 50], [50, 50, 80]]
    assert found.matrix[0, 1] == pytest.approx(np.corrcoef(errors[30:50, :2].T)[0, 1])


def test_a_hard_field_beside_an_easy_one_is_no_shared_mistake() -> None:
    random = np.random.default_rng(2)
    fields = [(random.random((3000, 3)) < rate).astype(float) for rate in (0.05, 0.6)]
    assert np.corrcoef(np.concatenate(fields).T)[0, 1] > 0.25
    assert abs(error_correlation(fields).matrix[0, 1]) < 0.05


def unknown(n: int) -> np.ndarray:
    return np.where(np.eye(n) == 1, 1.0, np.nan)


def test_whether_a_model_that_is_never_wrong_errs_with_others_is_not_known() -> None:
    errors = np.zeros((40, 2))
    errors[:5, 1] = 1
    found = error_correlation([errors])
    assert np.array_equal(found.matrix, unknown(2), equal_nan=True)
    assert found.defined.tolist() == [[False, False], [False, True]] and found.pairs == 0


def nothing_in_common() -> np.ndarray:
    """Two models, each asked about half of the items, that err like each other there."""
    errors = np.full((40, 2), np.nan)
    errors[:20, 0] = errors[20:, 1] = np.arange(20) < 6
    return errors


@pytest.mark.parametrize(
    "errors",
    [np.zeros((40, 10)), np.zeros((0, 10)), nothing_in_common(), np.eye(40)[:, :10]],
    ids=lambda e: str(e.shape),
)
def test_ignorance_is_no_independence(errors: np.ndarray) -> None:
    """Ten models that were never wrong on gold, no gold at all, no item in common, one error each."""
    assert effective_votes(error_correlation([errors]).matrix) is None
    assert mean_correlation(error_correlation([errors]).matrix) is None
    assert votes_interval([errors]) == (None, None)


def copies(erring: int) -> list[np.ndarray]:
    """Ten models of which so many err together, and the others never."""
    errors = np.zeros((40, 10))
    errors[:4, :erring] = 1
    return [errors]


def test_known_pairs_alone_say_what_the_panel_is_worth() -> None:
    """Eight copies that err together beside two that never do: what is known is 1, of 28 of 45 pairs."""
    found = error_correlation(copies(8))
    assert found.pairs == 28 and effective_votes(found.matrix) == pytest.approx(1)
    assert votes_interval(copies(8)) == (pytest.approx(1), pytest.approx(1))
    assert effective_votes(found.matrix, [0, 1, 2, 8]) == pytest.approx(1), "3 of 6 pairs are half"
    assert effective_votes(found.matrix, [8, 9]) is None and effective_votes(found.matrix, [8]) == 1


def test_few_known_pairs_say_nothing_of_the_panel() -> None:
    """21 of 45 pairs are less than half: neither a figure nor an interval, though their own mean is known."""
    found = error_correlation(copies(7))
    assert found.pairs == 21 and effective_votes(found.matrix) is None
    assert votes_interval(copies(7)) == (None, None)
    assert dollars_per_effective_vote([Decimal(1)] * 10, found.matrix) is None
    assert mean_correlation(found.matrix) == pytest.approx(1)
    assert effective_votes(found.matrix, [0, 1, 7]) is None, "1 of 3 pairs"
    assert [enough_pairs(*one) for one in ((22, 10), (23, 10), (0, 2), (1, 2), (0, 1))] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_the_interval_is_that_of_leaving_items_out() -> None:
    """Two fields with gaps, three models of which two are alike, against the jackknife written out."""
    random = np.random.default_rng(4)
    fields = [(random.random((120, 3)) < 0.3).astype(float) for _ in range(2)]
    for errors in fields:
        errors[:60, 1] = errors[:60, 0]
        errors[random.random(errors.shape) < 0.1] = np.nan
    without = [
        mean_correlation(error_correlation([np.delete(fields[0], item, 0), fields[1]]).matrix) or 0
        for item in range(120)
    ] + [
        mean_correlation(error_correlation([fields[0], np.delete(fields[1], item, 0)]).matrix) or 0
        for item in range(120)
    ]
    squares = (np.asarray(without) - np.mean(without)) ** 2
    freedom = 2 / 3 * squares.sum() ** 2 / ((squares**2).sum() - squares.sum() ** 2 / 240)
    r = mean_correlation(error_correlation(fields).matrix) or 0
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(239 / 240 * squares.sum()) * 3 / (2 * (1 + 2 * r) * (1 - r))
    ends = np.exp(2 * (np.log((1 + 2 * r) / (1 - r)) / 2 + np.array([reach, -reach])))
    expected = 3 / (1 + 2 * (ends - 1) / (ends + 2))
    assert votes_interval(fields) == pytest.approx(tuple(expected), rel=1e-4)
    assert expected[0] < (effective_votes(error_correlation(fields).matrix) or 0) < expected[1]


APART, ALIKE = np.arange(10), np.zeros(10, dtype=np.int64)
FAMILIES = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "share", "truth"),
    [(APART, 0.9, 10.0), (FAMILIES, 0.5, 6.24), (FAMILIES, 0.9, 4.71), (ALIKE, 0.6, 1.95), (ALIKE, 0.92, 1.33)],
    ids=["independent", "loose families", "families", "all", "all but one"],
)
@pytest.mark.parametrize("gold", [15, 30])
def test_the_interval_covers_the_truth_on_small_gold(family: Ints, share: float, truth: float, gold: int) -> None:
    """Ten models that share this part of their errors with their family, four fields with so few gold palettes. Of 300
    intervals that hold the truth in 95 % of the cases, fewer than 92 % do so once in 100 times. `truth`: of 300,000."""
    random, rates = np.random.default_rng(gold), np.linspace(0.05, 0.16, 10)
    held = []
    while len(held) < 300:
        fields = []
        for _ in range(4):
            together = random.random((gold, 10))[:, family] < share * rates
            alone = random.random((gold, 10)) < (1 - share) * rates / (1 - share * rates)
            fields.append((together | alone).astype(float))
        low, high = votes_interval(fields)
        if low is not None and high is not None:
            held.append(low <= truth <= high + 1e-9)
    assert np.mean(held) > 0.92


def copied(items: int = 600) -> tuple[Annotations, Ints]:
    """0 and 1 are the same model twice; 2 and 3 err on their own."""
    _, truth = invented([1.0], items=items, values=3, seed=0)
    random = np.random.default_rng(1)
    rows = [np.where(random.random(items) < 0.75, truth, (truth + 1) % 3) for _ in range(3)]
    return columns(rows[0].tolist(), *(row.tolist() for row in rows), values=3), truth


COSTS = [Decimal(3), Decimal(1), Decimal(1), Decimal(1)]


def top(annotations: Annotations) -> Ints:
    return majority(annotations).top


def test_leaving_one_out() -> None:
    annotations, truth = copied()
    correlation = error_correlation([errors_on_gold(annotations, truth)]).matrix
    assert correlation[0, 1] == pytest.approx(1)
    found = leave_one_out(annotations, PartMajority(annotations), COSTS, correlation, truth)
    assert [one.annotator for one in found] == [0, 1, 2, 3]
    assert [one.saved for one in found] == COSTS
    without = annotations.of_annotators([0, 1, 3])
    assert found[2].changed == (top(without) != top(annotations)).mean()
    assert found[2].accuracy == (top(without) == truth).mean()
    assert found[2].accuracy_change == pytest.approx(
        (top(without) == truth).mean() - (top(annotations) == truth).mean()
    )
    # Without one of the copies nearly all votes are left, without another model fewer.
    assert (found[0].votes or 0) > (found[2].votes or 9)


def test_the_dear_copy_goes_first() -> None:
    annotations, truth = copied()
    correlation = error_correlation([errors_on_gold(annotations, truth)]).matrix
    steps = removals(annotations, PartMajority(annotations), COSTS, correlation, truth)
    assert steps[0].annotator == 0
    assert [step.saved for step in steps] == [Decimal(3), Decimal(4), Decimal(5)]
    assert len({step.annotator for step in steps}) == 3
    assert steps[-1].votes == 1


def test_what_was_chosen_on_some_items_is_judged_on_the_others() -> None:
    """Four models that agree on the first half of the items and not on the second, which choosing does not see."""
    second = ([0, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 0])
    annotations = columns(*([0, 1, 0, 1, *own] for own in second), values=2)
    truth = np.array([0, 1, 0, 1, 1, 1, 1, 1])
    consensus, half = PartMajority(annotations), np.arange(8) < 4
    steps = removals(annotations, consensus, COSTS, np.eye(4), truth, half)
    assert [one.annotator for one in steps] == [0, 3, 2] and {one.changed for one in steps} == {0.0}
    found = judge(annotations, consensus, steps, ~half, truth)
    full = top(annotations)
    for step, one in enumerate(found, 1):
        left = [who for who in range(4) if who not in [other.annotator for other in steps[:step]]]
        now = top(annotations.of_annotators(left))
        assert (one.changed, one.items, one.gold) == ((now != full)[4:].sum(), 4, 4)
        assert one.gained == (now == truth)[4:].sum() - (full == truth)[4:].sum()
    assert found[-1].changed > 0


def test_of_those_who_change_nothing_the_dearest_goes_then_the_last_and_the_free_stay() -> None:
    annotations = columns(*[[0, 1, 1]] * 5, values=2)
    costs = [Decimal(1), Decimal(2), Decimal(2), Decimal(0), Decimal(1)]
    steps = removals(annotations, PartMajority(annotations), costs, np.eye(5))
    assert [step.annotator for step in steps] == [2, 1, 4, 0]
    assert {step.changed for step in steps} == {0.0}


def test_without_gold_accuracy_is_unknown() -> None:
    annotations, _ = copied(50)
    assert leave_one_out(annotations, PartMajority(annotations), COSTS, np.eye(4))[0].accuracy is None


def test_a_panel_of_one_can_lose_nobody() -> None:
    annotations = columns([0, 1], values=2)
    assert removals(annotations, PartMajority(annotations), [Decimal(1)], np.eye(1)) == []
    alone = leave_one_out(annotations, PartMajority(annotations), [Decimal(1)], np.eye(1))[0]
    assert (alone.changed, alone.votes) == (1.0, 0.0)


def test_costs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AnnotationsError, match="4 annotators need as many costs"):
        annotations = copied(10)[0]
        leave_one_out(annotations, PartMajority(annotations), COSTS[:3], np.eye(4))


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_the_majority_of_every_part_is_that_of_the_annotations_of_that_part(answers: int) -> None:
    """Blanks, ties within and between models, models that are silent, values that nobody gives."""
    random = np.random.default_rng(answers)
    items, annotators, values = 400, 5, 4
    item, annotator = (np.repeat(one.ravel(), answers) for one in np.indices((items, annotators)))
    asked = random.random(item.size) < 0.8
    said = random.integers(-1, values - 1, item.size)
    annotations = categorical_annotations(
        item[asked], annotator[asked], said[asked], items=items, annotators=annotators, values=values
    )
    part = PartMajority(annotations)
    for size in range(annotators + 1):
        for left in combinations(range(annotators), size):
            expected = majority(annotations.of_annotators(left)).top
            assert part(left).tolist() == expected.tolist(), left
