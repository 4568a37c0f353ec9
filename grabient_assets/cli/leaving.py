"""Immediate exit of the process, and the handling of signals before and after everything else.

It imports next to nothing, because a signal that comes before it is imported ends the process by Python's own means.
"""

import _imp
import atexit
import os
import select
import signal
import sys

STOPPED = "Stopped. Nothing is lost: run the same command again to go on."
WRITE_SECONDS = 0.5
"""The time after which a terminal that takes no text is given up."""
STDERR = 2
SHOW_CURSOR = "\x1b[?25h"
"""A live table hides the cursor of the terminal."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle_signals() -> None:
    """From now on a signal ends the process at once, with a sentence. A signal after the work is done has no effect:
    atexit calls last the function that is registered first.

    Ctrl-C before this call is an exception in the middle of Python's start. Python may drop it and leave the import
    lock taken, and every other thread would wait for that without end.
    """
    handled = [one for one in SIGNALS if signal.getsignal(one) not in (signal.SIG_IGN, None)]
    for one in handled:
        signal.signal(one, lambda number, _: leave_at_once(number, STOPPED))
    if _imp.lock_held():
        leave_at_once(signal.SIGINT, STOPPED)

    def ignore_signals() -> None:
        from contextlib import suppress

        for stream in (sys.stdout, sys.stderr):  # signals still work while a slow reader blocks this
            with suppress(OSError, ValueError):  # Python tries it once more, and reports the error
                stream.flush()
        for one in handled:
            signal.signal(one, signal.SIG_IGN)

    atexit.register(ignore_signals)


def leave_at_once(number: int, words: str) -> None:
    """End the process. A signal handler must not wait for a lock, so this uses no thread and no stream."""
    try:
        if select.select([], [STDERR], [], WRITE_SECONDS)[1]:
            os.write(STDERR, f"{_on_the_terminal(words)}\n".encode())
    except (OSError, ValueError):  # nobody reads stderr any more
        pass
    os._exit(128 + number)


def _on_the_terminal(words: str) -> str:
    """The text for a terminal: with the cursor, which a live table hides; below the `^C` or the question in the current
    line; and with lines that end between words."""
    if not os.isatty(STDERR):
        return words
    columns = os.get_terminal_size(STDERR).columns or len(words)
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join([SHOW_CURSOR, *lines])
