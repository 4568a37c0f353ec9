"""A provider as the ledger uses it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from grabient_assets.providers.contract import BatchProvider


@dataclass(frozen=True, slots=True)
class Connection:
    """An open provider, and the digest of the credential and the endpoint."""

    provider: BatchProvider
    account: str
    answers_from: str
    """`emulator` or `live`: part of what identifies a request."""
    settling: timedelta
    """The time after a create call in which an unlisted batch may still appear in the provider's list."""
    budget_usd: Decimal | None
    """The most to spend in a calendar month, over all providers; None: no limit."""
    usable: tuple[str, ...] = ()
    """All providers that can be asked now: some requests follow only when each of them was asked."""


Connect: TypeAlias = Callable[[str], AbstractContextManager[Connection]]
"""Opens a connection to the named provider and closes it at the end of the block."""
