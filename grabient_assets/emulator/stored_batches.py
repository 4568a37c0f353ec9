"""The batches of the emulated providers: how they are stored, and how each moves on.

A batch moves on by the number of polls, of it alone or of a list with it, never by the clock. Lists count because a
batch whose id its sender never received can only be seen in a list, and must end as well.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grabient_assets.emulator.billing import Billed, insert_bills
from grabient_assets.emulator.database import Database, NewFile, insert_file


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as stored. `facts` are the provider's own fields, `plan` the faults laid on it at creation, `times` when
    it entered which phase, `ending` its final document, None until it ended."""

    number: int
    provider: str
    id: str
    model: str
    created_at: float
    total: int
    needed: int
    polls: int
    cancelled_after: int | None
    input_file: str
    facts: dict[str, Any]
    plan: list[dict[str, Any]]
    times: dict[str, float]
    ending: dict[str, Any] | None


class Batches:
    """The batches of all providers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        provider: str,
        batch_id: str,
        *,
        model: str,
        custom_ids: list[str],
        needed: int,
        facts: dict[str, Any],
        plan: list[dict[str, Any]],
        input_file: str,
        content: NewFile | None = None,
    ) -> Batch:
        """Stores a batch, its input (when it did not come as a file) and the note that a create was accepted."""
        at = self._db.now().timestamp()
        with self._db.transaction() as db:
            if content is not None:
                insert_file(db, provider, content, at)
            db.execute(
                "INSERT INTO batches (provider, id, model, created_at, total, needed, input_file, facts, plan)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    provider,
                    batch_id,
                    model,
                    at,
                    len(custom_ids),
                    needed,
                    input_file,
                    json.dumps(facts),
                    json.dumps(plan),
                ),
            )
            db.execute(
                "INSERT INTO creates (provider, batch_id, model, at, custom_ids) VALUES (?, ?, ?, ?, ?)",
                (provider, batch_id, model, at, json.dumps(custom_ids)),
            )
        found = self.get(provider, batch_id)
        assert found is not None
        return found

    def get(self, provider: str, batch_id: str) -> Batch | None:
        rows = self._db.rows("SELECT * FROM batches WHERE provider = ? AND id = ?", provider, batch_id)
        return _batch(rows[0]) if rows else None

    def newest_first(self, provider: str) -> list[Batch]:
        """All batches of a provider, newest first."""
        rows = self._db.rows("SELECT * FROM batches WHERE provider = ? ORDER BY number DESC", provider)
        return [_batch(row) for row in rows]

    def polled(self, batches: Iterable[Batch]) -> list[Batch]:
        """The batches after one more poll, of one of them or of a list with all of them."""
        found = list(batches)
        if open_ones := [(batch.number,) for batch in found if batch.ending is None]:
            with self._db.transaction() as db:
                db.executemany("UPDATE batches SET polls = polls + 1 WHERE number = ? AND ending IS NULL", open_ones)
        return [(self.get(b.provider, b.id) or b) if b.ending is None else b for b in found]

    def note_time(self, batch: Batch, phase: str) -> None:
        """Remembers when the batch was first seen in a phase."""
        if phase not in batch.times:
            times = batch.times | {phase: self._db.now().timestamp()}
            with self._db.transaction() as db:
                db.execute("UPDATE batches SET times = ? WHERE number = ?", (json.dumps(times), batch.number))

    def cancel(self, batch: Batch) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE batches SET cancelled_after = polls WHERE number = ?", (batch.number,))

    def badly_answered(self, provider: str) -> set[str]:
        """The custom ids of all requests that got no good answer in some batch."""
        return {row[0] for row in self._db.rows("SELECT custom_id FROM bad_answers WHERE provider = ?", provider)}

    def was_badly_answered(self, provider: str, key: str) -> bool:
        found = self._db.rows("SELECT 1 FROM bad_answers WHERE provider = ? AND custom_id = ?", provider, key)
        return bool(found)

    def note_badly_answered(self, provider: str, key: str) -> None:
        """Remembers that a request outside any batch got no good answer."""
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO bad_answers VALUES (?, ?)", (provider, key))

    def end(
        self,
        batch: Batch,
        ending: dict[str, Any],
        files: Iterable[NewFile],
        badly: Iterable[str] = (),
        bills: Iterable[Billed] = (),
    ) -> None:
        """Stores the results, the final document, which requests got no good answer (`badly`) and what is billed
        together. A batch that has ended stays as it is."""
        at = self._db.now().timestamp()
        with self._db.transaction() as db:
            changed = db.execute(
                "UPDATE batches SET ending = ? WHERE number = ? AND ending IS NULL", (json.dumps(ending), batch.number)
            ).rowcount
            if changed:
                for file in files:
                    insert_file(db, batch.provider, file, at)
                db.executemany(
                    "INSERT OR IGNORE INTO bad_answers VALUES (?, ?)", [(batch.provider, key) for key in badly]
                )
                insert_bills(db, bills)

    def delete(self, batch: Batch) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM batches WHERE number = ?", (batch.number,))


def _batch(row: sqlite3.Row) -> Batch:
    values = dict(row)
    for name in ("facts", "plan", "times", "ending"):
        values[name] = json.loads(values[name]) if values[name] is not None else None
    return Batch(**values)


class Phase(StrEnum):
    """Where a batch stands, in words of no provider."""

    WAITING = "waiting"
    RUNNING = "running"
    CLOSING = "closing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (Phase.COMPLETED, Phase.FAILED, Phase.EXPIRED, Phase.CANCELLED)


def planned(batch: Batch, kind: str) -> dict[str, object] | None:
    """The first fault of this kind that was laid on the batch when it was created."""
    return next((step for step in batch.plan if step["do"] == kind), None)


def polls_needed(batch: Batch) -> float:
    """Number of polls after which the batch has ended."""
    if (pending := planned(batch, "pending")) is None:
        return batch.needed
    polls = pending.get("polls")
    return float("inf") if polls is None else float(str(polls))


def phase(batch: Batch) -> Phase:
    """The phase after the polls so far.

    A batch that its provider finds invalid fails with the first poll. A cancelled one is cancelled with the poll after
    the cancel call.
    """
    if batch.ending is not None:
        return Phase(batch.ending["phase"])
    if batch.cancelled_after is not None:
        return Phase.CANCELLED if batch.polls > batch.cancelled_after else Phase.CANCELLING
    if batch.facts.get("invalid") and batch.polls > 0:
        return Phase.FAILED
    needed = polls_needed(batch)
    if batch.polls >= needed:
        if planned(batch, "expire"):
            return Phase.EXPIRED
        return Phase.FAILED if planned(batch, "fail") else Phase.COMPLETED
    if batch.polls == 0:
        return Phase.WAITING
    return Phase.CLOSING if needed >= 3 and batch.polls == needed - 1 else Phase.RUNNING


def finished_share(batch: Batch) -> float:
    """Share of the requests that are done in the present phase, 0 to 1."""
    now = phase(batch)
    if now is Phase.COMPLETED:
        return 1.0
    if now is Phase.FAILED:
        return 0.0
    needed = polls_needed(batch)
    if now is Phase.EXPIRED:
        expire = planned(batch, "expire")
        return float(str((expire or {}).get("share", 0.5)))
    done = batch.polls if batch.cancelled_after is None else batch.cancelled_after
    return min(done / needed, 1.0)
