"""A process that executes a run and stands still in it: `python -m grabient_assets_tests.resources.run_holder`.

DAGSTER_HOME names the instance, GRABIENT_WAREHOUSE the warehouse. It says the id of the run once it is at work.
"""

import signal
import sys

import dagster as dg

from grabient_assets.headless.driver import execute_job
from grabient_assets.resources.warehouse import WarehouseResource


@dg.op
def work(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Open the warehouse as every step does."""
    warehouse.open(context)
    sys.stdout.write(f"{context.run_id}\n")
    sys.stdout.flush()
    signal.pause()


@dg.job(executor_def=dg.in_process_executor, resource_defs={"warehouse": WarehouseResource()})
def stand_still() -> None:
    """Never ends."""
    work()


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        execute_job(stand_still, instance, {}, {})
