"""Which way of counting is right most often, on the answers in a database.

    .venv/bin/python benchmarks/consensus_methods.py [--database FILE] [--prompt-version v1]

Judged are palettes on which a field is clear-cut; each fold of them is judged by rates that were fitted without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grabient_assets.consensus.dawid_skene import held_out
from grabient_assets.consensus.expectation import ErrorModel
from grabient_assets.consensus.gold import calibration, wilson
from grabient_assets.consensus.grouping import Flags
from grabient_assets.consensus.majority import majority
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.coded import CodedVersion, read_version
from grabient_assets.groups.tagging.skills import ESTIMATORS, anchor, shared_errors
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse


def main() -> None:
    """Print a table of accuracies with their intervals, the calibration error of the probabilities, and who is right
    where the majority and a probability differ."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", type=Path, default=load_settings().database)
    options.add_argument("--prompt-version", default="v1")
    chosen = options.parse_args()
    with Warehouse(chosen.database).read() as connection:
        version = read_version(connection, chosen.prompt_version)
    judged = [_judged(version, field) for field in CATEGORICAL_VALUES if version.answered.seeds]
    print("| field | clear-cut | majority | one-coin | full |\n|---|---|---|---|---|")
    for one in (*judged, _together(judged)):
        print(one.line())


@dataclass(frozen=True)
class _Judged:
    """On the clear-cut palettes of a field: whether each method is right, and its calibration error."""

    field: str
    right: dict[str, Flags]
    error: dict[str, float]

    def line(self) -> str:
        number = next(iter(self.right.values())).size
        if not number:
            return f"| {self.field} | 0 | | | |"
        cells = [self._cell(method) for method in ("majority", *ESTIMATORS)]
        return f"| {self.field} | {number} | {' | '.join(cells)} |"

    def _cell(self, method: str) -> str:
        right, votes = self.right[method], self.right["majority"]
        rate = wilson(np.array([right.sum()]), np.array([right.size]))
        said = f"{right.sum()} right, {rate.value[0]:.1%} ({100 * rate.low[0]:.1f}-{100 * rate.high[0]:.1f})"
        if method == "majority":
            return said
        apart = f"alone right {int((right & ~votes).sum())}, alone wrong {int((votes & ~right).sum())}"
        return f"{said}, {apart}" + (f", error {self.error[method]:.4f}" if method in self.error else "")


def _judged(version: CodedVersion, field: str) -> _Judged:
    coded, shared = version.categorical(field), max(shared_errors(version) or 0.0, 0.0)
    annotations, gold = coded.annotations, coded.gold
    clear = gold >= 0
    right: dict[str, Flags] = {"majority": (majority(annotations).top == gold)[clear]}
    error: dict[str, float] = {}
    for method in ESTIMATORS:
        found = held_out(annotations, anchor(gold), ErrorModel(method), correlation=shared)
        right[method] = (found.argmax(axis=1) == gold)[clear]
        error[method] = calibration(found, np.where(clear, gold, -1)).expected_error or 0.0
    return _Judged(field, right, error)


def _together(judged: Sequence[_Judged]) -> _Judged:
    methods = ("majority", *ESTIMATORS)
    none = np.zeros(0, dtype=bool)
    return _Judged(
        "together", {how: np.concatenate([none, *(one.right[how] for one in judged)]) for how in methods}, {}
    )


if __name__ == "__main__":
    main()
