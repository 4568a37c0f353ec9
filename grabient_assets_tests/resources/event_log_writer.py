"""A process that writes to a Dagster event log: `python -m ...event_log_writer HOME NAME BATCHES [RUN_ID]`

It stores BATCHES batches of events with one single event behind each, and prints a line when both are stored.
"""

from __future__ import annotations

import sys
import time

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.utils import make_new_run_id

BATCH = 100
"""Events in a batch."""
ASSET = "palettes"


def materialization(run_id: str, partition: str, version: str | None = None) -> EventLogEntry:
    """The event of one materialized partition. `version` becomes a tag, which Dagster keeps in a table of its own."""
    tags = {"dagster/data_version": version} if version else None
    event = dg.AssetMaterialization(ASSET, partition=partition, metadata={"name": "x" * 300}, tags=tags)
    return EventLogEntry(
        error_info=None,
        level="debug",
        user_message="",
        run_id=run_id,
        timestamp=time.time(),
        step_key="step",
        job_name="job",
        dagster_event=DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            "job",
            step_key="step",
            event_specific_data=StepMaterializationData(event),
        ),
    )


def main(home: str, name: str, batches: int, run_id: str) -> None:
    """Write, and say what is stored."""
    with dg.DagsterInstance.from_config(home) as instance:
        log = instance.event_log_storage
        for number in range(batches):
            batch = f"{name}-{number}"
            log.store_event_batch([materialization(run_id, f"{batch}-{i}", batch) for i in range(BATCH)])
            log.store_event(materialization(run_id, f"{batch}-single"))
            sys.stdout.write(f"{batch}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else make_new_run_id())
