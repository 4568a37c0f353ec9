"""How right and how honest each way of counting is, on items whose truth it was not given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from simulation.annotators import SCENARIOS, VALUES, Field, categorical_field

from grabient_assets.consensus.dawid_skene import estimate, posteriors
from grabient_assets.consensus.expectation import ErrorModel
from grabient_assets.consensus.gold import UNKNOWN, calibration, errors_on_gold
from grabient_assets.consensus.grouping import Floats
from grabient_assets.consensus.independence import effective_votes, error_correlation, mean_correlation
from grabient_assets.consensus.majority import majority

METHODS = ("majority", "one-coin", "full", "anchored", "anchored, discounted")


@dataclass(frozen=True)
class Quality:
    """Of one method under one scenario: accuracy, Brier score, expected calibration error, and the panel's votes."""

    scenario: str
    method: str
    items: int
    accuracy: float
    brier: float
    expected_error: float
    effective_votes: float


def measure_quality(items: int, seed: int = 1) -> list[Quality]:
    """All methods under all scenarios."""
    return [row for scenario in SCENARIOS for row in _of_scenario(scenario, categorical_field(scenario, items, seed))]


def _of_scenario(scenario: str, field: Field) -> list[Quality]:
    annotations, gold = field.annotations(), field.gold
    of = annotations.candidates
    shares = np.zeros((annotations.items, VALUES))
    shares[of.item, of.value] = majority(annotations).share
    matrix = error_correlation([errors_on_gold(annotations, gold)]).matrix
    votes, shared = effective_votes(matrix), mean_correlation(matrix)
    assert votes is not None and shared is not None, "Invented annotators err."
    anchored = estimate(annotations, ErrorModel.FULL, gold)
    found: dict[str, Floats] = {
        "majority": shares,
        "one-coin": estimate(annotations, ErrorModel.ONE_COIN).posterior,
        "full": estimate(annotations, ErrorModel.FULL).posterior,
        "anchored": anchored.posterior,
        "anchored, discounted": posteriors(annotations, anchored.parameters, max(shared, 0.0)),
    }
    unseen = np.where(gold == UNKNOWN, field.truth, -1)
    rows: list[Quality] = []
    for method in METHODS:
        one = calibration(found[method], unseen)
        rows.append(
            Quality(
                scenario,
                method,
                annotations.items,
                one.accuracy or 0.0,
                one.brier or 0.0,
                one.expected_error or 0.0,
                votes,
            )
        )
    return rows
