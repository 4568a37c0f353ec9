"""How long a provider is waited for, and how often a read is repeated. Creating a batch is never repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from grabient_assets import interrupts
from grabient_assets.errors import ProviderBusyError, ProviderUnreachableError

T = TypeVar("T")

LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `read` bounds connecting and each wait for bytes of polls and lists, `transfer` those of creates,
    uploads and downloads; `whole_read` and `whole_transfer` bound the whole answer. A read is tried `attempts` times
    within `total`, after pauses that double from `pause` to LONGEST_PAUSE; a Retry-After above `retry_after_cap` is
    left to the caller, who knows better what else there is to do.

    A poll can be long: a server that knows no selection of fields puts all answers of a small batch of Google, up to
    20 MB, into it. Files have up to 2 GB.
    """

    read: float = 10.0
    transfer: float = 300.0
    whole_read: float = 120.0
    whole_transfer: float = 3600.0
    attempts: int = 3
    total: float = 30.0
    pause: float = 0.5
    retry_after_cap: float = 10.0


def patiently(call: Callable[[], T], patience: Patience) -> T:
    """The result of `call`, repeated with growing jittered pauses while the provider is busy or out of reach."""
    began = time.monotonic()
    for attempt in count(1):
        try:
            return call()
        except (ProviderBusyError, ProviderUnreachableError) as error:
            pause = _pause(error, attempt, patience)
            if attempt >= patience.attempts or time.monotonic() - began + pause > patience.total:
                raise
        interrupts.sleep(pause)
    raise AssertionError("the loop above has no end")


def _pause(error: ProviderBusyError | ProviderUnreachableError, attempt: int, patience: Patience) -> float:
    """Seconds until the next attempt; infinity where that is left to the caller."""
    if isinstance(error, ProviderBusyError) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= patience.retry_after_cap else float("inf")
    return min(patience.pause * 2 ** (attempt - 1) * random.uniform(1.0, 2.0), LONGEST_PAUSE)
