"""What the emulator counts: calls, accepted creates, and how often fault rules matched and fired."""

from __future__ import annotations

import json
from typing import Any

from grabient_assets.emulator.storage.database import Database


class Counts:
    """Counters of all providers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def count_call(self, provider: str, route: str) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO calls VALUES (?, ?, 1) ON CONFLICT (provider, route) DO UPDATE SET count = count + 1",
                (provider, route),
            )

    def calls(self) -> dict[str, dict[str, int]]:
        """Calls per provider and route."""
        counts: dict[str, dict[str, int]] = {}
        for row in self._db.rows("SELECT * FROM calls ORDER BY provider, route"):
            counts.setdefault(row["provider"], {})[row["route"]] = row["count"]
        return counts

    def creates(self) -> list[dict[str, Any]]:
        """Every create that was accepted, oldest first: provider, batch_id, model, at (unix seconds), custom_ids."""
        rows = self._db.rows("SELECT provider, batch_id, model, at, custom_ids FROM creates ORDER BY number")
        return [{**dict(row), "custom_ids": json.loads(row["custom_ids"])} for row in rows]

    def count_match(self, rule: str) -> tuple[int, int]:
        """Counts a call that a fault rule matches; returns (matches with this one, times fired before)."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO fault_counts VALUES (?, 1, 0) ON CONFLICT (rule) DO UPDATE SET seen = seen + 1", (rule,)
            )
            row = db.execute("SELECT seen, fired FROM fault_counts WHERE rule = ?", (rule,)).fetchone()
        return row["seen"], row["fired"]

    def count_fired(self, rule: str) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE fault_counts SET fired = fired + 1 WHERE rule = ?", (rule,))

    def fault_counts(self) -> dict[str, tuple[int, int]]:
        return {row["rule"]: (row["seen"], row["fired"]) for row in self._db.rows("SELECT * FROM fault_counts")}

    def forget_faults(self) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM fault_counts")
