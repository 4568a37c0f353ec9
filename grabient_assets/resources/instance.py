"""The class of the project's Dagster instance, which dagster.yaml names."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from grabient_assets.resources.code_location import is_ours, job_origin

EVENTS_PER_WRITE = 500
"""How many events Dagster collects before it stores them together. DAGSTER_EVENT_BATCH_SIZE says otherwise."""


STORAGES = {
    "run_storage": ("grabient_assets.resources.sqlite_storages", "QuickRunStorage"),
    "event_log_storage": ("grabient_assets.resources.event_log", "KeptEventLogStorage"),
    "schedule_storage": ("grabient_assets.resources.sqlite_storages", "QuickScheduleStorage"),
}
"""What takes the place of Dagster's own storages in SQLite: module and class."""


class BatchingInstance(dg.DagsterInstance):
    """A Dagster instance whose default event log keeps its connections and stores events in batches (event_log.py), and
    whose other storages open quickly (sqlite_storages.py).

    A dagster.yaml that names a storage of its own gets that one.
    """

    @staticmethod
    def config_schema() -> dict[str, Any]:
        """No fields beside Dagster's own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's own defaults for the folder `base_dir`, with the storages of STORAGES.

        Dagster's own storages stay, with a warning, when the private parts of Dagster are not as expected.
        """
        defaults = InstanceRef.config_defaults(base_dir)
        if reason := _why_not_kept():
            warnings.warn(
                f"Dagster's own storages are used, which is slower: {reason}. Install Dagster at the version of "
                "constraints.txt.",
                stacklevel=2,
            )
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

    def _get_event_batch_size(self) -> int:
        """Dagster's own method says 0, which stores every event by itself, unless the environment says otherwise."""
        return super()._get_event_batch_size() or EVENTS_PER_WRITE


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
