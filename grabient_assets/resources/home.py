"""The Dagster instance that belongs to the data folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from grabient_assets.errors import SettingsError
from grabient_assets.settings import PROJECT_DIR, Settings

if TYPE_CHECKING:
    import dagster as dg


def prepare_dagster_home(settings: Settings) -> None:
    """Make the folder, put the project's dagster.yaml into it when it has none, and name it to Dagster.

    A folder that the owner names with DAGSTER_HOME keeps its own dagster.yaml.
    """
    home = settings.dagster_home
    ours = settings.data_dir / "dagster" == home
    template = (PROJECT_DIR / "dagster.yaml").read_text(encoding="utf-8")
    config = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not config.exists() or (ours and config.read_text(encoding="utf-8") != template):
            config.write_text(template, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"The Dagster folder {home} cannot be written ({error.strerror}). Make it writable, or set "
            "GRABIENT_DATA_DIR to a folder that is."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of runs, events and partitions that `dagster dev` on the same data folder shows."""
    import dagster as dg

    prepare_dagster_home(settings)
    return dg.DagsterInstance.get()
