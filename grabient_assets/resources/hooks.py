"""Dagster hooks: the list of runs shows the reason of a failed run."""

from __future__ import annotations

import dagster as dg

from grabient_assets.resources.runs import LONGEST_REASON, REASON_TAG


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
