"""A data folder holds the answers of one mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.errors import SettingsError
from grabient_assets.ledger.batches import modes_sent_in

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def refuse_other_mode(connection: DuckDBPyConnection, answers_from: str) -> None:
    """Raise SettingsError when batches were sent from this folder in the other mode.

    Mixed, emulated answers would vote beside real ones, or take the place of answers that were paid for.
    """
    others = modes_sent_in(connection) - {answers_from}
    if others:
        other = others.pop()
        raise SettingsError(
            f"This data folder holds answers from {other} mode, and {answers_from} answers must not mix with them. "
            f"Set GRABIENT_DATA_DIR to another folder, such as .grabient-{answers_from}, and load the palettes there."
        )
