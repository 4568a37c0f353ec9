"""Deadlines of provider calls, and the retries of reads. Creating a batch is never repeated.

Timeouts of an HTTP client bound each wait for bytes. A server that sends one byte now and then would be awaited without
end, and so would all later work. So a deadline bounds the whole answer. Both HTTP libraries read through a network
backend, where the remaining time is known at every byte: heads, bodies and uploads, through proxies too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from grabient_assets import interrupts
from grabient_assets.errors import ProviderBusyError, ProviderUnreachableError

T = TypeVar("T")

LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` bounds connecting and each wait for bytes of polls and lists, `transfer` those of creates,
    uploads and downloads; `whole_read` and `whole_transfer` bound the whole answer. A read is tried `attempts` times
    within `total`, after pauses that double from `pause` to LONGEST_PAUSE; a Retry-After above `retry_after_cap` is
    left to the caller, who knows better what else there is to do.

    `direct` bounds a direct call as a whole; None: what the registry says of the provider. `clock` gives the seconds
    by which whole answers are measured.

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
    clock: Callable[[], float] = time.monotonic


def with_retries(call: Callable[[], T], timeouts: Timeouts) -> T:
    """The result of `call`, repeated with growing jittered pauses while the provider is busy or out of reach."""
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        stop_before_delay,
        wait_exponential_jitter,
    )

    growing = wait_exponential_jitter(timeouts.pause, max=LONGEST_PAUSE, jitter=timeouts.pause)

    def retry_after_of(error: BaseException | None) -> float | None:
        return error.retry_after if isinstance(error, ProviderBusyError) else None

    def worth_retrying(error: BaseException) -> bool:
        soon = (retry_after_of(error) or 0.0) <= timeouts.retry_after_cap
        return soon and isinstance(error, (ProviderBusyError, ProviderUnreachableError))

    def pause(state: RetryCallState) -> float:
        retry_after = retry_after_of(state.outcome.exception()) if state.outcome else None
        return growing(state) if retry_after is None else retry_after

    return Retrying(
        retry=retry_if_exception(worth_retrying),
        stop=stop_after_attempt(timeouts.attempts) | stop_before_delay(timeouts.total),
        wait=pause,
        sleep=interrupts.sleep,
        reraise=True,
    )(call)


TIME_IS_OVER = "no whole answer within"
"""How the error of a call begins that took longer than it may."""

WRITTEN_AT_ONCE = 65_536
"""The bytes of an upload between two checks of the clock."""


class Deadline:
    """The end of the request that a thread is at. `begin` is a request hook of the client that is attached."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._thread = threading.local()

    def begin(self, request: Any) -> None:
        """The time of this request begins; a redirect and the next page of a list are requests of their own. Raises
        Interrupted when the program is to end."""
        interrupts.check_before_sending()
        waits = request.extensions.get("timeout", {}).get("read") or 0.0
        timeouts = self._timeouts
        usual = timeouts.whole_read if waits <= timeouts.read else timeouts.whole_transfer
        self._thread.seconds = getattr(self._thread, "whole", None) or usual
        self._thread.end = timeouts.clock() + self._thread.seconds

    @contextmanager
    def whole(self, seconds: float) -> Iterator[None]:
        """Requests of this thread in the block have so many seconds each."""
        self._thread.whole = seconds
        try:
            yield
        finally:
            self._thread.whole = None

    @contextmanager
    def within(self, timeout: float | None) -> Iterator[float]:
        """Seconds to wait for the next bytes. Raises TimeoutError when the request's time is over, also during the
        wait."""
        left = self._left()
        try:
            yield left if timeout is None else min(timeout, left)
        except Exception:
            self._left()
            raise

    def _left(self) -> float:
        left = self._thread.end - self._timeouts.clock()
        if left <= 0:
            raise TimeoutError(f"{TIME_IS_OVER} {self._thread.seconds:g} seconds") from None
        return left

    def attach(self, client: Any) -> None:
        """Make every connection of the httpx or httpx2 client check the clock. Neither library has a public way to name
        the backend without giving up proxies from the environment."""
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None:  # None: an address that no proxy is asked for
                transport._pool._network_backend = _Backend(transport._pool._network_backend, self)


class _Backend:
    """A network backend of httpcore or httpcore2 whose streams keep the deadline."""

    def __init__(self, inner: Any, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        with self._deadline.within(timeout) as seconds:
            return _Stream(self._inner.connect_tcp(host, port, timeout=seconds, **more), self._deadline)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Stream:
    """A network stream that keeps the deadline."""

    def __init__(self, inner: Any, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Waits in slices, because a request to stop the program is seen only between them."""
        with self._deadline.within(timeout) as seconds:
            end = time.monotonic() + seconds
            while True:
                interrupts.check()
                left = end - time.monotonic()
                try:
                    return self._inner.read(max_bytes, timeout=min(max(left, 0.0), interrupts.SLICE_SECONDS))
                except Exception as error:
                    if left <= interrupts.SLICE_SECONDS or type(error).__name__ != "ReadTimeout":
                        raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        for start in range(0, len(view), WRITTEN_AT_ONCE):
            interrupts.check()
            with self._deadline.within(timeout) as seconds:
                self._inner.write(view[start : start + WRITTEN_AT_ONCE], timeout=seconds)

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        with self._deadline.within(timeout) as seconds:
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout=seconds), self._deadline)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
