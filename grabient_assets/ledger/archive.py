"""The raw files of a batch in the object store: the request lines, the final state, the result lines.

They are written before anything is parsed, so that everything parsed can be parsed again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

from grabient_assets.errors import StoreError
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.providers.contract import BatchState
from grabient_assets.store.objects import ObjectStore

_KEPT_LATER = ("least_lines", "least_answers")
"""Fields of BatchState that earlier versions did not keep."""


def archive_requests(store: ObjectStore, key: str, lines: Sequence[bytes]) -> None:
    """Keep the request lines under the key."""
    store.put(key, _packed(lines), "application/gzip")


def archive_results(store: ObjectStore, batch_id: str, state: BatchState, lines: Sequence[bytes]) -> str:
    """Store the result lines and the final state; returns the key of the result lines.

    The key holds their digest. Two processes that fetch the same batch may get different lines, and the ledger names
    the file of the process that recorded the batch.
    """
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:16]
    key = f"batches/{batch_id}/results-{digest}.jsonl.gz"
    store.put(key, _packed(lines), "application/gzip")
    document = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(state).items()
    }
    store.put(_state_key(key), json.dumps(document, indent=1).encode(), "application/json")
    return key


def archived_requests(store: ObjectStore, batch: BatchRecord) -> list[bytes]:
    """The request lines. Raises StoreError when they are gone, damaged, or not those that the ledger records."""
    lines = _lines(store, batch, batch.requests_key or f"batches/{batch.batch_id}/requests.jsonl.gz")
    if hashlib.sha256(b"".join(lines)).hexdigest() != batch.bodies_sha256:
        raise StoreError(
            f"Object {batch.requests_key} does not hold the requests that batch {batch.batch_id} was sent with: their "
            "digest is another one than the ledger records. Put the right file back."
        )
    return lines


def archived_results(store: ObjectStore, batch: BatchRecord) -> list[bytes]:
    """The result lines. Raises StoreError when they are gone or damaged."""
    assert batch.results_key is not None
    return _lines(store, batch, batch.results_key)


def archived_state(store: ObjectStore, batch: BatchRecord) -> BatchState | None:
    """How the batch ended; None for a batch that was collected before this was kept. Raises StoreError when damaged."""
    assert batch.results_key is not None
    key = _state_key(batch.results_key)
    if not store.exists(key):
        return None
    try:
        document = json.loads(store.get(key))
        known = {field.name: document[field.name] for field in fields(BatchState) if field.name not in _KEPT_LATER}
        known |= {name: document.get(name) for name in _KEPT_LATER}
        for name in ("created_at", "ended_at"):
            known[name] = datetime.fromisoformat(known[name]) if known[name] else None
        return BatchState(**known)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(_damaged(key, batch, error)) from error


def _lines(store: ObjectStore, batch: BatchRecord, key: str) -> list[bytes]:
    try:
        return [line for line in gzip.decompress(store.get(key)).split(b"\n") if line]
    except StoreError as error:
        raise StoreError(f"Batch {batch.batch_id}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(_damaged(key, batch, error)) from error


def _damaged(key: str, batch: BatchRecord, error: Exception) -> str:
    return f"Object {key} of batch {batch.batch_id} is damaged or cut ({error}). Put a copy of it back."


def _state_key(results_key: str) -> str:
    folder, _, name = results_key.rpartition("/")
    return f"{folder}/{name.replace('results', 'state', 1).removesuffix('.jsonl.gz')}.json"


def _packed(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"\n".join(lines) + b"\n", compresslevel=3, mtime=0)
