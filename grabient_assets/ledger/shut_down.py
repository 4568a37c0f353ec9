"""Models that are not served any more are not asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import stop_asks
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def stop_refused(connection: DuckDBPyConnection, purpose: str, models: Sequence[Model], now: datetime) -> None:
    """Stop what is open of the models that are shut down by now, or not out yet; the reason names a replacement."""
    for model, reason in load_registry().refusals(models, now.date()).items():
        stop_asks(connection, purpose, model.provider, model.id, reason, now)
