"""`grabient dev`: `dg dev` over the data folder, and the studio beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets import interrupts
from grabient_assets.cli.console import print_note
from grabient_assets.cli.leaving import leave_at_once
from grabient_assets.cli.stopping import AT_ONCE, leave, leave_when_asked
from grabient_assets.errors import GrabientError

if TYPE_CHECKING:
    from grabient_assets.settings import Settings

LEFT_SECONDS = 10.0
"""The time for a code server and its runs to end after `dg dev`, which does not wait for them."""


def dev(
    context: typer.Context,
    studio_port: Annotated[
        int, typer.Option("--studio-port", min=0, max=65535, metavar="P", help="Of the studio; 0 takes a free one.")
    ] = 3700,
) -> None:
    """Open Dagster's UI and daemon, http://127.0.0.1:3000, and the studio, http://127.0.0.1:3700. Ctrl-C ends them.

    What follows goes to `dg dev` as it is.
    """
    from grabient_assets.partitions import add_partitions
    from grabient_assets.places import INSTALLED
    from grabient_assets.resources.code_location import WORKSPACE
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    settings = load_settings()
    with dagster_instance(settings) as instance:  # `dg dev` wants a folder that is there
        add_partitions(instance, ())
    # In a folder with another dagster.yaml, `dg dev` warns that it does not read it. Once installed, .env and relative
    # folders are those of the current folder, also for Dagster's processes: it stays.
    if not INSTALLED:
        os.chdir(settings.dagster_home)
    studio = threading.Thread(target=_studio, args=(settings, studio_port, context.args), name="studio", daemon=True)
    studio.start()  # beside `dg dev`, which takes seconds to import
    program = str(Path(sys.executable).with_name("dg"))
    code = _serve([program, "dev", "-w", str(WORKSPACE), *context.args])
    if code:
        raise typer.Exit(code)


def _studio(settings: Settings, port: int, arguments: Sequence[str]) -> None:
    """Serve the studio until the process ends, and say where both are. Dagster goes on without it."""
    from grabient_assets.studio.server import start_studio

    try:
        server = start_studio(settings, "127.0.0.1", port)
    except GrabientError as error:
        print_note(f"Without the studio (--studio-port): {error}")
        return
    server.run(lambda url: print_note(f"{dagster_address(arguments)}; the studio is at {url}."))


def dagster_address(arguments: Sequence[str]) -> str:
    """Where `dg dev` serves with these arguments, as the beginning of a sentence."""
    known = {"-p": "port", "--port": "port", "-h": "host", "--host": "host"}
    found = {"host": "127.0.0.1", "port": "3000"}
    for at, one in enumerate(arguments):
        following = "".join(arguments[at + 1 : at + 2])
        name, sign, value = one.partition("=")
        if name in known:
            found[known[name]] = value if sign else following
    if found["port"] == "0":
        return "Dagster's UI is at the address that it names itself"
    host = f"[{found['host']}]" if ":" in found["host"] else found["host"]
    return f"Dagster's UI is at http://{host}:{found['port']}"


def _serve(command: list[str]) -> int:
    """Run `dg dev` until it ends; its exit code. After a signal it does not return: the process ends with 128 and more.

    Dagster's processes are a session of their own, so Ctrl-C does not interrupt all of them at once: only `dg dev` gets
    a signal, and ends the others in order. A second signal kills them. So does one that comes before `dg dev` has
    started any process: Python is importing then.
    """
    asked: list[int] = []
    for one in interrupts.signals_to_handle():
        signal.signal(one, lambda number, _: asked.append(number))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # by nohup or `&`; Dagster would ignore SIGTERM as well
        signal.signal(signal.SIGINT, lambda *_: None)
    services = subprocess.Popen(command, start_new_session=True)
    signalled = False
    while _runs(services) and len(asked) < 2:
        if asked and not signalled:
            signalled = True
            if not _has_children(services.pid):
                break
            print_note("Dagster's processes are ended. A second Ctrl-C ends them at once.")
            services.send_signal(signal.SIGINT)
    give_up = time.monotonic() + LEFT_SECONDS
    while services.poll() is not None and len(asked) < 2 and _has_members(services.pid) and time.monotonic() < give_up:
        time.sleep(interrupts.SLICE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(services.pid, signal.SIGKILL)
    code = services.wait()
    leave_when_asked()
    if len(asked) > 1:
        leave_at_once(asked[0], AT_ONCE)
    if asked:
        leave(asked[0], time.monotonic())
    return code


def _runs(services: subprocess.Popen[bytes]) -> bool:
    """Whether it still runs a moment later."""
    with suppress(subprocess.TimeoutExpired):
        services.wait(interrupts.SLICE_SECONDS)
    return services.returncode is None


def _has_children(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return False


def _has_members(group: int) -> bool:
    """Whether a process of the group still runs."""
    import psutil

    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
