"""One data folder per test, one emulator for all."""

from __future__ import annotations

from grabient_assets_tests.groups.knowledge.conftest import knowledge
from grabient_assets_tests.ledger.conftest import emulator, place

__all__ = ["emulator", "knowledge", "place"]
