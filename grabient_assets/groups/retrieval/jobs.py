"""The jobs of retrieval: keep the index, and delete a workflow with its vectors."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.errors import GrabientError
from grabient_assets.groups.knowledge.tables import named_workflow
from grabient_assets.groups.knowledge.workflows import delete_workflow as delete
from grabient_assets.groups.retrieval.assets import entry_embeddings, knowledge_index, knowledge_reports
from grabient_assets.groups.retrieval.entry_index import sync_knowledge
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings

embed_entries = dg.define_asset_job(
    "embed_entries",
    selection=dg.AssetSelection.assets(entry_embeddings),
    description="Give new entries their vectors. The sensor entries_changed starts it.",
)
index_knowledge = dg.define_asset_job(
    "index_knowledge",
    selection=dg.AssetSelection.assets(knowledge_index, knowledge_reports),
    description="Make the index hold exactly what it should, complete workflows, and report. The sensor "
    "entries_changed starts it.",
)


class DeleteConfig(dg.Config):
    """Which workflow is deleted."""

    workflow: str
    """Its id, a unique beginning of it, or its name."""


@dg.op(name="delete_one_workflow", description="Deletes the workflow and its vectors; embeddings and sources stay.")
def delete_one_workflow(context: dg.OpExecutionContext, config: DeleteConfig, warehouse: WarehouseResource) -> None:
    database = warehouse.open(context)
    try:
        with database.read() as connection:
            workflow = named_workflow(connection, config.workflow)
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    delete(database, workflow, datetime.now(UTC))
    synced = sync_knowledge(load_settings(), database, lambda: datetime.now(UTC))
    context.log.info("%s is deleted; %s vectors left", workflow.name, synced.removed if synced else 0)


@dg.job(
    name="delete_workflow",
    hooks={show_reason},
    description="Delete a workflow: its vectors leave the index. Name it in the run config.",
)
def delete_workflow() -> None:
    delete_one_workflow()
