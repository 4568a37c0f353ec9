"""The table prompt_versions: what exactly each version said when it was used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """One row of `prompt_versions`. `digest` is the SHA-256 of body, schema and parameters."""

    prompt_version: str
    purpose: str
    digest: str
    text: str
    message: str
    recorded_at: datetime


def record_prompt(connection: DuckDBPyConnection, record: PromptRecord) -> None:
    """Record a prompt as it is now; the text of the same version that stood there before is replaced."""
    updates = ", ".join(f"{c} = excluded.{c}" for c in ("digest", "text", "message", "recorded_at"))
    insert_rows(
        connection,
        "prompt_versions",
        [record],
        f"ON CONFLICT DO UPDATE SET {updates} WHERE prompt_versions.digest <> excluded.digest",
    )
