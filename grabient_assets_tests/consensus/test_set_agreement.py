"""MASI as Passonneau (2006) defines it, and alpha over sets against plain pair counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grabient_assets.consensus.agreement import Bootstrap
from grabient_assets.consensus.masi import masi_distance
from grabient_assets.consensus.set_agreement import set_alpha
from grabient_assets.consensus.tag_sets import Effort, TagSets, distinct_sets, mean_distance
from grabient_assets_tests.consensus.said import tagged

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
