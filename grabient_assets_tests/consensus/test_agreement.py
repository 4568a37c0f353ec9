"""Krippendorff alpha for categories, on published examples and at the edges; MASI as Passonneau (2006) defines it, and
alpha over sets of tags against plain pair counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grabient_assets.consensus.agreement import Bootstrap, item_entropy, nominal_alpha, set_alpha, tag_entropy
from grabient_assets.consensus.annotations import categorical_annotations
from grabient_assets.consensus.tag_sets import Effort, TagSets, distinct_sets, masi_distance, mean_distance
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns, said, tagged

# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). B: nominal data, two observers, twelve units;
# A: binary data, two observers, ten units; C: four observers, twelve units, missing data.
B_MEG = [*"aabbdcccedda"]
B_OWEN = [*"babbbccceddd"]
A_JON = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
A_HAN = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
C_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def test_four_observers_with_missing_data() -> None:
    rows = [[None if mark == "." else int(mark) - 1 for mark in row] for row in C_OBSERVERS]
    found = nominal_alpha(columns(*rows, values=5))
    assert found.value == pytest.approx(0.743, abs=5e-4)
    # The twelfth unit has one value only and pairs with nothing.
    assert (found.units, found.votes) == (11, 40)


def test_two_observers_binary_data() -> None:
    assert nominal_alpha(columns(A_JON, A_HAN, values=2)).value == pytest.approx(0.095, abs=5e-4)


def test_two_observers_five_categories() -> None:
    meg, owen = ([ord(mark) - ord("a") for mark in row] for row in (B_MEG, B_OWEN))
    assert nominal_alpha(columns(meg, owen, values=5)).value == pytest.approx(0.692, abs=5e-4)


def test_several_answers_of_a_model_are_one_vote() -> None:
    once = said({(item, one): [int(item % 2 == one % 2)] for item in range(9) for one in range(3)}, values=2)
    often = said({(item, one): [int(item % 2 == one % 2)] * 5 for item in range(9) for one in range(3)}, values=2)
    assert nominal_alpha(once) == nominal_alpha(often)


def test_the_interval_holds_the_value_and_narrows() -> None:
    few, many = (
        nominal_alpha(invented([0.8] * 4, items=items, values=3, seed=1)[0], Bootstrap(7)) for items in (100, 10_000)
    )
    for found in (few, many):
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low < found.value < found.high
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    # A hundred times the items, a tenth of the width.
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)


def test_the_interval_is_that_of_drawing_items() -> None:
    annotations, _ = invented([0.7] * 3, items=60, values=3, seed=2)
    found = nominal_alpha(annotations, Bootstrap(3, 4000))
    random, values = np.random.default_rng(0), []
    table = np.zeros((60, 3))
    np.add.at(table, (annotations.ballot_item[annotations.entry_ballot], annotations.entry_value), 1)
    for _ in range(4000):
        drawn = table[random.integers(0, 60, 60)]
        observed = ((9 - (drawn**2).sum(axis=1)) / 2).sum() / 180
        expected = (180**2 - (drawn.sum(axis=0) ** 2).sum()) / (180 * 179)
        values.append(1 - observed / expected)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.02)


def test_the_same_seed_gives_the_same_interval() -> None:
    annotations, _ = invented([0.7] * 3, items=200, values=3, seed=2)
    assert nominal_alpha(annotations, Bootstrap(1)) == nominal_alpha(annotations, Bootstrap(1))
    assert nominal_alpha(annotations, Bootstrap(1)).low != nominal_alpha(annotations, Bootstrap(2)).low


def test_one_model_has_no_alpha() -> None:
    found = nominal_alpha(columns([0, 1, 1], values=2), Bootstrap(1))
    assert (found.value, found.reason) == (None, "No item has votes of two annotators.")


def test_all_equal_has_no_alpha() -> None:
    found = nominal_alpha(columns([1, 1], [1, 1], values=2), Bootstrap(1))
    assert (found.value, found.low, found.units) == (None, None, 2)
    assert found.reason == "Every vote is the same, so chance would agree as well."


def test_no_answer_has_no_alpha() -> None:
    assert nominal_alpha(said({}, values=2, items=3, annotators=2)).value is None


def test_one_item() -> None:
    assert nominal_alpha(columns([0], [1], [1], values=2)).value == pytest.approx(0.0)


def test_all_different_is_worse_than_chance() -> None:
    found = nominal_alpha(columns([0, 0], [1, 1], [2, 2], values=3), Bootstrap(1))
    assert found.value == pytest.approx(1 - 1 / (24 / 30))


def test_perfect_agreement_is_one() -> None:
    assert nominal_alpha(columns([0, 1], [0, 1], values=2)).value == 1.0


@pytest.mark.parametrize("answers", [2, 4])
@pytest.mark.parametrize("right", [0.25, 0.5, 0.8])
def test_asking_more_often_makes_no_agreement(right: float, answers: int) -> None:
    """Ten models that err on their own. Of four values a guess is right in a quarter: two of them agree by chance, and
    alpha is 0. Two right in 8 of 10 agree in 0.64 + 3 (0.2 / 3)^2 = 0.6533 cases: alpha 0.5378."""
    items, annotators = np.indices((400, 10)).reshape(2, -1).repeat(answers, axis=1)
    random = np.random.default_rng(5)
    truth = random.integers(0, 4, 400)
    off = np.where(random.random(items.size) < right, 0, random.integers(1, 4, items.size))
    said_ = (truth[items] + off) % 4
    found = nominal_alpha(categorical_annotations(items, annotators, said_, items=400, annotators=10, values=4))
    agree = right**2 + (1 - right) ** 2 / 3
    assert found.value == pytest.approx(1 - (1 - agree) / 0.75, abs=0.02)


def test_half_votes_by_hand() -> None:
    """Unit 0: {a, b} against a, half of the pairs differ; unit 1: b against b. Expected, over the pairs of different
    ballots: {a, b} a 1/2, {a, b} b twice 1/2, a b twice 1, b b 0: 3.5 of 6."""
    torn = said({(0, 0): [0, 1], (0, 1): [0], (1, 0): [1], (1, 1): [1, None]}, values=2)
    found = nominal_alpha(torn)
    assert (found.observed, found.expected) == (pytest.approx(0.25), pytest.approx(3.5 / 6))
    assert (found.units, found.votes) == (2, 4)


def test_half_votes_against_plain_pair_counting() -> None:
    """Three answers each with gaps: all pairs of answers of different models, each ballot weighing one."""
    random = np.random.default_rng(3)
    given = {
        (item, who): [None if one < 0 else int(one) for one in random.integers(-1, 4, random.integers(1, 4))]
        for item in range(12)
        for who in range(5)
        if random.random() < 0.8
    }
    ballots: dict[int, list[list[int]]] = {}
    for (item, _), values in given.items():
        if kept := [one for one in values if one is not None]:
            ballots.setdefault(item, []).append(kept)
    units = [unit for unit in ballots.values() if len(unit) > 1]

    def apart(one: list[int], other: list[int]) -> float:
        return sum(a != b for a in one for b in other) / (len(one) * len(other))

    every = [ballot for unit in units for ballot in unit]
    n = len(every)
    observed = sum(2 * apart(*pair) / (len(unit) - 1) for unit in units for pair in combinations(unit, 2)) / n
    expected = sum(2 * apart(*pair) for pair in combinations(every, 2)) / (n * (n - 1))
    found = nominal_alpha(said(given, values=4), Bootstrap(1))
    assert (found.value, found.votes) == (pytest.approx(1 - observed / expected), n)
    assert found.low is not None and found.high is not None and found.low < 1 - observed / expected < found.high


def test_entropy_of_items() -> None:
    rows = [[0, 0, 0, None], [0, 1, 0, None], [0, 2, 1, None], [0, 3, None, None]]
    found = item_entropy(columns(*rows, values=4))
    assert found[:3] == pytest.approx([0, 2, -(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3)])
    assert np.isnan(found[3])
    assert item_entropy(said({(0, 0): [0, 1], (0, 1): [0]}, values=2)) == pytest.approx([0.8113], abs=5e-5)


def test_entropy_of_tags() -> None:
    found = tag_entropy(np.array([0, 0, 1]), np.array([1.0, 0.5, 0.0]), 3)
    assert found[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(found[2])


Sets = dict[tuple[int, int], frozenset[int]]


def masi(left: frozenset[int], right: frozenset[int]) -> float:
    """The definition, written with sets."""
    if left == right:
        return 0.0
    shared = left & right
    monotonic = 2 / 3 if left <= right or right <= left else 1 / 3 if shared else 0.0
    return 1 - len(shared) / len(left | right) * monotonic


# R. Passonneau, LREC 2006, section 3: M is 1, 2/3, 1/3 or 0; MASI is J x M.
@pytest.mark.parametrize(
    ("left", "right", "similarity"),
    [
        ("ab", "ab", 1.0),
        ("a", "ab", 1 / 2 * 2 / 3),
        ("abc", "a", 1 / 3 * 2 / 3),
        ("ab", "bc", 1 / 3 * 1 / 3),
        ("abc", "bcd", 2 / 4 * 1 / 3),
        ("ab", "cd", 0.0),
        ("", "a", 0.0),
        ("", "", 1.0),
    ],
)
def test_masi(left: str, right: str, similarity: float) -> None:
    sizes = np.array([len(left)]), np.array([len(right)]), np.array([len({*left} & {*right})])
    assert masi_distance(*sizes) == pytest.approx([1 - similarity])
    assert masi(frozenset(map(ord, left)), frozenset(map(ord, right))) == pytest.approx(1 - similarity)


def by_pairs(sets: Sets) -> float:
    """Alpha as Krippendorff writes it for any distance, from all pairs."""
    items: dict[int, list[frozenset[int]]] = {}
    for (item, _), tags in sets.items():
        items.setdefault(item, []).append(tags)
    units = [unit for unit in items.values() if len(unit) > 1]
    votes = [tags for unit in units for tags in unit]
    observed = sum(2 * sum(masi(*pair) for pair in combinations(unit, 2)) / (len(unit) - 1) for unit in units)
    expected = 2 * sum(masi(*pair) for pair in combinations(votes, 2)) / (len(votes) - 1)
    return 1 - observed / expected


def invented_sets(seed: int, items: int = 25, tags: int = 7, largest: int = 4) -> Sets:
    random = np.random.default_rng(seed)
    usual = [frozenset(random.choice(tags, random.integers(0, largest), replace=False).tolist()) for _ in range(items)]
    return {
        (item, one): usual[item] ^ frozenset(random.choice(tags, random.integers(0, 2), replace=False).tolist())
        for item in range(items)
        for one in range(5)
        if random.random() < 0.8
    }


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_counting_pairs(seed: int) -> None:
    sets = invented_sets(seed)
    found = set_alpha(tagged({who: [list(tags)] for who, tags in sets.items()}, tags=7))
    assert found.value == pytest.approx(by_pairs(sets), abs=1e-12)
    assert found.expected_error == 0


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_the_same_when_subsets_are_counted(seed: int) -> None:
    sets = invented_sets(seed, tags=12, largest=9)
    given = tagged({who: [list(tags)] for who, tags in sets.items()}, tags=12)
    found = set_alpha(given, effort=Effort(pairs=0, cells=40))
    assert found.value == pytest.approx(by_pairs(sets), abs=1e-12)
    assert found.expected_error == 0


def test_where_it_must_be_sampled_the_error_is_stated() -> None:
    little = Effort(pairs=4000, subsets=0)
    sets = invented_sets(1, items=60, tags=12, largest=9)
    given = tagged({who: [list(tags)] for who, tags in sets.items()}, tags=12)
    found = [set_alpha(given, seed=seed, effort=little) for seed in range(40)]
    exact = set_alpha(given)
    errors = np.array([(one.expected - exact.expected) / one.expected_error for one in found])
    assert exact.expected_error == 0 < found[0].expected_error < 0.01
    assert abs(errors.mean()) < 0.5
    assert 0.7 < errors.std() < 1.3
    assert set_alpha(given, seed=3, effort=little).value == found[3].value


def test_equal_sets_are_one() -> None:
    owner, tag = np.array([0, 0, 1, 2, 2, 4]), np.array([1, 5, 5, 1, 5, 1])
    sets = distinct_sets(owner, tag, 6, 9)
    found = {tuple(row[row >= 0].tolist()): int(votes) for row, votes in zip(sets.tags, sets.votes, strict=True)}
    assert found == {(): 2, (1,): 1, (5,): 1, (1, 5): 2}


def test_many_votes_for_few_sets_are_counted_exactly() -> None:
    sets = TagSets(np.array([[0, 1], [0, -1]]), np.array([2, 1]), np.array([600_000, 400_000]))
    expected = 2 * 600_000 * 400_000 / (10**6 * (10**6 - 1)) * (1 - 1 / 2 * 2 / 3)
    assert mean_distance(sets, 0).value == pytest.approx(expected, rel=1e-12)


def test_a_models_set_is_what_half_of_its_answers_give() -> None:
    often = tagged({(0, 0): [[1, 2], [1]], (0, 1): [[1, 2]], (1, 0): [[3]], (1, 1): [[3], [3, 4], []]}, tags=5)
    once = tagged({(0, 0): [[1, 2]], (0, 1): [[1, 2]], (1, 0): [[3]], (1, 1): [[3]]}, tags=5)
    assert set_alpha(often) == set_alpha(once)
    assert set_alpha(once).value == 1.0


def test_the_interval_holds_the_value() -> None:
    found = set_alpha(tagged({who: [list(tags)] for who, tags in invented_sets(3).items()}, tags=7), Bootstrap(5))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.5


def test_the_edges() -> None:
    one_model = set_alpha(tagged({(0, 0): [[1]], (1, 0): [[2]]}, tags=3), Bootstrap(1))
    assert (one_model.value, one_model.reason) == (None, "No item has votes of two annotators.")
    equal = set_alpha(tagged({(item, one): [[1, 2]] for item in range(3) for one in range(3)}, tags=3), Bootstrap(1))
    assert (equal.value, equal.reason) == (None, "Every vote is the same, so chance would agree as well.")
    one_item = set_alpha(tagged({(0, 0): [[1]], (0, 1): [[2]]}, tags=3))
    assert one_item.value == pytest.approx(0.0)
    different = set_alpha(tagged({(item, one): [[3 * item + one]] for item in range(4) for one in range(3)}, tags=12))
    assert different.value == pytest.approx(0.0)
    assert set_alpha(tagged({}, tags=1, items=1, annotators=2)).value is None
    everywhere = set_alpha(
        tagged({(item, one): [[0, 1 + (item + one) % 3]] for item in range(6) for one in range(3)}, tags=4)
    )
    assert everywhere.expected < 0.9
