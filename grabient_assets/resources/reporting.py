"""What a run puts into Dagster's records: many partitions as one write of the event log, and why it failed."""

import warnings
from collections.abc import Sequence

import dagster as dg

from grabient_assets.resources.runs import LONGEST_REASON, REASON_TAG


def report_materializations(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, events: Sequence[dg.AssetMaterialization]
) -> None:
    """Store these materializations of the running step, hundreds at a time (`BatchingInstance` says how many).

    Dagster has no public way to do this. Where its private one is not as it was in Dagster 1.13, a warning says so and
    every event is stored by itself. Either way all of them are stored when this returns.
    """
    try:
        from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id

        step = getattr(context, "op_execution_context", context).get_step_execution_context()
        batch = generate_event_batch_id()
    except (ImportError, AttributeError) as error:
        warnings.warn(f"Materializations are stored one by one, which is slower: {error}.", stacklevel=2)
        for event in events:
            context.log_event(event)
        return
    for number, event in enumerate(events, start=1):
        # Dagster writes at the end of the batch, and whenever enough events have come together.
        DagsterEvent.asset_materialization(step, event, DagsterEventBatchMetadata(batch, number == len(events)))


@dg.failure_hook(name="show_reason")
def show_reason(context: dg.HookContext) -> None:
    """Put the reason of the failure on the run, as a tag."""
    context.instance.add_run_tags(context.run_id, {REASON_TAG: reason_of(context.op_exception)})


def reason_of(error: BaseException | None) -> str:
    """The sentence of a failure for a person, on one line."""
    reason = error.description if isinstance(error, dg.Failure) else None
    if reason is None and error is not None:
        reason = str(error) or type(error).__name__
    line = " ".join((reason or "no reason given").split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
