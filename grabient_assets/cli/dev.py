"""`grabient dev`: `dg dev` over the data folder."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import typer


def dev(context: typer.Context) -> None:
    """Open Dagster's UI and daemon over the data folder, http://127.0.0.1:3000. Ctrl-C ends them.

    What follows goes to `dg dev` as it is.
    """
    from grabient_assets.partitions import add_partitions
    from grabient_assets.resources.code_location import WORKSPACE
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    settings = load_settings()
    with dagster_instance(settings) as instance:  # `dg dev` wants a folder that is there
        add_partitions(instance, ())
    os.chdir(settings.dagster_home)  # in a folder with another dagster.yaml, `dg dev` warns that it does not read it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # where nohup or `&` made it ignored, Dagster ignores SIGTERM as well
    program = str(Path(sys.executable).with_name("dg"))
    os.execv(program, [program, "dev", "-w", str(WORKSPACE), *context.args])
