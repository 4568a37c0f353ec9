"""Result files as they arrive: whole lines, one at a time, and an error when the file breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from grabient_assets.errors import GrabientError, RequestRejectedError, ResultsError, SlowResultsError
from grabient_assets.providers.faults import is_timeout, translate, translated
from grabient_assets.providers.patience import Patience, patiently

Opener = Callable[[ExitStack], Iterable[bytes]]


def stream_lines(
    opened: Opener, provider: str, key: str, what: str, patience: Patience
) -> Generator[bytes, None, None]:
    """The lines of the file that `opened` starts to read. `what` names it: "the results of batch b-1".

    Starting is repeated like any read. Raises ResultsError when the file is gone, or breaks off in the middle, as
    SlowResultsError when it was the time that ran out.
    """
    with ExitStack() as stack:

        def start() -> Iterable[bytes]:
            with translated(provider, key, f"opening {what}", file=True):
                return opened(stack)

        try:
            chunks = patiently(start, patience)
        except RequestRejectedError as error:
            raise ResultsError(provider, f"{error} The results can no longer be fetched this way.") from None
        try:
            yield from whole_lines(chunks, provider, what)
        except GrabientError:
            raise
        except Exception as error:
            fault = translate(error, provider, key, f"reading {what}")
            if fault is None:
                raise
            raise _broken_off(provider, what, str(fault), is_timeout(error)) from None


def whole_lines(chunks: Iterable[bytes], provider: str, what: str) -> Iterator[bytes]:
    """The non-blank lines in `chunks`. A last line without an end must be a whole JSON object, or the file was cut."""
    pending: list[bytes] = []
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        for following in rest:
            line = b"".join(pending).rstrip(b"\r")
            if line.strip():
                yield line
            pending = [following]
    last = b"".join(pending).rstrip(b"\r")
    if last.strip():
        if not _is_object(last):
            # Its text is not shown: it may end in half a key, which nobody would recognise and take out.
            raise _broken_off(provider, what, f"The last line is incomplete ({len(last)} bytes).")
        yield last


def stream_from(http: Any, url: str, headers: dict[str, str], timeout: float) -> Opener:
    """An Opener that reads `url` past the SDK. Redirects are not followed: the file must come from where asked."""

    def opened(stack: ExitStack) -> Iterable[bytes]:
        stream = http.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False)
        response = stack.enter_context(stream)
        if response.status_code != 200:
            response.read()
            response.raise_for_status()
        return response.iter_bytes()

    return opened


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
    except RecursionError:  # nested too deeply to tell; what comes to an end like an object is taken for one
        return line.endswith(b"}")


def _broken_off(provider: str, what: str, why: str, slow: bool = False) -> ResultsError:
    kind = SlowResultsError if slow else ResultsError
    return kind(provider, f"While reading {what}, the file broke off. {why} Nothing of it counts; download it again.")
