"""Killed while vectors are asked for, in batches and directly. `make kill-matrix` has every step and provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets.registry.model import Delivery, Model
from grabient_assets_tests.emulator.running import running
from grabient_assets_tests.groups.search.place import NOMIC, SMALL, TWO
from grabient_assets_tests.reliability.embedding import Killed, kill, table, wrong

SOME: tuple[tuple[Delivery, Model, str], ...] = (
    ("batch", SMALL, "the receipt is written, not committed"),
    ("direct", NOMIC, "the call is answered, the answer not written"),
)
OTHERS: tuple[tuple[Delivery, Model, str], ...] = (
    ("batch", TWO, "the intent is written"),
    ("batch", TWO, "within the transaction"),
    ("direct", TWO, "the results are archived"),
)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [pytest.param(SOME, id="some"), pytest.param(OTHERS, id="others")])
def test_killed_nothing_is_lost_or_paid_twice(chosen: tuple[tuple[Delivery, Model, str], ...], tmp_path: Path) -> None:
    with running(tmp_path / "emulator", models=None) as emulator:
        for number, (delivery, model, step) in enumerate(chosen):
            found = kill(tmp_path / str(number), emulator, model, delivery, step)
            assert (found.died, found.lost, found.paid_twice) == (True, 0, 0), (delivery, step, found)
            assert (found.missing > 0) == (step == "the call is answered, the answer not written")


def test_the_table_and_what_is_wrong() -> None:
    good, bad = Killed(True, 0, 0, 2), Killed(True, 1, 0, 0)
    found = [("direct", "a", SMALL, good), ("direct", "b", SMALL, good), ("batch", "a", TWO, bad)]
    lines = [" ".join(line.split()) for line in table(found).splitlines()]  # pyright: ignore[reportArgumentType]
    assert lines[1:] == ["embedding in batches - - 1 / 1 / 0 / 0", "direct 2 / 0 / 0 / 4 - -"]
    assert len(wrong(found)) == 1  # pyright: ignore[reportArgumentType]
