"""How long a provider is waited for, and how often a read is repeated. Creating a batch is never repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

    `direct` bounds a direct call as a whole; None: what the registry says of the provider.

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
    direct: float | None = None


def patiently(call: Callable[[], T], patience: Patience) -> T:
    """The result of `call`, repeated with growing jittered pauses while the provider is busy or out of reach."""
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        stop_before_delay,
        wait_exponential_jitter,
    )

    growing = wait_exponential_jitter(patience.pause, max=LONGEST_PAUSE, jitter=patience.pause)

    def named(error: BaseException | None) -> float | None:
        return error.retry_after if isinstance(error, ProviderBusyError) else None

    def passes(error: BaseException) -> bool:
        soon = (named(error) or 0.0) <= patience.retry_after_cap
        return soon and isinstance(error, (ProviderBusyError, ProviderUnreachableError))

    def pause(state: RetryCallState) -> float:
        retry_after = named(state.outcome.exception()) if state.outcome else None
        return growing(state) if retry_after is None else retry_after

    return Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_attempt(patience.attempts) | stop_before_delay(patience.total),
        wait=pause,
        sleep=interrupts.sleep,
        reraise=True,
    )(call)
