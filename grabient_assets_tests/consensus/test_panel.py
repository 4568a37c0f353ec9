"""Whom to ask first, and about what to ask again."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from grabient_assets.consensus.panel import Wave, WaveRule, choose_wave, strength, uncertain, uncertain_tags
from grabient_assets.errors import AnnotationsError

EVEN = [Decimal(1)] * 5


def choose(costs: list[Decimal], accuracy: list[float], correlation: np.ndarray, rule: WaveRule) -> Wave:
    return choose_wave(costs, np.array(accuracy), correlation, 0.25, rule)


def test_independent_votes_add_up() -> None:
    accuracy = np.array([0.8, 0.8, 0.6])
    one, two = strength(accuracy, np.eye(3), 0.25, [0]), strength(accuracy, np.eye(3), 0.25, [0, 1])
    assert two == pytest.approx(2 * one)
    assert one == pytest.approx(0.55**2 / (0.16 * 1.05))
    assert strength(accuracy, np.eye(3), 0.25, [2]) < one


def test_a_copy_adds_next_to_nothing() -> None:
    copy = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]])
    accuracy = np.array([0.8, 0.8, 0.7])
    alone, copied = strength(accuracy, copy, 0.25, [0]), strength(accuracy, copy, 0.25, [0, 1])
    assert copied < 1.05 * alone
    assert choose([Decimal(1)] * 3, [0.8, 0.8, 0.7], copy, WaveRule(Decimal(9), 2, 2)).members == (0, 2)


def test_who_does_not_beat_chance_adds_nothing() -> None:
    assert strength(np.array([0.2]), np.eye(1), 0.25, [0]) == 0


def test_the_budget_holds() -> None:
    costs = [Decimal(10), Decimal(1), Decimal(1), Decimal(1), Decimal(2)]
    wave = choose(costs, [0.95, 0.7, 0.7, 0.6, 0.8], np.eye(5), WaveRule(Decimal(4), 3, 5))
    assert wave.members == (1, 2, 4)
    assert wave.cost == Decimal(4)
    assert 0 < wave.strength < 1


def test_of_equals_the_cheapest_then_the_first() -> None:
    costs = [Decimal(2), Decimal(1), Decimal(1), Decimal(1), Decimal(1)]
    assert choose(costs, [0.8] * 5, np.eye(5), WaveRule(Decimal(9), 3, 3)).members == (1, 2, 3)
    assert choose(EVEN, [0.8] * 5, np.eye(5), WaveRule(Decimal(9), 3, 3)).members == (0, 1, 2)


def test_the_whole_panel_has_all_of_its_strength() -> None:
    wave = choose(EVEN, [0.8, 0.7, 0.6, 0.9, 0.75], np.eye(5), WaveRule(Decimal(5), 3, 5))
    assert (wave.members, wave.strength) == ((0, 1, 2, 3, 4), pytest.approx(1))


def test_a_panel_smaller_than_a_wave_is_the_wave() -> None:
    assert choose([Decimal(1)], [0.8], np.eye(1), WaveRule(Decimal(1))).members == (0,)


def test_a_budget_for_nobody_is_said() -> None:
    with pytest.raises(AnnotationsError, match="No 3 annotators cost 2 dollars or less; the cheapest cost 3"):
        choose(EVEN, [0.8] * 5, np.eye(5), WaveRule(Decimal(2)))


def test_a_panel_too_large_to_compare_is_refused() -> None:
    with pytest.raises(AnnotationsError, match="make the wave smaller"):
        choose([Decimal(1)] * 60, [0.8] * 60, np.eye(60), WaveRule(Decimal(5), 3, 6))


def test_ten_models_with_families() -> None:
    """Three families of shared errors: the wave takes one of each before a second of any."""
    family = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    correlation = np.where(family[:, None] == family, 0.8, 0.0)
    np.fill_diagonal(correlation, 1.0)
    wave = choose([Decimal(1)] * 10, [0.8] * 10, correlation, WaveRule(Decimal(3), 3, 3))
    assert {int(family[one]) for one in wave.members} == {0, 1, 2}


def test_uncertain_items() -> None:
    posterior = np.array([[0.95, 0.03, 0.02], [0.6, 0.2, 0.2], [0.5, 0.45, 0.05], [1 / 3, 1 / 3, 1 / 3]])
    assert uncertain(posterior, 0.9).tolist() == [False, True, True, True]
    assert uncertain(posterior, 0.0, margin=0.1).tolist() == [False, False, True, True]
    assert uncertain(np.array([[1.0]]), 0.9).tolist() == [False]


def test_uncertain_tags() -> None:
    item, probability = np.array([0, 0, 1, 1, 3]), np.array([0.99, 0.5, 0.01, 0.98, 0.2])
    assert uncertain_tags(item, probability, 4, 0.2, 0.8).tolist() == [True, False, True, False]
    assert uncertain_tags(item, probability, 4, 0.2, 0.8, most=1).tolist() == [False, False, True, False]
