"""How long the picture work of one edit takes: preparing, stitching, measuring. And how large the files are.

Run by hand: .venv/bin/python benchmarks/image_edits.py [SIDE] (default: 1024). One picture has gradients with the grain
of a photograph, the other is noise, the worst there is. Beside the time that passes stands that of the processor, which
others on the machine disturb less. Times vary with the machine; compare only runs on the same one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from grabient_assets.imaging.canvas import png_of, read_canvas
from grabient_assets.imaging.fit import fit_for, fitted, fitted_mask, undone
from grabient_assets.imaging.mask import rectangle
from grabient_assets.imaging.measures import measure
from grabient_assets.imaging.stitch import feather_for, stitched
from grabient_assets.registry.load import load_registry

ROUNDS = 9
EDITOR = "openai", "gpt-image-2.5-sunburst"


def photograph(side: int, seed: int) -> NDArray[np.uint8]:
    """Gradients with a grain of four grey levels."""
    y, x = np.mgrid[:side, :side] * (200 / side)
    plain = np.dstack([x, y, (x + y) / 2]) + 20
    return (plain + np.random.default_rng(seed).normal(0, 4, plain.shape)).clip(0, 255).astype(np.uint8)


def noise(side: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def main() -> None:
    """Print the median and the fastest of each step, and the load of the machine before."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    load = f"{os.getloadavg()[0]:.2f} of {os.cpu_count()} cores busy"
    print(f"{side} x {side} pixels, {ROUNDS} rounds, milliseconds; before: {load}")
    for name, painted in (("photograph", photograph), ("noise", noise)):
        _edit(name, png_of(painted(side, 1)), png_of(painted(side, 2)))


def _edit(name: str, parent: bytes, answer: bytes) -> None:
    rules = load_registry().model(*EDITOR).images
    assert rules is not None
    canvas = read_canvas(parent)
    fit = fit_for(canvas.width, canvas.height, rules)
    mask, feather = rectangle((0.25, 0.25, 0.5, 0.5), canvas.width, canvas.height), feather_for(fit.width, fit.height)
    back = undone(read_canvas(answer).pixels, fit)
    result = stitched(canvas.pixels, back, mask, feather)

    def prepare() -> tuple[bytes, bytes]:
        return png_of(fitted(read_canvas(parent).pixels, fit)), fitted_mask(mask, fit).png()

    def stitch() -> bytes:
        return png_of(stitched(canvas.pixels, undone(read_canvas(answer).pixels, fit), mask, feather))

    steps: dict[str, Callable[[], object]] = {
        "prepare": prepare,
        "stitch": stitch,
        "measure": lambda: measure(canvas.pixels, back, result, mask, feather, canvas.pixels),
    }
    for step, work in steps.items():
        times, spent = zip(*[_milliseconds(work) for _ in range(ROUNDS + 1)][1:], strict=True)
        print(
            f"{name:<12}{step:<10} median {median(times):7.1f}   fastest {min(times):7.1f}   CPU {median(spent):7.1f}"
        )
    sent, sent_mask = prepare()
    print(f"{name:<12}{'sent':<10} {len(sent):,} bytes, mask {len(sent_mask):,} bytes, result {len(stitch()):,} bytes")


def _milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """The time that passes, and that of the processor."""
    started, before = perf_counter(), process_time()
    work()
    return (perf_counter() - started) * 1000, (process_time() - before) * 1000


if __name__ == "__main__":
    main()
