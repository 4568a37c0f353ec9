"""Killed at steps of the ledger, in turn, and started again: at three of them, and with `make test-slow` at every other
one. The whole matrix is `make kill-matrix`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from grabient_assets_tests.new_tables import NewTables
from grabient_assets_tests.reliability.audit import Audit, audit, check_readable, paid_twice
from grabient_assets_tests.reliability.killing import Victim, victim
from grabient_assets_tests.reliability.machines import Services, bucket_server
from grabient_assets_tests.reliability.matrix import Cell, Row, table, undisturbed
from grabient_assets_tests.reliability.steps import (
    BESIDE,
    KILLS_BETWEEN_MACHINES,
    OTHER_KILLS,
    POINTS,
    STEPS,
    THREE_KILLS,
    Point,
)


@pytest.fixture(scope="module")
def two_at_once(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "data")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Victim]:
    with victim(tmp_path / "data") as found:
        yield found


def test_two_processes_at_once_ask_nothing_twice(two_at_once: Audit) -> None:
    assert (two_at_once.lost, two_at_once.paid_twice, two_at_once.wrong) == ((), (), ())
    assert len(two_at_once.answers) == 2 * (10 + 1 + 1)


def test_every_step_is_in_one_of_the_two_chains() -> None:
    assert {point.step for point, _ in (*THREE_KILLS, *OTHER_KILLS)} | {BESIDE} == set(STEPS)
    assert OTHER_KILLS[-1][0].beside


@pytest.mark.parametrize(
    "chain", [pytest.param(THREE_KILLS, id="three"), pytest.param(OTHER_KILLS, id="others", marks=pytest.mark.slow)]
)
def test_killed_at_steps_in_turn(chain: Sequence[tuple[Point, str]], house: Victim, two_at_once: Audit) -> None:
    for point, provider in chain:
        house.kill(point, provider)
        check_readable(house)
        assert paid_twice(house) == (), f"after {point.step} at {provider}"
    house.finish()
    found = audit(house)
    assert (found.lost, found.paid_twice, found.wrong) == ((), (), ())
    assert (house.kills, found.answers) == (len(chain), two_at_once.answers)


def test_killed_on_one_machine_and_brought_to_its_end_by_another(
    tmp_path: Path, new_tables: NewTables, two_at_once: Audit
) -> None:
    """The tables lie in PostgreSQL, and what is stored is what is stored in a file."""
    with bucket_server() as endpoint, victim(tmp_path / "shared", Services(new_tables, endpoint).house) as house:
        for point, provider in KILLS_BETWEEN_MACHINES:
            house.kill(point, provider)
            check_readable(house)
            assert paid_twice(house) == (), f"after {point.step} at {provider}"
        house.finish()
        found = audit(house)
    assert (found.lost, found.paid_twice, found.wrong) == ((), (), ())
    assert (house.kills, found.answers) == (len(KILLS_BETWEEN_MACHINES), two_at_once.answers)


def test_the_table_counts_and_names_what_is_wrong() -> None:
    point = POINTS[0]
    good = Row((Cell(point, "openai", 1, 0, 0), Cell(point, "groq", 1, 0, 0)), ())
    bad = Row((Cell(point, "groq", 1, 2, 3),), ("before intent at groq: lost: an answer",))
    lines = table([good, bad]).splitlines()
    assert " ".join(lines[2].split()) == "before intent - 1 / 0 / 0 2 / 2 / 3 -"
    assert lines[3:] == ["3 kills, 2 lost, 3 paid twice; WRONG: 1", "before intent at groq: lost: an answer"]
    assert table([good]).splitlines()[3:] == ["2 kills, 0 lost, 0 paid twice"]
