"""How long one palette takes: from seed to description, and from seed to PNG.

Run by hand: python benchmarks/seed_to_png.py [FILE] (default: the bundled palettes). Times vary with the machine;
compare only runs on the same one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

from grabient_assets.gradient.facts import describe
from grabient_assets.gradient.palette import colors
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.svg import IMAGE_HEIGHT, IMAGE_WIDTH, render_png, render_svg
from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file

ROUNDS = 5


def svg_of(seed: str) -> str:
    palette = decode_seed(seed)
    return render_svg(describe(palette).hex, "linearSwatches", 90, IMAGE_WIDTH, IMAGE_HEIGHT, palette.canonical)


STEPS: dict[str, Callable[[str], object]] = {
    "seed -> palette": decode_seed,
    "seed -> 11 colours": lambda seed: colors(decode_seed(seed)),
    "seed -> description": lambda seed: describe(decode_seed(seed)),
    "seed -> SVG 440x100": svg_of,
    "seed -> PNG 440x100": lambda seed: render_png(svg_of(seed)),
}


def main() -> None:
    seeds = [row.source_seed for row in read_palette_file(sys.argv[1] if len(sys.argv) > 1 else SAMPLES).rows]
    print(f"{len(seeds)} palettes, {ROUNDS} rounds, microseconds per palette")
    print(f"{'':22}{'median':>10}{'min':>10}")
    for name, step in STEPS.items():
        step(seeds[0])
        times = [_microseconds(step, seed) for _ in range(ROUNDS) for seed in seeds]
        print(f"{name:22}{median(times):10.1f}{min(times):10.1f}")


def _microseconds(step: Callable[[str], object], seed: str) -> float:
    start = perf_counter()
    step(seed)
    return (perf_counter() - start) * 1e6


if __name__ == "__main__":
    main()
