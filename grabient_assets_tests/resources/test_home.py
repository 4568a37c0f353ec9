"""The Dagster folder: opened by several processes at once, and by nobody when it cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grabient_assets.errors import GrabientError, SettingsError
from grabient_assets.partitions import SEEDS, add_partitions
from grabient_assets.resources.home import dagster_instance, damaged_records
from grabient_assets.settings import load_settings
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import environment_of

PROCESSES = 4
_OPEN = """
from grabient_assets.resources.home import dagster_instance
from grabient_assets.settings import load_settings

with dagster_instance(load_settings()) as instance:
    print(instance.get_runs_count(), instance.get_dynamic_partitions("palettes"), instance.all_instigator_state())
"""


def test_several_processes_open_a_new_folder_at_once(tmp_path: Path):
    environment = environment_of(tmp_path / "data")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    said = [(*process.communicate(timeout=HANGING_SECONDS), process.returncode) for process in started]
    assert said == [("0 [] []\n", "", 0)] * PROCESSES


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(
        SettingsError, match=r"The Dagster folder .*/data/dagster cannot be written \(Not a directory\)"
    ):
        dagster_instance(load_settings({"GRABIENT_DATA_DIR": str(tmp_path / "data")}))


@pytest.mark.parametrize("file", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_damaged_records_are_named_and_moving_them_aside_loses_no_palette(file: str, tmp_path: Path):
    settings = load_settings({"GRABIENT_DATA_DIR": str(tmp_path / "data")})
    home = settings.dagster_home
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one"])
    spoilt = home / file
    pages = spoilt.stat().st_size // 4096 - 1
    for content in (b"no database at all", spoilt.read_bytes()[:4096] + b"Z" * 4096 * pages):
        for rest in spoilt.parent.glob(f"{spoilt.name}-*"):
            rest.unlink()
        spoilt.write_bytes(content)
        with pytest.raises(GrabientError) as caught:
            dagster_instance(settings)
        assert f"{spoilt} is damaged (" in str(caught.value) and f"`mv {home} {home}.damaged`" in str(caught.value)
        assert damaged_records(home) == str(caught.value)
    home.rename(f"{home}.damaged")
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one", "two"])  # what `grabient load` does, also with palettes that are known
        assert instance.get_dynamic_partitions(SEEDS) == ["one", "two"]


@pytest.mark.parametrize("with_log", [False, True])
@pytest.mark.parametrize("file", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_files_without_a_byte_are_made_anew(file: str, with_log: bool, tmp_path: Path):
    settings = load_settings({"GRABIENT_DATA_DIR": str(tmp_path / "data")})
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one"])
    spoilt = settings.dagster_home / file
    for rest in spoilt.parent.glob(f"{spoilt.name}-*"):
        rest.unlink()
    if with_log:
        spoilt.with_name(f"{spoilt.name}-wal").write_bytes(b"what a dead process left" * 99)
    spoilt.write_bytes(b"")
    with dagster_instance(settings) as instance:
        add_partitions(instance, ["one"])
        assert instance.get_dynamic_partitions(SEEDS) == ["one"]
        assert instance.get_runs_count() == 0 and list(instance.all_instigator_state()) == []
