"""Python's search for garbage, put off."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Within the block Python does not search for cycles of objects that nobody needs; all others are freed as ever.

    For work over many answers, which hold no cycles: as their number grows all of them are searched again and again,
    which took a tenth of the time of a collection (benchmarks/collection.py: 5.5 s with it, 5.0 s without).
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
