"""What may be spent: set aside at the intent, settled at the collection. Every sum is worked out by hand.

gpt-4o-mini in a batch costs 0.075 dollars per million tokens of input and 0.30 of output. A line of 400 bytes is taken
for 100 tokens, 150 at most, and its answer for 250, 500 at most. So one request is expected to cost 82.5 millionths of
a dollar (7.5 + 75), and 161.25 at most (11.25 + 150).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from grabient_assets.errors import OverBudgetError, ProviderBusyError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger import batches
from grabient_assets.ledger.asks import AskTarget, record_asks
from grabient_assets.ledger.budget import month_of
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.collect import fetch_batch, settle_batch, write_batch
from grabient_assets.ledger.held_work import held_back, still_held
from grabient_assets.ledger.money import HoldKey, SpendingCap, make_cap
from grabient_assets.ledger.reservation import Terms
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.ledger.submit import Order, PreparedRequest, Submitted, submit_batch
from grabient_assets.providers.contract import BatchFile
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.ledger.house import FILE_AND_POSTGRES, House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered

MODEL = load_registry().model("openai", "gpt-4o-mini")
MOST = Decimal("0.00016125")
EXPECTED = Decimal("0.0000825")
REAL = Decimal("0.000135")
"""1,000 tokens read and 200 written: 75 + 60 millionths."""


def send(
    house: House, provider: ScriptedProvider, ids: str, budget: Decimal | None, cap: str | None = None
) -> Submitted:
    order = Order("tagging", MODEL, "v1", "digest", "emulator", None, terms=Terms(PURPOSES, budget, cap))
    requests = [PreparedRequest(i, "seed-" + i, 0, b"x" * 400) for i in ids]
    done = submit_batch(order, requests, provider, house.warehouse, house.store, house.clock)
    assert done is not None
    return done


def collect(house: House, provider: ScriptedProvider, sent: Submitted, lines: list[bytes] | None = None) -> None:
    assert sent.batch.provider_batch_id is not None
    provider.end(sent.batch.provider_batch_id, lines)
    with house.warehouse.read() as connection:
        batch = batches.batch(connection, sent.batch.batch_id)
    assert batch is not None
    fetched = fetch_batch(batch, provider.connection(), house.warehouse, house.store, house.clock)
    assert fetched is not None
    settled = settle_batch(fetched, MODEL, provider.read_line, TagReader())
    with house.warehouse.write() as connection:
        write_batch(connection, settled, house.clock)


@FILE_AND_POSTGRES
def test_what_is_written_down_with_a_batch(house: House, provider: ScriptedProvider) -> None:
    send(house, provider, "abc", None)
    [(estimated, reserved, most, prices)] = house.rows(
        "SELECT estimated_usd, reserved_usd, max_output_tokens, prices FROM batches"
    )
    assert (estimated, reserved, most) == (3 * EXPECTED, 3 * MOST, 16_384)
    said = json.loads(prices)
    assert (said["model"], said["as_of"], said["unit"]) == ("gpt-4o-mini", "2026-11-20", "USD per million tokens")
    assert said["tiers"] == [
        {"prompt_tokens_up_to": None, "input": "0.075", "cached_input": None, "cache_write": "0.075", "output": "0.3"}
    ]


@FILE_AND_POSTGRES
def test_only_as_many_go_out_as_there_is_money_for(house: House, provider: ScriptedProvider) -> None:
    done = send(house, provider, "abcde", 2 * MOST)
    assert provider.sent == ["a", "b"]
    assert done.held == (
        "Over budget: 3 palettes wait. To finish them is expected to cost 0.0002 USD, 0.0005 at most; of the 0.0003 "
        "USD of November 2026, 0.00 are spent and 0.0003 set aside for what goes first. The next one goes out by "
        "itself when open batches release money, when GRABIENT_BUDGET_USD is raised to 0.0005 or more, or on "
        "2026-12-01 (UTC)."
    )
    assert house.rows("SELECT requests, request_usd, needed_usd, reason FROM budget_holds") == [
        (3, MOST, 3 * MOST, done.held)
    ]


@FILE_AND_POSTGRES
def test_without_money_for_one_there_is_no_intent_and_no_create_call(house: House, provider: ScriptedProvider) -> None:
    with pytest.raises(OverBudgetError, match=r"^Over budget: 2 palettes wait"):
        send(house, provider, "ab", MOST - Decimal("1e-10"))
    assert provider.sent == []
    assert house.rows("SELECT count(*) FROM batches") == house.rows("SELECT count(*) FROM batch_requests") == [(0,)]
    assert house.rows("SELECT requests FROM budget_holds") == [(2,)]
    send(house, provider, "ab", 2 * MOST)
    assert house.rows("SELECT count(*) FROM budget_holds") == [(0,)]


@FILE_AND_POSTGRES
def test_the_least_budget_that_is_named_lets_one_more_go_out(house: House, provider: ScriptedProvider) -> None:
    for already in (0, 1):
        sent = provider.sent.copy()
        with pytest.raises(OverBudgetError) as held:
            send(house, provider, "ab"[already:], already * MOST + MOST / 2)
        least = Decimal(str(held.value).partition(" raised to ")[2].partition(" or more")[0])
        with pytest.raises(OverBudgetError):
            send(house, provider, "ab"[already:], least - Decimal("0.0001"))
        assert provider.sent == sent
        send(house, provider, "ab"[already:], least)
        assert provider.sent == [*sent, "ab"[already]]


@FILE_AND_POSTGRES
def test_a_collection_releases_what_was_not_spent(house: House, provider: ScriptedProvider) -> None:
    budget = 2 * MOST  # 322.5 millionths; two answers at 135 leave 52.5
    first = send(house, provider, "ab", budget)
    with pytest.raises(OverBudgetError):
        send(house, provider, "c", budget)
    collect(house, provider, first)
    assert house.rows("SELECT cost_usd FROM batches") == [(2 * REAL,)]
    with pytest.raises(OverBudgetError, match=r"0\.0003 are spent and 0\.00 set aside"):
        send(house, provider, "c", budget)
    # two answers are too few to be measured: the next one still counts with 161.25
    send(house, provider, "c", 2 * REAL + MOST)
    assert provider.sent == ["a", "b", "c"]


@FILE_AND_POSTGRES
def test_an_answer_of_unknown_cost_keeps_its_share_of_what_was_set_aside(
    house: House, provider: ScriptedProvider
) -> None:
    first = send(house, provider, "ab", 2 * MOST)
    collect(house, provider, first, [answered("a")])  # nothing was said of b
    assert house.rows("SELECT custom_id, cost_usd, cost_basis FROM batch_requests ORDER BY 1") == [
        ("a", REAL, "reported"),
        ("b", None, "unknown"),
    ]
    with pytest.raises(OverBudgetError):
        send(house, provider, "c", REAL + MOST + MOST - Decimal("1e-10"))
    send(house, provider, "c", REAL + MOST + MOST)


@FILE_AND_POSTGRES
def test_what_was_put_off_sets_nothing_aside(house: House, provider: ScriptedProvider) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "429")

    provider.before_submit = busy
    assert send(house, provider, "a", MOST).batch.status == "deferred"
    provider.before_submit = lambda _: None
    assert send(house, provider, "a", MOST).batch.status == "submitted"


@pytest.mark.parametrize(
    ("moment", "start", "following"),
    [
        ("2026-11-30T23:59:59.999999+00:00", "2026-11-01", "2026-12-01"),
        ("2026-12-01T00:00:00+00:00", "2026-12-01", "2027-01-01"),
        ("2026-12-01T00:30:00+01:00", "2026-11-01", "2026-12-01"),  # Berlin is ahead of the ledger
        ("2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_month_is_one_of_utc(moment: str, start: str, following: str) -> None:
    found = month_of(datetime.fromisoformat(moment))
    assert found == tuple(datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, following))


@FILE_AND_POSTGRES
def test_the_month_turns_at_midnight_utc(house: House, provider: ScriptedProvider) -> None:
    house.clock.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    november = send(house, provider, "a", MOST)
    with pytest.raises(OverBudgetError, match=r"of November 2026, .* or on 2026-12-01 \(UTC\)"):
        send(house, provider, "b", MOST)
    house.clock.now = datetime(2026, 12, 1, tzinfo=UTC)
    send(house, provider, "b", MOST)
    with pytest.raises(OverBudgetError, match=r"of December 2026, .* or on 2027-01-01 \(UTC\)"):
        send(house, provider, "c", MOST)
    # what was sent in November is paid by November, whenever it is collected
    collect(house, provider, november)
    with pytest.raises(OverBudgetError):
        send(house, provider, "c", 2 * MOST - Decimal("1e-10"))
    assert provider.sent == ["a", "b"]


@FILE_AND_POSTGRES
def test_what_has_no_price_is_not_sent_out_of_a_budget(house: House, provider: ScriptedProvider) -> None:
    house.clock.now = datetime(2000, 1, 1, tzinfo=UTC)  # before the first price of anything
    with pytest.raises(OverBudgetError, match=r"The price of gpt-4o-mini \(openai\) is not known, so nothing can be"):
        send(house, provider, "a", Decimal(1000))
    assert house.rows("SELECT requests, request_usd, needed_usd FROM budget_holds") == [(1, None, None)]
    send(house, provider, "a", None)
    assert house.rows("SELECT prices, estimated_usd, reserved_usd FROM batches") == [(None, None, None)]


@FILE_AND_POSTGRES
def test_a_cap_counts_what_was_sent_under_it_and_nothing_else(house: House, provider: ScriptedProvider) -> None:
    with house.warehouse.write() as connection:
        make_cap(connection, SpendingCap("mine", 2 * MOST), house.clock())
    send(house, provider, "ab", None)
    first = send(house, provider, "cde", Decimal(1), "mine")
    assert provider.sent == ["a", "b", "c", "d"] and first.batch.cap_id == "mine"
    assert first.held is not None and first.held.endswith("or ask again with --max-usd 0.0002 or more.")
    with pytest.raises(OverBudgetError, match=r"of the 0\.0003 USD that it was asked with"):
        send(house, provider, "e", Decimal(1), "mine")
    send(house, provider, "e", Decimal(1))
    # the month's budget holds under a cap too: five requests are out
    with house.warehouse.write() as connection:
        make_cap(connection, SpendingCap("large", Decimal(1)), house.clock())
    with pytest.raises(OverBudgetError, match="November 2026"):
        send(house, provider, "f", 6 * MOST - Decimal("1e-10"), "large")
    send(house, provider, "f", 6 * MOST, "large")


@FILE_AND_POSTGRES
def test_a_price_of_later_changes_nothing(house: House, provider: ScriptedProvider) -> None:
    """The rates are those written down with the batch, whatever the registry says when it is collected."""
    sent = send(house, provider, "a", None)
    house.write("""UPDATE batches SET prices = replace(prices::VARCHAR, '"input": "0.075"', '"input": "7.5"')::JSON""")
    collect(house, provider, sent)
    # 1,000 x 7.50 + 200 x 0.30 = 7,560 millionths
    assert house.rows("SELECT cost_usd FROM batch_requests") == [(Decimal("0.00756"),)]


@FILE_AND_POSTGRES
def test_what_waits_for_money_goes_on_by_itself(house: House, provider: ScriptedProvider) -> None:
    """There is money for one of three models, and for none of the palette: nothing is sent until there is."""
    (waiting, other) = house.load(palette(1), palette(2))
    house.ask([waiting], analyses=1)
    provider.budget_usd = Decimal("0.0006")
    first = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert first.batches == () and len(first.held) == 1 and not first.complaints
    with house.warehouse.read() as connection:
        held = still_held(connection, PURPOSES, provider.budget_usd, house.clock(), "tagging", "openai")
        assert len(held) == 3 and set(held.values()) == set(first.held)
        for among, said in ((None, first.held), ([waiting], first.held), ([other], ()), ([], ())):
            back = held_back(connection, PURPOSES, provider.budget_usd, house.clock(), among)
            assert tuple(one.sentence for one in back) == said, "a run for other palettes is not told of it"
        assert still_held(connection, PURPOSES, Decimal(1), house.clock(), "tagging", "openai") == {}
        assert still_held(connection, PURPOSES, None, house.clock(), "tagging", "openai") == {}
    again = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert (again.batches, again.held) == ((), first.held)
    assert house.rows("SELECT count(*) FROM asks WHERE state = 'open'") == [(3,)]
    provider.budget_usd = Decimal(1)
    rest = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert len(rest.batches) == 3 and not rest.held
    assert house.rows("SELECT count(*) FROM budget_holds") == [(0,)]
    assert len(provider.sent) == len(set(provider.sent)) == 3


def ask_for_one(house: House) -> None:
    """Somebody wants what `send` sends, so that what is held back of it is wanted."""
    wanted = house.load(palette(1))
    with house.warehouse.write() as connection:
        target = AskTarget("openai", MODEL.id, "request")
        record_asks(connection, TAGGING, wanted, [target], 1, ledger_time(connection, house.clock()))


def held(house: House, budget: Decimal) -> dict[HoldKey, str]:
    with house.warehouse.read() as connection:
        return still_held(connection, PURPOSES, budget, house.clock(), "tagging", "openai")


@FILE_AND_POSTGRES
def test_a_fallen_estimate_and_a_collection_that_releases_just_enough_lift_a_hold(
    house: House, provider: ScriptedProvider
) -> None:
    """Five answers are enough to be measured: from then on one is believed to cost what they did, 135 millionths."""
    budget = 6 * REAL  # 810 millionths; five times 161.25 are set aside at first, after the collection 135 are left
    wanted = house.load(*(palette(number) for number in range(1, 7)))
    with house.warehouse.write() as connection:
        record_asks(connection, TAGGING, wanted, [AskTarget("openai", MODEL.id, "d" * 20)], 1, house.clock())
    keys = house.rows("SELECT palette_key || '-' || $1 || '-00', seed FROM palettes ORDER BY place", "d" * 20)
    requests = [PreparedRequest(custom_id, seed, 0, b"x" * 400) for custom_id, seed in keys]
    order = Order("tagging", MODEL, "v1", "digest", "emulator", None, terms=Terms(PURPOSES, budget))
    first = submit_batch(order, requests, provider, house.warehouse, house.store, house.clock)
    assert first is not None and provider.sent == [custom_id for custom_id, _ in keys[:5]]
    assert list(held(house, budget).values()) == [first.held]
    collect(house, provider, first)
    assert house.rows("SELECT request_usd FROM budget_holds") == [(MOST,)]
    assert held(house, budget) == {}
    assert len(held(house, budget - Decimal("1e-10"))) == 1
    submit_batch(order, requests[5:], provider, house.warehouse, house.store, house.clock)
    assert provider.sent == [custom_id for custom_id, _ in keys]


@FILE_AND_POSTGRES
def test_a_price_that_becomes_known_lifts_a_hold(house: House, provider: ScriptedProvider) -> None:
    house.clock.now = datetime(2000, 1, 1, tzinfo=UTC)  # before the first price of anything
    ask_for_one(house)
    with pytest.raises(OverBudgetError):
        send(house, provider, "a", Decimal(1))
    [sentence] = held(house, Decimal(1)).values()
    assert "The price of gpt-4o-mini (openai) is not known" in sentence
    house.clock.now = datetime(2026, 11, 20, tzinfo=UTC)
    assert held(house, Decimal(1)) == {}
    [dear] = held(house, MOST - Decimal("1e-10")).values()
    assert "expected to cost 0.0000825 USD, 0.0002 at most" in dear


@FILE_AND_POSTGRES
def test_what_is_asked_for_again_is_tried_again(house: House, provider: ScriptedProvider) -> None:
    """It may read differently since; and there may be more of it."""
    house.ask(house.load(palette(1)))
    provider.budget_usd = Decimal("0.0000001")
    assert (
        len(
            submit_due(
                TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
            ).held
        )
        == 1
    )
    house.ask(house.load(palette(1), palette(2)))
    assert held(house, provider.budget_usd) == {}
    again = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert len(again.held) == 1 and "2 palettes wait" in again.held[0]
    found = held(house, provider.budget_usd)
    assert len(found) == 3 and set(found.values()) == set(again.held)


@FILE_AND_POSTGRES
def test_a_hold_names_only_ways_out_that_there_are(house: House, provider: ScriptedProvider) -> None:
    with house.warehouse.write() as connection:
        make_cap(connection, SpendingCap("mine", MOST), house.clock())
    first = send(house, provider, "ab", None, "mine")
    assert first.held is not None and "when open batches release money; or ask again" in first.held
    collect(house, provider, first)
    with pytest.raises(OverBudgetError) as none_open:
        send(house, provider, "b", None, "mine")
    assert str(none_open.value).endswith("It goes out when you ask again with --max-usd 0.0002 or more.")
    raised = "It goes out by itself when GRABIENT_BUDGET_USD is raised to 0.0003 or more"
    with pytest.raises(OverBudgetError) as of_the_month:
        send(house, provider, "c", MOST)
    assert str(of_the_month.value).endswith(f"{raised}, or on 2026-12-01 (UTC).")
    with pytest.raises(OverBudgetError) as of_any_month:
        send(house, provider, "c", REAL)
    assert str(of_any_month.value).endswith(f"{raised}."), "a month's whole budget is too little for one request"


@FILE_AND_POSTGRES
def test_what_waits_is_forgotten_when_nobody_asks_for_it(house: House, provider: ScriptedProvider) -> None:
    house.ask(house.load(palette(1)))
    provider.budget_usd = Decimal("0.0000001")
    assert (
        len(
            submit_due(
                TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
            ).held
        )
        == 1
    )
    house.write("UPDATE asks SET state = 'stopped'")
    with house.warehouse.read() as connection:
        assert still_held(connection, PURPOSES, provider.budget_usd, house.clock(), None, None) == {}
