"""How many votes a panel is worth, and who could go."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

import numpy as np
import pytest

from grabient_assets.consensus.annotations import Annotations, categorical_annotations
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.independence import dollars_per_effective_vote, effective_votes, error_correlation
from grabient_assets.consensus.majority import majority
from grabient_assets.consensus.part_majority import PartMajority
from grabient_assets.consensus.reduction import leave_one_out, removals
from grabient_assets.consensus.skill import errors_on_gold
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


def test_a_model_that_is_never_wrong_correlates_with_nobody() -> None:
    found = error_correlation([np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])])
    assert found.matrix.tolist() == [[1, 0], [0, 1]]
    assert found.defined.tolist() == [[False, False], [False, True]]


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
    assert found[0].votes > found[2].votes


def test_the_dear_copy_goes_first() -> None:
    annotations, truth = copied()
    correlation = error_correlation([errors_on_gold(annotations, truth)]).matrix
    steps = removals(annotations, PartMajority(annotations), COSTS, correlation, truth)
    assert steps[0].annotator == 0
    assert [step.saved for step in steps] == [Decimal(3), Decimal(4), Decimal(5)]
    assert len({step.annotator for step in steps}) == 3
    assert steps[-1].votes == 1


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
