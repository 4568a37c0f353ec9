"""What exactly is asked is kept from the moment it is asked: a draft may be edited later, and shared answers need no
batch."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.prompts import PromptRecord, record_prompt
from grabient_assets.prompting.prompt import Prompt

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def keep_wording(connection: DuckDBPyConnection, prompt: Prompt, now: datetime) -> None:
    """Record the prompt as it reads now."""
    record_prompt(
        connection, PromptRecord(prompt.version, prompt.purpose, prompt.digest, prompt.text, prompt.message, now)
    )
