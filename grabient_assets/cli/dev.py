"""`grabient dev`: `dagster dev` over the data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer


def dev(context: typer.Context) -> None:
    """Open Dagster's UI and daemon over the data folder, http://127.0.0.1:3000. Ctrl-C ends them.

    What follows goes to `dagster dev` as it is.
    """
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import PROJECT_DIR, load_settings

    dagster_instance(load_settings()).dispose()  # `dagster dev` wants a folder that is there, and names it to its own
    os.chdir(PROJECT_DIR)
    program = str(Path(sys.executable).with_name("dagster"))
    os.execv(program, [program, "dev", "-w", "workspace.yaml", *context.args])
