"""The class of the project's Dagster instance, which dagster.yaml names."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from grabient_assets.errors import RecordsError
from grabient_assets.resources.code_location import is_ours, job_origin
from grabient_assets.resources.dead_runs import show_process
from grabient_assets.resources.records import postgres_records

EVENTS_PER_WRITE = 500
"""How many events Dagster collects before it stores them together. DAGSTER_EVENT_BATCH_SIZE says otherwise."""


STORAGES = {
    "run_storage": ("grabient_assets.resources.sqlite_storages", "QuickRunStorage"),
    "event_log_storage": ("grabient_assets.resources.event_log", "KeptEventLogStorage"),
    "schedule_storage": ("grabient_assets.resources.sqlite_storages", "QuickScheduleStorage"),
}
"""What takes the place of Dagster's own storages in SQLite: module and class."""


class BatchingInstance(dg.DagsterInstance):
    """A Dagster instance that stores events in batches, and notes on every run which process executes it.

    In files, its event log keeps its connections (event_log.py) and its other storages open quickly
    (sqlite_storages.py). With `storage: postgres` in dagster.yaml the storages are those of dagster-postgres, of which
    the event log stores more kinds of events in batches (postgres_event_log.py). A dagster.yaml that names another
    storage gets that one.
    """

    def __init__(self, *ordered: Any, **named: Any) -> None:
        if type(log := named.get("event_storage")).__module__.startswith("dagster_postgres"):
            named["event_storage"] = _in_batches(log)
        super().__init__(*ordered, **named)

    @staticmethod
    def config_schema() -> dict[str, Any]:
        """No fields beside Dagster's own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's own defaults for the folder `base_dir`, with the storages of STORAGES.

        Dagster's own storages stay, with a warning, when the private parts of Dagster are not as expected. Where
        dagster.yaml names a PostgreSQL database, Dagster's tables are made in it. Raises SettingsError when
        dagster.yaml has to be changed for that.
        """
        if (records := postgres_records(Path(base_dir))) is not None:
            with suppress(RecordsError):  # Dagster tries again for some seconds, and says it then
                records.make_tables()
        defaults = InstanceRef.config_defaults(base_dir)
        if reason := _why_not_kept():
            _warn(reason)
            return defaults
        ours = {name: _ours(defaults[name], *found) for name, found in STORAGES.items()}
        config = {
            name: {"module_name": part.module_name, "class_name": part.class_name, "config_yaml": part.config_yaml}
            for name, part in ours.items()
        }
        storage = ConfigurableClassData(
            "dagster._core.storage.legacy_storage",
            "CompositeStorage",
            json.dumps(config),  # YAML reads JSON
        )
        return {**defaults, **ours, "storage": storage}

    def create_run_for_job(self, job_def: dg.JobDefinition, *more: Any, **details: Any) -> dg.DagsterRun:
        """Create a run. Those of `dg launch` and `dagster asset materialize`, which name the code only, get the code
        location too: see code_location.py."""
        code = details.get("job_code_origin")
        if code is not None and details.get("remote_job_origin") is None and is_ours(code):
            details["remote_job_origin"] = job_origin(job_def.name)
        return super().create_run_for_job(job_def, *more, **details)

    def handle_new_event(self, event: EventLogEntry, **details: Any) -> None:
        """Store the event. The process in which an execution begins is written down on its run: see dead_runs.py."""
        super().handle_new_event(event, **details)
        if event.is_dagster_event and event.dagster_event_type is dg.DagsterEventType.RUN_START:
            show_process(self, event.run_id)

    def _get_event_batch_size(self) -> int:
        """Dagster's own method says 0, which stores every event by itself, unless the environment says otherwise."""
        return super()._get_event_batch_size() or EVENTS_PER_WRITE


def _in_batches(log: Any) -> Any:
    """The event log of dagster-postgres with larger batches; itself, with a warning, when it is not as expected."""
    try:
        from grabient_assets.resources.postgres_event_log import RELIES_ON, BatchedPostgresEventLogStorage
    except ImportError as error:
        reason = str(error)
    else:
        reason = unexpected(RELIES_ON)
        if reason is None:
            return BatchedPostgresEventLogStorage.over(log)
    _warn(reason)
    return log


def _warn(reason: str) -> None:
    warnings.warn(
        f"Dagster's own storages are used, which is slower: {reason}. Install Dagster at the version of "
        "constraints.txt.",
        stacklevel=3,
    )


def _ours(stock: ConfigurableClassData | None, module: str, name: str) -> ConfigurableClassData:
    assert stock is not None
    return ConfigurableClassData(module, name, stock.config_yaml)


def _why_not_kept() -> str | None:
    try:
        from grabient_assets.resources import event_log, sqlite_storages
    except ImportError as error:
        return str(error)
    return unexpected({**event_log.RELIES_ON, **sqlite_storages.RELIES_ON})


def unexpected(relies_on: Mapping[type, Mapping[str, tuple[str, ...]]]) -> str | None:
    """What of these classes, their methods and the parameters of these is not as expected; None when all of it is."""
    for storage, methods in relies_on.items():
        for name, parameters in methods.items():
            method = getattr(storage, name, None)
            if method is None:
                return f"{storage.__name__}.{name} is gone"
            found = tuple(inspect.signature(method).parameters)
            if found != parameters:
                return f"{storage.__name__}.{name} takes {', '.join(found)} instead of {', '.join(parameters)}"
    return None
