"""The jobs of edits: send, report, cancel."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.errors import GrabientError
from grabient_assets.groups.edits import cancelling
from grabient_assets.groups.edits.assets import collect_edits, edit_requests
from grabient_assets.groups.edits.tables import named_edit
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource

submit_edits = dg.define_asset_job(
    "submit_edits",
    selection=dg.AssetSelection.assets(edit_requests, collect_edits),
    description="Send edits to their editors and show what came. The sensor edits_due starts it, one run for each "
    "edit; terminating the run cancels the edit.",
)
report_edits = dg.define_asset_job(
    "report_edits",
    selection=dg.AssetSelection.assets(collect_edits),
    description="Show which edits are done, and fail under those that failed. The sensor edits_due starts it.",
)


class CancelEditConfig(dg.Config):
    """Which edit a person wants cancelled."""

    edit: str
    """Its edit_id, or a unique beginning of it."""


@dg.op(description="Cancels an edit: its call is let go. The sensor stops a batch with nothing but cancelled edits.")
def cancel_one_edit(context: dg.OpExecutionContext, config: CancelEditConfig, warehouse: WarehouseResource) -> None:
    database = warehouse.open(context)
    try:
        with database.read() as connection:
            edit = named_edit(connection, config.edit)
        context.log.info(cancelling.cancel_edit(database, edit.edit_id, datetime.now(UTC)).sentence)
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@dg.job(hooks={show_reason}, description="Cancel an edit, as `grabient edits cancel` does.")
def cancel_edit() -> None:
    cancel_one_edit()
