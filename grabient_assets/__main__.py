"""The console script `grabient`, also `python -m grabient_assets`."""

import gc

NEW_OBJECTS = 100_000
"""Python looks for garbage after so many new objects; its own number is 700. Modules, models and rows stay to the end
of a command, and looking through them that often takes a tenth of the CPU of a short run (measured)."""


def main() -> None:
    """Run the command that the arguments name. Signals are handled before anything is imported that takes time, and
    until Python takes itself apart, where it would end the process by the signal."""
    from grabient_assets.cli.leaving import handle_signals

    handle_signals()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    from grabient_assets.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
