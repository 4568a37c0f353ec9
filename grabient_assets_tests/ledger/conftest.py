"""One data folder and one provider per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    return ScriptedProvider(clock=house.clock)
