"""How often the interval of effective votes holds the truth, on gold of many sizes, however errors are shared.

Ten invented models err at known rates in four fields; the truth is what a very large sample shows.

    .venv/bin/python benchmarks/effective_votes.py            print the table
    .venv/bin/python benchmarks/effective_votes.py --write    and put it into docs/consensus.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from simulation.shared_errors import wrong

from grabient_assets.consensus.grouping import Floats
from grabient_assets.consensus.independence import effective_votes, error_correlation, votes_interval

DOCS = Path(__file__).parents[1] / "docs" / "consensus.md"
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
RATES = np.linspace(0.05, 0.16, 10)
FIELDS = (1.0, 0.8, 1.2, 1.0)
"""How hard each field is: what the rates are multiplied by."""
FAMILY = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
MODELS = ("independent", "families", "trap for all")
"""Errors that never show on gold have no effective votes there. They are in benchmarks/adaptive.py."""
GOLD = (15, 30, 60, 120, 400)
TRUTH = 300_000


def main() -> None:
    """Simulate, print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--samples", type=int, default=1000)
    options.add_argument("--write", action="store_true", help="write docs/consensus.md")
    chosen = options.parse_args()
    text = "\n".join(_table(chosen.samples))
    print(text)
    if chosen.write:
        before, rest = DOCS.read_text(encoding="utf-8").split(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _table(samples: int) -> Iterator[str]:
    yield f"{samples:,} samples each, ten models, four fields with so much gold each, error rates from 4 to 19 %:"
    yield ""
    yield "| errors | true votes | gold | has a figure | holds the truth | truth below | truth above | median width |"
    yield "|---|---|---|---|---|---|---|---|"
    for model in MODELS:
        truth = effective_votes(error_correlation(_errors(model, TRUTH, np.random.default_rng(0))).matrix) or 0.0
        for gold in GOLD:
            random = np.random.default_rng([gold, MODELS.index(model)])
            found = [votes_interval(_errors(model, gold, random)) for _ in range(samples)]
            ends = np.asarray([one for one in found if one[0] is not None], dtype=np.float64)
            below, above = float((truth < ends[:, 0] - 1e-9).mean()), float((truth > ends[:, 1] + 1e-9).mean())
            width = float(np.median(ends[:, 1] - ends[:, 0]))
            shares = f"{len(ends) / samples:.0%} | {1 - below - above:.1%} | {below:.1%} | {above:.1%}"
            yield f"| {model} | {truth:.1f} | {gold} | {shares} | {width:.1f} |"


def _errors(model: str, items: int, random: np.random.Generator) -> list[Floats]:
    nobody, everything = np.zeros(RATES.size, dtype=bool), np.ones(items, dtype=bool)
    return [wrong(model, RATES * hard, FAMILY, nobody, everything, random)[0].astype(float) for hard in FIELDS]


if __name__ == "__main__":
    main()
