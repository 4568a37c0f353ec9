"""The whole kill matrix: `python -m grabient_assets_tests.reliability.matrix [STEP ...]`, or `make kill-matrix`.

Every point has a data folder of its own, on which processes are killed there while they work for one provider after the
other; then a last one is started and brings everything to its end. What comes out is compared with a folder on which
two processes worked at once and nothing was killed. The exit code is 1 when anything was lost, paid twice, wrong, or
not killed where it should have been. Without STEP the vectors follow (embedding.py), in a table of their own.

With `--warehouse postgres` (`make kill-matrix WAREHOUSE=postgres`) the tables lie in PostgreSQL and every process is
another machine (machines.py). The vectors, and deaths within DuckDB's file, are left out there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.reliability import embedding
from grabient_assets_tests.reliability.audit import Audit, audit, check_readable
from grabient_assets_tests.reliability.killing import Made, on_file, victim
from grabient_assets_tests.reliability.steps import POINTS, STEPS, Point

FIGURES = {"kills": "kills", "lost": "lost", "paid_twice": "paid twice"}


@dataclass(frozen=True)
class Cell:
    """One point at one provider: how often a process was killed there, and what that did."""

    point: Point
    provider: str
    kills: int
    lost: int
    paid_twice: int


@dataclass(frozen=True)
class Row:
    """What became of one folder. `troubles` is empty when it is as it should be."""

    cells: tuple[Cell, ...]
    troubles: tuple[str, ...]


def undisturbed(folder: Path, made: Made = on_file) -> Audit:
    """Two processes at once, nobody killed: what every other folder has to look like in the end."""
    with victim(folder, made) as house:
        house.finish_two_at_once()
        return audit(house)


def killed(folder: Path, point: Point, providers: Sequence[str], expected: Audit, made: Made = on_file) -> Row:
    """Kill at each provider in turn, start again, look."""
    what = f"{point.step} ({point.name}) at {', '.join(providers)}"
    died: list[str] = []
    with victim(folder, made) as house:
        try:
            for provider in providers:
                house.kill(point, provider)
                died.append(provider)
                check_readable(house)
            house.finish()
            found = audit(house)
        except Exception as error:  # noqa: BLE001 - the other folders are still to be seen
            cells = [Cell(point, provider, 1, 0, 0) for provider in died]
            return Row(tuple(cells), (f"{what}: {type(error).__name__}: {error}",))
    lost, twice = Counter(p for p, _ in found.lost), Counter(p for p, _ in found.paid_twice)
    wrong = [*(f"lost: {one}" for _, one in found.lost), *(f"paid twice: {one}" for _, one in found.paid_twice)]
    wrong += found.wrong
    if found.answers != expected.answers:
        wrong.append("the stored answers are not those of the folder on which nothing was killed")
    cells = [Cell(point, provider, int(provider in died), lost[provider], twice[provider]) for provider in PROVIDERS]
    return Row(tuple(cells), tuple(f"{what}: {one}" for one in wrong))


def table(rows: Sequence[Row]) -> str:
    """One row per step, one column per provider: kills, lost, paid twice. Below it the totals and every trouble."""
    cells = [cell for row in rows for cell in row.cells]
    lines = [_line("kills / lost / paid twice", PROVIDERS), _line("-" * 25, ["-" * 9] * len(PROVIDERS))]
    for step in STEPS:
        if any(cell.point.step == step for cell in cells):
            lines.append(_line(step, [_sums(cells, step, provider) for provider in PROVIDERS]))
    troubles = [trouble for row in rows for trouble in row.troubles]
    total = ", ".join(f"{sum(getattr(cell, name) for cell in cells)} {word}" for name, word in FIGURES.items())
    return "\n".join([*lines, total + (f"; WRONG: {len(troubles)}" if troubles else ""), *troubles, ""])


def _line(first: str, others: Sequence[str]) -> str:
    return f"{first:26}" + "".join(f"{other:>12}" for other in others)


def _sums(cells: Sequence[Cell], step: str, provider: str) -> str:
    here = [cell for cell in cells if (cell.point.step, cell.provider) == (step, provider)]
    sums = [sum(getattr(cell, name) for cell in here) for name in FIGURES]
    return " / ".join(str(one) for one in sums) if any(sums) else "-"


def _chains(steps: Sequence[str], chosen: Sequence[str], tables: str) -> Iterator[tuple[Point, tuple[str, ...]]]:
    """Points with the providers that share a folder. Where a second process ends the work, each has its own."""
    for point in POINTS:
        providers = tuple(provider for provider in point.providers if provider in chosen)
        if (steps and point.step not in steps) or point.only not in (None, tables) or not providers:
            continue
        if point.beside:
            yield from ((point, (provider,)) for provider in providers)
        else:
            yield point, providers


@contextmanager
def _tables(where: str) -> Iterator[Made]:
    """What makes the folders: their tables in a file, or in PostgreSQL, where every process is another machine."""
    if where == "file":
        yield on_file
        return
    from grabient_assets_tests.reliability.machines import services  # the servers of the tests

    with services() as made:
        yield made.house


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m grabient_assets_tests.reliability.matrix")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"only these of: {'; '.join(STEPS)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many folders at once")
    parser.add_argument("--warehouse", choices=("file", "postgres"), default="file", help="where the tables lie")
    parser.add_argument("--provider", action="append", choices=PROVIDERS, help="only at this one; may be repeated")
    options = parser.parse_args()
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"unknown steps: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as root, _tables(options.warehouse) as made:
        expected = undisturbed(Path(root) / "undisturbed", made)
        if not expected.clean:
            sys.stdout.write(f"Two processes at once, nobody killed: {expected}\n")
            return 1

        def run(numbered: tuple[int, tuple[Point, tuple[str, ...]]]) -> Row:
            number, (point, providers) = numbered
            row = killed(Path(root) / str(number), point, providers, expected, made)
            said = "; ".join(row.troubles) or "as it should be"
            sys.stderr.write(f"[{time.monotonic() - started:5.0f} s] {point.step} ({point.name}): {said}\n")
            return row

        with ThreadPoolExecutor(options.jobs) as pool:
            chains = _chains(options.steps, options.provider or PROVIDERS, options.warehouse)
            rows = pool.map(run, enumerate(chains))
            try:
                found = list(rows)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    sys.stdout.write(table(found))
    sys.stdout.write(
        f"Two processes at once, nobody killed: nothing lost, nothing paid twice. Only {refiner().provider} "
    )
    sys.stdout.write(f"refines. {time.monotonic() - started:.0f} s.\n")
    vectors = 0 if options.steps or options.provider or options.warehouse != "file" else embedding.report()
    return 1 if vectors or any(row.troubles for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
