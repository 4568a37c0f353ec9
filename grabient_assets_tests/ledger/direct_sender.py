"""A process that asks directly for what is due at OpenAI, and may kill itself at one step:
`python -m grabient_assets_tests.ledger.direct_sender FOLDER BASE_URL [STEP]`

The steps are functions of the ledger, in the order of the work. There the process ends as by `kill -9`: no `finally`
and no exit handler runs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal, TypeAlias

from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger import archive, batches, collect, direct
from grabient_assets.ledger.call_journal import FileJournal, forget_calls
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.ledger.machines import house_at

Step: TypeAlias = tuple[Callable[..., Any], Literal["call", "return"], int]
"""Function, whether it is called or returns, and the how-manieth time."""

STEPS: dict[str, Step] = {
    "before the intent": (batches.insert_intent, "call", 1),
    "the intent is written": (direct.make_calls, "call", 1),
    "a call is noted and not made": (FileJournal.began, "return", 3),
    "the call is answered, the answer not written": (FileJournal.answered, "call", 3),
    "between two calls": (FileJournal.answered, "return", 3),
    "all are answered": (direct.fetch_calls, "call", 1),
    "the results are archived": (archive.archive_results, "return", 1),
    "within the transaction": (collect.write_settled, "return", 1),
    "the transaction is over": (forget_calls, "call", 1),
}


def die_at(step: Step) -> None:
    """Kill this process there."""
    function, happening, times = step
    code: CodeType = function.__code__
    left, counting = [times], threading.Lock()

    def watch(frame: FrameType, what: str, _: Any) -> None:
        if frame.f_code is not code or what != happening:
            return
        with counting:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def main(folder: Path, base: str, step: str | None = None) -> None:
    """Send once."""
    house = house_at(folder)
    provider = connect("openai", "emulator", base, Timeouts(read=60, transfer=60, attempts=1))
    connection = Connection(provider, "emulator", "emulator", timedelta(0), None)
    if step is not None:
        die_at(STEPS[step])
    submit_due(EMBEDDING, Submission(connection, PURPOSES, house.warehouse, house.store, lambda: datetime.now(UTC)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
