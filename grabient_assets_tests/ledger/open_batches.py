"""Batches that a provider on a local server has, and answers to their requests."""

from __future__ import annotations

import json

from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ANSWER
from grabient_assets_tests.providers.faces import Face


def said(custom_id: str, **more: object) -> str:
    return json.dumps({"ref": custom_id, **ANSWER, **more})


def open_batch(house: House, face: Face, asked: list[str]) -> str:
    """A batch of these requests that the provider has."""
    batch = BatchRecord(
        batch_id="tagging-1",
        purpose="tagging",
        provider=face.name,
        model=face.model_id,
        prompt_version="v1",
        prompt_digest="d",
        status="submitted",
        request_count=len(asked),
        bodies_sha256="s",
        account="emulator",
        intended_at=house.clock(),
        submitted_at=house.clock(),
        provider_batch_id=face.batch,
    )
    with house.warehouse.write() as connection:
        rows = [RequestRecord(batch.batch_id, i, f"seed-{i}", 0) for i in asked]
        batches.insert_intent(connection, batch, rows)
    return batch.batch_id
