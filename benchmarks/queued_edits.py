"""A hundred edits of one image that are asked at once and sent by one process: seconds, and the most memory.

Run by hand: .venv/bin/python benchmarks/queued_edits.py [EDITS] (default: 100). The emulator runs in a process of its
own and edits 1024 x 1024 pixels. Times vary with the machine; compare only runs on the same one.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from grabient_assets.emulator.endpoint import ensure_emulator
from grabient_assets.groups.edits.asking import Wish, ask_edit, plan_edit
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.images.images import added_image, record_images
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.resources.objects import open_store
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.warehouse.connection import Warehouse

SIDE = 1024
ASKING = 8
"""Threads that ask at the same time."""


def main() -> None:
    """Print seconds of asking and sending, and the most memory of this process."""
    edits = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"{edits} edits of {SIDE} x {SIDE}; before: {os.getloadavg()[0]:.2f} of {os.cpu_count()} cores busy")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"GRABIENT_DATA_DIR": folder, "GRABIENT_MODE": "emulator", "DAGSTER_HOME": ""}
        emulator = ensure_emulator(Path(folder))
        try:
            _measure(edits)
        finally:
            os.kill(emulator.pid, 15)


def _measure(edits: int) -> None:
    settings = load_settings()
    warehouse, store = Warehouse(settings.database), open_store(settings)
    file = BytesIO()
    grain = np.random.default_rng(1).normal(128, 30, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(grain).save(file, "PNG")
    image = added_image(file.getvalue(), "grain.png", store, _now())
    with warehouse.write() as connection:
        record_images(connection, [image])

    def ask(number: int) -> None:
        wish = Wish(image.image_id, "prompt", prompt=f"wish {number}", mask=(0.25, 0.25, 0.5, 0.5))
        with warehouse.read() as connection:
            planned = plan_edit(connection, store, wish, PROVIDERS, _now())
        ask_edit(warehouse, store, planned, None, None, "emulator")

    began = perf_counter()
    with ThreadPoolExecutor(ASKING) as threads:
        list(threads.map(ask, range(edits)))
    print(f"asked   {perf_counter() - began:7.1f} s, at most {_megabytes():,.0f} MiB")
    began = perf_counter()
    with ProvidersResource().connect("openai") as connection:
        submit_due(EDIT, Submission(connection, PURPOSES, warehouse, store, _now))
    print(f"sent    {perf_counter() - began:7.1f} s, at most {_megabytes():,.0f} MiB")
    with warehouse.read() as database:
        print(database.execute("SELECT status, count(*), sum(cost_usd) FROM edits GROUP BY ALL").fetchall())


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
