"""A process that is asked to end at one exact moment:
`python -m grabient_assets_tests.reliability.asked MOMENT PROVIDER SIGNAL FOLDER ARGS`

It runs the console script with ARGS under the profile function of doomed.py. At the trap it sends itself the signal and
goes on as soon as the signal is noticed; what it does then is the program's own affair. Beside the emulator of FOLDER
it leaves a note of how many calls had arrived there by then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from grabient_assets import interrupts
from grabient_assets.__main__ import main as console_script
from grabient_assets.emulator.endpoint import read_endpoint
from grabient_assets_tests.pipeline.place import control
from grabient_assets_tests.reliability.doomed import Doom, import_what_is_slow
from grabient_assets_tests.reliability.steps import MOMENTS, Point

NOTE = "asked.json"
NOTICED_WITHIN_SECONDS = 5.0
ARRIVES_WITHIN_SECONDS = 0.1


class Ask(Doom):
    """The profile function; at the trap it asks the process to end."""

    def __init__(self, moment: Point, provider: str, number: int, folder: Path) -> None:
        super().__init__(moment, provider)
        self._number, self._folder = number, folder

    def strike(self) -> None:
        asked_at = time.time()
        self._note(asked_at)  # for an end that is at once
        os.kill(os.getpid(), self._number)
        give_up = time.monotonic() + NOTICED_WITHIN_SECONDS
        while interrupts.requested() is None and time.monotonic() < give_up:
            time.sleep(0.001)
        # Another thread may have been sending when the signal came. Its call arrives while this thread stands here.
        before = None
        while before != (now := self._note(asked_at)) and time.monotonic() < give_up:
            before = now
            time.sleep(ARRIVES_WITHIN_SECONDS)

    def _note(self, asked_at: float) -> object:
        """Write down how many calls have arrived by now."""
        endpoint = read_endpoint(self._folder)
        counts = {} if endpoint is None else control(endpoint, "calls")["counts"]
        (self._folder / NOTE).write_text(json.dumps({"counts": counts, "at": asked_at}), encoding="utf-8")
        return counts


def main() -> None:
    place, provider, name, folder, *arguments = sys.argv[1:]
    import_what_is_slow()
    sys.argv = ["grabient", *arguments]
    Ask(MOMENTS[int(place)], provider, signal.Signals[name], Path(folder)).arm()
    console_script()


if __name__ == "__main__":
    main()
