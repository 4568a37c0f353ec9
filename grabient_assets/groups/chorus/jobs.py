"""The jobs of the chorus."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from grabient_assets.errors import GrabientError
from grabient_assets.groups.chorus import asking
from grabient_assets.groups.chorus.assets import artwork_batches, collect_chorus, statement_batches
from grabient_assets.registry.model import Delivery
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import parse_dollars


class AskConfig(dg.Config):
    """The options of `grabient chorus new`. What is left out is the panel's, or the newest released prompt version."""

    prompt_version: str | None = None
    artists: list[str] = Field(default_factory=list)
    brush: str | None = None
    iterations: int = 1
    seed: str | None = None
    size: str | None = None
    quality: str | None = None
    delivery: Delivery = "batch"
    """`batch`, or `direct`: at once, at the standard price."""
    max_usd: float | None = None
    """Nothing is asked when the group may cost more."""


@dg.op(description="Prices a group, and asks it when the money suffices for all of it.")
def record_chorus(
    context: dg.OpExecutionContext, config: AskConfig, warehouse: WarehouseResource, providers: ProvidersResource
) -> None:
    database, wished = warehouse.open(context), config.model_dump(exclude={"max_usd"})
    try:
        most = None if config.max_usd is None else parse_dollars(str(config.max_usd), "max_usd", "Leave it out")
        with database.read() as connection:
            planned = asking.plan_group(connection, asking.Wish(**wished), providers.usable(), datetime.now(UTC))
        group = asking.ask_chorus(database, planned, most, providers.budget_usd(), providers.answers_from())
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info("%s is asked: %s. The sensor chorus_due sends it.", group.group_id, planned.sentence)


@dg.job(hooks={show_reason}, description="Ask a new group, as `grabient chorus new` does, with its options as config.")
def ask_chorus() -> None:
    record_chorus()


submit_statements = dg.define_asset_job(
    "submit_statements",
    selection=dg.AssetSelection.assets(statement_batches),
    description="Send the artists what is asked of them. The sensor chorus_due starts it, one run for each provider.",
)
submit_artworks = dg.define_asset_job(
    "submit_artworks",
    selection=dg.AssetSelection.assets(artwork_batches),
    description="Send the brush the image prompts that came. The sensor chorus_due starts it.",
)
report_chorus = dg.define_asset_job(
    "report_chorus",
    selection=dg.AssetSelection.assets(collect_chorus),
    description="Show which runs are done, and fail under those that failed, with the reasons. The sensor "
    "chorus_settled starts it.",
)
