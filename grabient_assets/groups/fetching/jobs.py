"""The jobs of fetching."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.errors import GrabientError
from grabient_assets.groups.fetching.queue import named_letters, redrive
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource

fetch_sources = dg.define_asset_job(
    "fetch_sources",
    selection=dg.AssetSelection.assets("sources", "source_chunks"),
    description="Fetch the sources that are due, and ask about them. The sensor sources_due starts it.",
)


class RedriveConfig(dg.Config):
    """What is fetched again."""

    what: str
    """The id of a dead letter or of its source, or a class such as `blocked`."""


@dg.op(name="redrive_dead_letters", description="Queues the sources of dead letters again, each as a new item.")
def redrive_dead_letters(context: dg.OpExecutionContext, config: RedriveConfig, warehouse: WarehouseResource) -> None:
    with warehouse.open(context).write() as connection:
        try:
            letters = named_letters(connection, config.what, None)
        except GrabientError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        queued = redrive(connection, letters, ledger_time(connection, datetime.now(UTC)))
    context.log.info("Queued again: %s", ", ".join(queued) or "nothing")


@dg.job(
    name="redrive_sources",
    hooks={show_reason},
    description="Fetch dead sources again: name one, its dead letter, or a class, in the run config.",
)
def redrive_sources() -> None:
    redrive_dead_letters()
