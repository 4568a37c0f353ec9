"""Calls that the emulator holds until all have come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from grabient_assets_tests.emulator.running import Running


def at_the_same_time(emulator: Running, fetch: Callable[[], object], match: dict[str, Any]) -> int:
    """The most that the emulator saw of four that are held until all have come."""
    emulator.faults({"match": match, "action": {"do": "hold"}})
    came = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(fetch) for _ in range(4)]
        for _ in range(1_000):
            if emulator.control("GET", "faults")["rules"][0]["fired"] == 4:
                came.set()
                break
        emulator.control("POST", "release")
        assert came.is_set() and all(one.result(20) for one in waiting)
    return max(emulator.control("GET", "calls")["in_flight"].values())
