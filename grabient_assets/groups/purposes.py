"""The one list of purposes. A new one is a folder of groups/ with its purpose.py, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.settling import AnswerReader, ReaderOf
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.asking.purpose_assets import PurposeAssets

PURPOSES = {purpose.name: purpose for purpose in (TAGGING, REFINEMENT, EMBEDDING, STATEMENT, ARTWORK, EDIT, EXTRACTION)}
"""Every purpose by its name, upstream before downstream."""


def reader_of(warehouse: Warehouse, store: ObjectStore) -> ReaderOf:
    """Gives the reader of a batch, by its purpose."""

    def reader(batch: BatchRecord) -> AnswerReader:
        return PURPOSES[batch.purpose].reader(batch, warehouse, store)

    return reader


def purpose_assets() -> dict[str, PurposeAssets]:
    """What Dagster shows of every purpose, in the same order. Imports Dagster, which commands that print a table do
    without."""
    from grabient_assets.groups.refinement.assets import REFINEMENT_ASSETS
    from grabient_assets.groups.tagging.assets import TAGGING_ASSETS

    return {shown.name: shown for shown in (TAGGING_ASSETS, REFINEMENT_ASSETS)}
