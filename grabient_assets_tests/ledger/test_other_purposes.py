"""The ledger holds any purpose: one about poems, with a table of its own, beside those about palettes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks, stop_asks, stopped_asks
from grabient_assets.ledger.budget import MONTH
from grabient_assets.ledger.funding import Funding, costs, open_funding, over_budget
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.plan import plan_target, plan_target_due, planning, planning_due
from grabient_assets.ledger.purpose import AnswerTable, Purpose
from grabient_assets.ledger.request_sizes import keep_request_sizes, kind_of, request_prices
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.house import House, palette

TARGET = AskTarget("openai", "gpt-4o-mini", "0" * 20)
KEY = HoldKey("echo", TARGET.provider, TARGET.model, "v1", None)
POEMS = [SubjectVersion("v1", name) for name in ("one", "two", "like one")]


def nothing(*_: object) -> Iterator[object]:
    raise AssertionError("nothing is sent or read here")


ECHO = Purpose(
    name="echo",
    noun="poem",
    table=AnswerTable(
        "echoes",
        ("poem_id",),
        "ON CONFLICT DO NOTHING",
        subject="poem_id",
        analysis_index="0",
        versions=("edition",),
    ),
    prompt=lambda version, _: load_palette_prompts(version)["tagging"],
    prepare=nothing,  # pyright: ignore[reportArgumentType] never called
    reader=nothing,  # pyright: ignore[reportArgumentType] never called
    line_bytes=lambda *_: 390,
    keys="SELECT poem_id AS subject, poem_key AS subject_key FROM poems",
    sizes="SELECT poem_id AS subject, rowid AS place, strlen(poem_key) AS bytes FROM poems",
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A palette that is asked about, and three poems, two of them equal."""
    found = House(tmp_path)
    found.write("CREATE TABLE poems (poem_id VARCHAR, poem_key VARCHAR)")
    found.write("INSERT INTO poems VALUES ('one', 'aaa'), ('two', 'bbbb'), ('like one', 'aaa')")
    found.write(
        """
        CREATE TABLE echoes (
            poem_id VARCHAR PRIMARY KEY, edition VARCHAR, provider VARCHAR, model VARCHAR, custom_id VARCHAR,
            error VARCHAR, created_at TIMESTAMPTZ, cost_usd DECIMAL(18, 10))
        """
    )
    found.ask(found.load(palette(1)))
    with found.warehouse.write() as connection:
        record_asks(connection, ECHO, POEMS, [TARGET], 1, found.clock())
    return found


def funding(house: House, budget: Decimal, echo: Purpose = ECHO) -> tuple[Funding, str]:
    """What a budget finishes of the poems and the palette, and the sentence about poems that wait."""
    purposes = {**PURPOSES, echo.name: echo}
    with house.warehouse.write() as connection:
        keep_request_sizes(connection, purposes, PROVIDERS, house.clock().date())
        prices = request_prices(connection, house.clock())
        found = open_funding(connection, purposes, budget, house.clock(), prices)
        assert found is not None
        return found, over_budget(found, echo.noun, KEY, prices[kind_of(KEY)])


def test_poems_and_palettes_share_the_money_and_equal_poems_are_paid_once(house: House) -> None:
    found, said = funding(house, Decimal("0.0000001"))
    waiting = {one.key.subject_key: one for one in found.waiting}
    assert [(key, one.subjects) for key, one in waiting.items() if one.key.noun == "poem"] == [("aaa", 2), ("bbbb", 1)]
    assert len(waiting) == 3 and "3 poems wait." in said
    each = costs(waiting["aaa"], [MONTH])[MONTH].high
    assert each == costs(waiting["bbbb"], [MONTH])[MONTH].high
    found, said = funding(house, each)
    assert [key.subject_key for key in found.whole] == ["aaa"] and "1 poem waits." in said


def test_what_is_answered_is_begun_and_goes_first(house: House) -> None:
    each = costs(funding(house, Decimal("0.0000001"))[0].waiting[0], [MONTH])[MONTH].high
    house.write("INSERT INTO echoes VALUES ('two', 'v1', 'openai', 'gpt-4o-mini', 'another-00', NULL, now(), 0)")
    assert [key.subject_key for key in funding(house, each)[0].whole] == ["bbbb"]


def test_what_is_to_come_is_set_aside_too(house: House) -> None:
    """At the ledger's price, or at the group's own."""
    row = "SELECT 'two' AS subject, 'v1' AS prompt_version, NULL AS cap_id, false AS allow_unpriced"
    alone = {one.key: costs(one, [MONTH])[MONTH] for one in funding(house, Decimal("0.0000001"))[0].waiting}
    for to_come, more in (
        (f"{row}, 'openai' AS provider, 'gpt-4o-mini' AS model, 2 AS requests", None),
        (f"{row}, 0 AS requests, 0.5 AS high, 0.2 AS expected, 0.1 AS spread", Decimal("0.5")),
    ):
        found, _ = funding(house, Decimal("0.0000001"), replace(ECHO, to_come=to_come))
        for one in found.waiting:
            cost, before = costs(one, [MONTH])[MONTH].high, alone[one.key].high
            extra = (2 * before if more is None else more) if one.key.subject_key == "bbbb" else Decimal(0)
            assert cost == before + extra


def test_a_plan_counts_them(house: House) -> None:
    with house.warehouse.read() as connection, planning(connection, ECHO, [one.subject for one in POEMS]):
        counts = plan_target(connection, ECHO, "v1", TARGET, 1, {"v1": TARGET.request_digest})
    assert ({name: count for name, count in counts.missing.items() if count}, counts.equal) == ({"waiting": 2}, 1)
    (lines,) = counts.lines
    assert lines.subject_bytes.tolist() == [3, 4]
    with house.warehouse.read() as connection, planning_due(connection, ECHO, "openai"):
        due = plan_target_due(connection, ECHO, "openai", TARGET.model, {"v1": TARGET.request_digest})
    assert ({name: count for name, count in due.missing.items() if count}, due.equal) == ({"new_subject": 2}, 1)


def test_what_is_stopped_is_called_by_its_noun(house: House) -> None:
    with house.warehouse.write() as connection:
        stop_asks(connection, "echo", "openai", None, "No key.", house.clock())
        [stopped] = stopped_asks(connection, {**PURPOSES, "echo": ECHO})
    assert stopped.sentence == "Stopped: gpt-4o-mini of openai, 3 poems. No key."
