"""Estimates, recomputed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from grabient_assets.errors import UnpricedError
from grabient_assets.ledger.estimates import (
    DollarRange,
    Measured,
    RequestShape,
    TokenEstimate,
    estimate,
    measured_tokens,
    token_estimate,
)
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.ledger.house import House

DAY = date(2026, 11, 20)
SHAPE = RequestShape(text_bytes=6_400, max_output_tokens=4_096, thinking_budget=0, effort="low")


def model(provider: str, name: str) -> Model:
    return load_registry().model(provider, name)


@pytest.mark.parametrize(
    ("provider", "name", "shape", "tokens"),
    [
        # 6,400 bytes are 1,600 tokens, from three quarters to one and a half of that
        ("openai", "gpt-4o-mini", SHAPE, TokenEstimate(1200, 1600, 2400, 100, 250, 500)),
        # low effort: 0 / 300 / 1,500 tokens of thinking on top of the answer
        ("openai", "gpt-6-luna", SHAPE, TokenEstimate(1200, 1600, 2400, 100, 550, 2000)),
        # a picture: 60 / 120 / 300; a thinking budget of 2,048: none, half, all of it
        (
            "anthropic",
            "claude-opus-4-5-20251101",
            replace(SHAPE, pictures=1, thinking_budget=2_048),
            TokenEstimate(1260, 1720, 2700, 100, 1274, 2548),
        ),
        # what a request may answer at most is never exceeded
        ("openai", "gpt-6-luna", replace(SHAPE, max_output_tokens=400), TokenEstimate(1200, 1600, 2400, 100, 400, 400)),
    ],
    ids=["plain", "effort", "budget-and-picture", "short"],
)
def test_assumed_tokens(provider: str, name: str, shape: RequestShape, tokens: TokenEstimate) -> None:
    assert token_estimate(shape, model(provider, name)) == tokens


def test_measured_tokens_take_over_from_five_answers_on() -> None:
    past = Measured(5, 1500.0, 100.0, 200.0, 30.0, 1000.0)
    mini = model("openai", "gpt-4o-mini")
    expected = TokenEstimate(1300, 1500, 1700, 140, 200, 260, cached=1000, basis="measured")
    assert token_estimate(SHAPE, mini, past) == expected
    assert token_estimate(replace(SHAPE, max_output_tokens=230), mini, past) == replace(expected, output_high=230)
    assert token_estimate(SHAPE, mini, replace(past, answers=4)) == token_estimate(SHAPE, mini)


def test_dollars_at_the_prices_of_the_day() -> None:
    # gpt-4o-mini in a batch: 0.075 in, 0.30 out per million. 1,000 requests:
    # low 1,200 x 0.075 + 100 x 0.30 = 120, expected 120 + 75 = 195, high 180 + 150 = 330 dollars per million requests
    tokens = token_estimate(SHAPE, model("openai", "gpt-4o-mini"))
    found = estimate(model("openai", "gpt-4o-mini"), DAY, tokens, 1_000)
    assert found == DollarRange(Decimal("0.120"), Decimal("0.195"), Decimal("0.330"))
    assert found + found == DollarRange(Decimal("0.24"), Decimal("0.39"), Decimal("0.66"))


def test_the_high_end_does_not_count_on_the_cache() -> None:
    # claude-haiku-4-5 in a batch: 0.50 in, 0.05 cached, 2.50 out.
    # expected: (500 x 0.50 + 1,000 x 0.05 + 200 x 2.50) / million = 0.0008; high: (1,700 x 0.50 + 260 x 2.50) = 0.0015
    past = Measured(5, 1500.0, 100.0, 200.0, 30.0, 1000.0)
    haiku = model("anthropic", "claude-haiku-4-5-20251001")
    found = estimate(haiku, DAY, token_estimate(SHAPE, haiku, past), 1)
    assert (found.expected, found.high) == (Decimal("0.0008"), Decimal("0.0015"))


def test_the_high_end_knows_that_all_input_may_be_written_to_the_cache() -> None:
    # gpt-5.6-luna in a batch: 0.10 in, 0.125 written, 0.60 out. Assumed: 1,600 to 2,400 in, 550 to 2,000 out.
    luna = model("openai", "gpt-5.6-luna")
    assumed = estimate(luna, DAY, token_estimate(SHAPE, luna), 1)
    assert assumed.expected == Decimal("0.00049")  # 1,600 x 0.10 + 550 x 0.60
    assert assumed.high == Decimal("0.0015")  # 2,400 x 0.125 + 2,000 x 0.60
    # measured: 900 of 1,500 were written, 400 read: 200 x 0.10 + 900 x 0.125 + 400 x 0.10 + 200 x 0.60
    past = Measured(5, 1500.0, 100.0, 200.0, 30.0, 400.0, 900.0)
    measured = estimate(luna, DAY, token_estimate(SHAPE, luna, past), 1)
    assert measured.expected == Decimal("0.0002925")
    assert measured.high == Decimal("0.0003685")  # 1,700 x 0.125 + 260 x 0.60
    # what costs no more to write, and what is never asked to be cached, has no such end
    mini, haiku = model("openai", "gpt-4o-mini"), model("anthropic", "claude-haiku-4-5-20251001")
    assert estimate(mini, DAY, token_estimate(SHAPE, mini), 1).high == Decimal("0.00033")
    assert estimate(haiku, DAY, token_estimate(SHAPE, haiku), 1).high == Decimal("0.00245")
    # if asking paid, requests would ask, and every one of them may have to write: 2,400 x 1.00 + 500 x 2.50
    asked = replace(haiku, caching=replace(haiku.caching, least_hits=Decimal("0.9")))
    assert estimate(asked, DAY, token_estimate(SHAPE, asked), 1).high == Decimal("0.00365")


def test_no_price_no_estimate() -> None:
    mini = model("google", "gemini-3.5-flash-lite")
    with pytest.raises(UnpricedError):
        estimate(mini, date(2020, 1, 1), token_estimate(SHAPE, mini), 1)


def test_tokens_are_measured_over_the_answers_of_one_model_to_one_prompt(house: House) -> None:
    for batch, name, digest in (("b1", "m", "d"), ("b2", "m", "d"), ("b3", "m", "other"), ("b4", "n", "d")):
        house.write(
            """
            INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status,
                request_count, succeeded, failed, bodies_sha256, account, intended_at, collect_attempts)
            VALUES (?, 'tagging', 'openai', ?, 'v1', ?, 'collected', 2, 2, 0, '', 'emulator', now(), 0)
            """,
            batch,
            name,
            digest,
        )
    for batch, number, read, written in (
        ("b1", 0, 100, 10),
        ("b1", 1, 110, 30),
        ("b2", 0, 120, 20),
        ("b2", 1, None, None),
        ("b3", 0, 7, 7),
        ("b4", 0, 9, 9),
    ):
        house.write(
            "INSERT INTO batch_requests (batch_id, custom_id, subject, analysis_index, fate, input_tokens, "
            "output_tokens) VALUES (?, ?, 's', 0, 'succeeded', ?, ?)",
            batch,
            f"{batch}-{number}",
            read,
            written,
        )
    house.write("UPDATE batch_requests SET cache_write_tokens = 30 WHERE custom_id = 'b1-0'")
    with house.warehouse.read() as connection:
        found = measured_tokens(connection)
    assert found == {
        ("openai", "m", "d"): Measured(3, 110.0, 10.0, 20.0, 10.0, 0.0, 10.0),
        ("openai", "m", "other"): Measured(1, 7.0, 0.0, 7.0, 0.0),
        ("openai", "n", "d"): Measured(1, 9.0, 0.0, 9.0, 0.0),
    }
