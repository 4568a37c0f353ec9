"""The process between the studio and `grabient run`: it waits, and writes down the exit code.

The studio may have ended by then. Signals to the group reach `grabient run` itself; this process outlives them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def main(exit_file: Path, command: list[str]) -> int:
    """Run the command to its end. It handles signals as usual, also where whoever started this ignores them."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, lambda *_: None)
    code = subprocess.call(command)
    code = 128 - code if code < 0 else code
    draft = exit_file.with_suffix(".tmp")
    draft.write_text(f"{code}\n", encoding="utf-8")
    draft.replace(exit_file)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
