"""Runs whose process is gone: after `kill -9` or a power cut Dagster goes on calling them started."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

PID_TAG = ".dagster/grabient_pid"
"""On runs that a process without a daemon executes itself: which process."""

LOCAL = ("localhost", "127.0.0.1", "::1")
CONNECT_SECONDS = 2.0


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the unfinished run was executed on this machine by something that no longer lives.

    A run of the UI or the daemon is a child of a code server, which reports children that die: it is dead when its
    server is. One of `grabient run` or `dagster asset materialize` is dead when its process is. Where nothing tells,
    it counts as alive.
    """
    from dagster._core.storage.tags import GRPC_INFO_TAG

    if GRPC_INFO_TAG in run.tags:
        return _is_gone(json.loads(run.tags[GRPC_INFO_TAG]))
    pid = run.tags.get(PID_TAG) or _reported_pid(instance, run)
    return pid is not None and _has_ended(int(pid), instance.get_run_record_by_id(run.run_id))


def broken_off(instance: dg.DagsterInstance, run_ids: Iterable[str | None]) -> set[str]:
    """Those of these runs that did not come to their end: failed, cancelled, or dead and not marked so yet."""
    from dagster import DagsterRunStatus, RunsFilter

    known = [run_id for run_id in run_ids if run_id]
    if not known:
        return set()
    failed = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    found = instance.get_runs(RunsFilter(run_ids=known))
    return {run.run_id for run in found if run.status in failed or (not run.is_finished and is_dead(instance, run))}


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
