"""The tables prompt_versions and prompt_texts: the present and past texts of each version, and where they were used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.batches import EMULATOR_ACCOUNT
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """One row of `prompt_versions` and of `prompt_texts`. `digest` is the SHA-256 of body, schema and parameters."""

    prompt_version: str
    purpose: str
    digest: str
    text: str
    message: str
    recorded_at: datetime


def record_prompt(connection: DuckDBPyConnection, record: PromptRecord) -> None:
    """Record a prompt: as the present text of its version, and permanently as the text of its digest."""
    updates = ", ".join(f"{c} = excluded.{c}" for c in ("digest", "text", "message", "recorded_at"))
    insert_rows(
        connection,
        "prompt_versions",
        [record],
        f"ON CONFLICT DO UPDATE SET {updates} WHERE prompt_versions.digest <> excluded.digest",
    )
    insert_rows(connection, "prompt_texts", [record], "ON CONFLICT DO NOTHING")


def asked_prompt_versions(connection: DuckDBPyConnection, purposes: Sequence[str]) -> list[str]:
    """The prompt versions under which something was asked for one of these purposes, here or by an earlier system, in
    the order of their names."""
    named = "SELECT purpose, prompt_version FROM"
    query = (
        f"WITH named AS ({named} prompt_versions UNION ALL {named} imports) SELECT DISTINCT prompt_version FROM named"
    )
    rows = connection.execute(f"{query} WHERE list_contains($1, purpose) ORDER BY ALL", [list(purposes)]).fetchall()
    return [row[0] for row in rows]


def wording(connection: DuckDBPyConnection, purpose: str, digest: str) -> str | None:
    """The text of this digest; None for one that was never asked with."""
    query = "SELECT text FROM prompt_texts WHERE purpose = ? AND digest = ?"
    row = connection.execute(query, [purpose, digest]).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True)
class PromptUse:
    """The requests under one text, in one mode; `answers` counts the usable ones.

    `prompt_versions` are the versions they were sent under, in the order of their names: several share a text.
    """

    purpose: str
    digest: str
    mode: str
    prompt_versions: tuple[str, ...]
    batches: int
    requests: int
    answers: int
    first: datetime
    last: datetime
    cost_usd: Decimal


def prompt_uses(connection: DuckDBPyConnection) -> list[PromptUse]:
    """The uses of each text, by its digest; oldest first."""
    rows = connection.execute(
        """
        SELECT purpose, prompt_digest, CASE WHEN account = $1 THEN 'emulator' ELSE 'live' END AS mode,
               list_sort(list(DISTINCT prompt_version)), count(*), sum(request_count)::BIGINT, sum(succeeded)::BIGINT,
               min(submitted_at), max(submitted_at), coalesce(sum(cost_usd), 0)
        FROM batches WHERE provider_batch_id IS NOT NULL OR (delivery = 'direct' AND status = 'collected')
        GROUP BY ALL ORDER BY min(submitted_at), purpose, prompt_digest, mode
        """,
        [EMULATOR_ACCOUNT],
    ).fetchall()
    return [
        PromptUse(purpose, digest, mode, tuple(versions), *figures)
        for purpose, digest, mode, versions, *figures in rows
    ]


def keep_wording(connection: DuckDBPyConnection, prompt: Prompt, now: datetime) -> None:
    """Record the prompt as it reads now."""
    record_prompt(
        connection, PromptRecord(prompt.version, prompt.purpose, prompt.digest, prompt.text, prompt.message, now)
    )
