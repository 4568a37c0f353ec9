"""How long a test waits for what must come."""

import time
from collections.abc import Callable

HANGING_SECONDS = 300.0
"""Guards against hanging for ever. No test measures with it, so a busy machine fails none."""


def until(comes: Callable[[], object]) -> None:
    """Wait for what another thread or process does."""
    end = time.monotonic() + HANGING_SECONDS
    while not comes():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
