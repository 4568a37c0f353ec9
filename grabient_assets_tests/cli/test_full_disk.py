"""A disk that is full when a command starts, or when Dagster writes its own records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import grabient, palettes
from grabient_assets_tests.ledger.disks import SmallDisk, small_disk

ROOM = 1_600_000
"""Enough for the database, not enough for Dagster's records beside it."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def test_load_says_so_in_one_sentence_and_goes_on_when_there_is_room(disk: SmallDisk, tmp_path: Path) -> None:
    data, file = disk.folder / "data", palettes(tmp_path, 2)
    disk.fill()
    ended = grabient(data, "load", file)
    assert (ended.code, ended.out) == (1, "")
    assert "grabient.duckdb cannot be written" in ended.err and "Free space on the disk, then run again" in ended.err
    disk.leave(ROOM)
    ended = grabient(data, "load", file)
    assert ended.code == 1 and "Traceback" not in ended.err
    assert "Dagster's records" in ended.err and "full" in ended.err and "run again" in ended.err
    disk.free()
    ended = grabient(data, "load", file, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["known"] == 2, "stored before Dagster's records were tried"
