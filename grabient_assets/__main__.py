"""The console script `grabient`, also `python -m grabient_assets`."""


def main() -> None:
    """Run the command that the arguments name. Signals are handled before anything is imported that takes time, and
    until Python takes itself apart, where it would end the process by the signal."""
    from grabient_assets.cli.leaving import handle_signals

    handle_signals()
    from grabient_assets.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
