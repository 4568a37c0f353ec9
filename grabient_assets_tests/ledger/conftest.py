"""One data folder and one provider per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.ledger.house import ADDRESS, House
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider
from grabient_assets_tests.new_tables import NewTables


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> House:
    if getattr(request, "param", "file") == "postgres":
        tables: NewTables = request.getfixturevalue("new_tables")
        (tmp_path / ADDRESS).write_text(tables.new_database(), encoding="utf-8")
    return House(tmp_path)


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    return ScriptedProvider(clock=house.clock)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator in a thread that serves the models of the registry."""
    with running(tmp_path_factory.mktemp("emulator"), models=None) as emulator:
        yield emulator


@pytest.fixture
def place(tmp_path: Path, emulator: Running) -> Place:
    return Place(House(tmp_path), emulator)
