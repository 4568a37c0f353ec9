"""Which group reads the answers of a batch."""

from __future__ import annotations

from grabient_assets.groups.refinement.asking import PURPOSE as REFINEMENT
from grabient_assets.groups.refinement.reading import RefinedReader
from grabient_assets.groups.tagging.reading import TagReader
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.settling import AnswerReader, ReaderOf
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse


def reader_of(warehouse: Warehouse, store: ObjectStore) -> ReaderOf:
    """Gives the reader of a batch, by its purpose."""

    def reader(batch: BatchRecord) -> AnswerReader:
        return RefinedReader(warehouse, store, batch) if batch.purpose == REFINEMENT else TagReader()

    return reader
