"""Runs whose process is gone: after `kill -9` or a power cut Dagster goes on calling them started."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.process_identity import parse, this_process
from grabient_assets.resources.run_leases import has_lapsed

if TYPE_CHECKING:
    import dagster as dg

PID_TAG = ".dagster/grabient_pid"
"""On runs that a process without a daemon executes itself: which process of which machine."""

PROCESS_TAG = ".dagster/grabient_process"
"""On every run whose execution has begun: the run, and which process of which machine executes it. Dagster copies the
tags of a run to the run that retries it, so the value names the run."""

LAUNCHER_TAG = ".dagster/grabient_launcher"
"""On runs that WatchfulRunLauncher handed to a code server: which process of which machine did so."""

LOCAL = ("localhost", "127.0.0.1", "::1")
CONNECT_SECONDS = 2.0


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether what executed the unfinished run no longer lives.

    A run whose execution has begun is dead when its process is. Before that, a run of the UI or the daemon is dead
    when its code server is, which reports children that die. One of `grabient run` is dead when its process is.

    Process numbers and local addresses are looked at on the machine where they mean something. A run on another machine
    is dead when nobody renews its lease any more (run_leases.py). Where nothing tells, the run counts as alive.
    """
    judged = _judged_here(instance, run)
    return has_lapsed(run.run_id) if judged is None else judged


def _judged_here(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool | None:
    """Whether the run is dead, by what this machine knows of its own processes; None when it knows nothing of it."""
    from dagster._core.storage.tags import GRPC_INFO_TAG

    owner, _, named = run.tags.get(PROCESS_TAG, "").partition(" ")
    if owner == run.run_id and (process := parse(named)) is not None:
        return process.has_ended()
    if GRPC_INFO_TAG in run.tags:
        launcher = parse(run.tags.get(LAUNCHER_TAG))
        here = _is_of_one_machine(instance) or (launcher is not None and launcher.has_ended() is not None)
        return _is_gone(json.loads(run.tags[GRPC_INFO_TAG])) if here else None
    if (process := parse(run.tags.get(PID_TAG))) is not None:
        return process.has_ended()
    if not _is_of_one_machine(instance):
        return None
    pid = run.tags.get(PID_TAG) or _reported_pid(instance, run)  # earlier versions wrote a number
    return None if pid is None else _has_ended(int(pid), instance.get_run_record_by_id(run.run_id))


def show_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write down that this process executes the run."""
    instance.add_run_tags(run_id, {PROCESS_TAG: f"{run_id} {this_process()}"})


def broken_off(instance: dg.DagsterInstance, run_ids: Iterable[str | None]) -> set[str]:
    """Those of these runs that did not come to their end: failed, cancelled, or dead and not marked so yet."""
    from dagster import DagsterRunStatus, RunsFilter

    known = [run_id for run_id in run_ids if run_id]
    if not known:
        return set()
    failed = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    found = instance.get_runs(RunsFilter(run_ids=known))
    return {run.run_id for run in found if run.status in failed or (not run.is_finished and is_dead(instance, run))}


def _is_of_one_machine(instance: dg.DagsterInstance) -> bool:
    """Whether all runs of the instance are of this machine, because its records are files. Runs that an earlier version
    started, or a Dagster without BatchingInstance, do not say where."""
    from dagster._core.storage.runs import SqliteRunStorage

    return isinstance(instance.run_storage, SqliteRunStorage)


def _has_ended(pid: int, record: dg.RunRecord | None) -> bool:
    """Whether the process is gone, not yet reaped, or a later one that was given its number."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return record is not None and process.create_time() > record.create_timestamp.timestamp()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _is_gone(server: dict[str, str | int]) -> bool:
    """Whether nobody listens at the address of a code server. One on another machine cannot be judged from here."""
    if "socket" in server:
        path = Path(str(server["socket"]))
        return not path.exists() or _refuses(socket.AF_UNIX, str(path))
    if server.get("host") not in LOCAL:
        return False
    return _refuses(socket.AF_INET, ("127.0.0.1", int(server["port"])))


def _refuses(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(CONNECT_SECONDS)
        try:
            attempt.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:  # busy, or not ours to open: somebody may be there
            return False
    return False


def _reported_pid(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The process that the executor says it runs in."""
    from dagster import DagsterEventType

    for record in instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return str(pid.value)
    return None
