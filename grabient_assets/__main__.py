"""The console script `grabient`, also `python -m grabient_assets`."""

import os
import signal


def main() -> None:
    """Run the command that the arguments name. Signals are handled before anything is imported that takes time."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, lambda number, _: os._exit(128 + number))
    from grabient_assets.cli.stopping import leave_when_asked

    leave_when_asked()
    from grabient_assets.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
