"""The consensus on invented annotators: how right, how honest, how fast.

    .venv/bin/python benchmarks/consensus.py [--items 100000]     print the tables
    .venv/bin/python benchmarks/consensus.py --write              and put them and the chart into docs/

Ten annotators of known skill under five kinds of shared error (benchmarks/simulation/). Time and memory are of a
process of its own per size. Seconds vary with the machine; the rest follows from the seed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulation.annotators import SCENARIO_WORDS
from simulation.figure import figure
from simulation.growth import Cost, in_own_process, print_cost
from simulation.quality import METHODS, Quality, measure_quality

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SIZES = (200, 2_000, 20_000, 100_000)
LARGEST_JUDGED = 20_000


def main() -> None:
    """Measure, print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=100_000, help="the largest size")
    options.add_argument("--write", action="store_true", help="write docs/consensus.md and docs/consensus.svg")
    options.add_argument("--only", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.only:
        print_cost(chosen.only, chosen.items)
        return
    sizes = sorted({*(size for size in SIZES if size < chosen.items), chosen.items})
    judged = min(chosen.items, LARGEST_JUDGED)
    quality = [row for size in sorted({min(200, judged), judged}) for row in measure_quality(size)]
    growth = [in_own_process("all fields", size) for size in sizes]
    versus = [in_own_process(what, chosen.items) for what in ("ours", "crowd-kit")]
    text = "\n".join(_lines(quality, growth, versus))
    print(text)
    if chosen.write:
        page = DOCS / "consensus.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        largest = [row for row in quality if row.items == judged]
        (DOCS / "consensus.svg").write_text(figure(largest, growth), encoding="utf-8")


def _lines(quality: Sequence[Quality], growth: Sequence[Cost], versus: Sequence[Cost]) -> Iterator[str]:
    for items in sorted({row.items for row in quality}):
        yield f"\nAccuracy / expected calibration error in percent, {items:,} items:\n"
        yield f"| scenario | effective votes | {' | '.join(METHODS)} |"
        yield "|---|---|" + "---|" * len(METHODS)
        for scenario in SCENARIO_WORDS:
            rows = [row for row in quality if (row.scenario, row.items) == (scenario, items)]
            cells = (f"{100 * row.accuracy:.1f} / {100 * row.expected_error:.1f}" for row in rows)
            yield f"| {scenario} | {rows[0].effective_votes:.1f} | {' | '.join(cells)} |"
    yield "\nAll fields and tags (4 categorical, 6 tag fields, 10 models x 2 analyses):\n"
    yield from _costs(growth)
    load, cores = os.getloadavg()[1], os.cpu_count()
    yield f"\nMeasured on {cores} cores with a load of {load:.1f}; above {cores}, CPU seconds tell more than the clock."
    yield "\nOne categorical field, full Dawid-Skene, the same 10 answers per item:\n"
    yield from _costs(versus)


def _costs(costs: Sequence[Cost]) -> Iterator[str]:
    yield "| | items | seconds | CPU seconds | peak MiB |"
    yield "|---|---|---|---|---|"
    for cost in costs:
        yield f"| {cost.what} | {cost.items:,} | {cost.seconds:.2f} | {cost.cpu:.2f} | {cost.peak:.0f} |"


if __name__ == "__main__":
    main()
