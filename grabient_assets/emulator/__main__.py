"""`python -m grabient_assets.emulator --data-dir DIR`: the offline providers as a process of their own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grabient_assets.emulator.endpoint import EmulatorEndpoint
from grabient_assets.emulator.server import serve
from grabient_assets.errors import EmulatorError


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m grabient_assets.emulator",
        description="Serves the APIs of Anthropic, OpenAI, Groq, Gemini and Vectorize on loopback, offline.",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the project's data")
    parser.add_argument("--port", type=int, default=0, help="port, 0 for a free one (default)")
    parser.add_argument("--polls", type=int, default=2, help="how often a batch is asked for until it ends (default 2)")
    parser.add_argument("--faults", type=Path, help="fault script, TOML or YAML")
    parser.add_argument("--idle-exit", type=float, metavar="SECONDS", help="end after so long without a request")
    options = parser.parse_args()
    try:
        serve(
            options.data_dir,
            port=options.port,
            polls=options.polls,
            faults=options.faults,
            idle_exit_seconds=options.idle_exit,
            announce=_announce,
        )
    except EmulatorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _announce(endpoint: EmulatorEndpoint) -> None:
    lines = [
        f"Emulated providers at {endpoint.url}",
        *(f"  {name:10} {url}" for name, url in endpoint.base_urls.items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
