"""Which way of counting is right most often, on the answers in a database.

    .venv/bin/python benchmarks/consensus_methods.py [--database FILE] [--prompt-version v1]

Judged are palettes on which a field is clear-cut; each fold of them is judged by rates that were fitted without it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from grabient_assets.consensus.calibration import calibration
from grabient_assets.consensus.dawid_skene import held_out
from grabient_assets.consensus.expectation import Model
from grabient_assets.consensus.majority import majority
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.coded import CodedVersion, read_version
from grabient_assets.groups.tagging.skills import ESTIMATORS, anchor
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse


def main() -> None:
    """Print a table of accuracies, with the expected calibration error of the probabilities behind them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", type=Path, default=load_settings().database)
    options.add_argument("--prompt-version", default="v1")
    chosen = options.parse_args()
    print("| field | clear-cut | majority | one-coin | full |\n|---|---|---|---|---|")
    with Warehouse(chosen.database).read() as connection:
        version = read_version(connection, chosen.prompt_version)
    for field in CATEGORICAL_VALUES if version.answered.seeds else ():
        print(_line(version, field))


def _line(version: CodedVersion, field: str) -> str:
    coded = version.categorical(field)
    annotations, gold = coded.annotations, coded.gold
    clear = gold >= 0
    if not clear.any():
        return f"| {field} | 0 | | | |"
    cells = [f"{(majority(annotations).top[clear] == gold[clear]).mean():.1%}"]
    for method in ESTIMATORS:
        judged = calibration(held_out(annotations, anchor(gold), Model(method)), np.where(clear, gold, -1))
        cells.append(f"{judged.accuracy or 0:.1%} (error {judged.expected_error or 0:.4f})")
    return f"| {field} | {clear.sum()} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
