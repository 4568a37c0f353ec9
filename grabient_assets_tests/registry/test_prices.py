"""Money, recomputed by hand. Prices are per million tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as Listed
from genai_prices import calc_price

from grabient_assets.errors import RegistryError, UnpricedError
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Delivery, Model, Price, Rates
from grabient_assets.registry.price_list import price_list
from grabient_assets.registry.prices import batch_price, rates_on
from grabient_assets.registry.usage import Usage

TODAY = date(2026, 11, 20)
REGISTRY = load_registry()


def cost(model: Model, usage: Usage, on: date) -> tuple[Decimal, str]:
    """What the answer cost in a batch that was sent on that day, and who named the price."""
    prices = price_list(model, on)
    return prices.cost(usage), prices.basis


def test_anthropic_stacks_both_discounts() -> None:
    # Haiku 4.5 in batches: 0.50 in, 0.05 cached, 1.00 written for an hour, 2.50 out.
    # 600 * 0.50 + 300 * 0.05 + 100 * 1.00 + 200 * 2.50 = 300 + 15 + 100 + 500 = 915 per million
    usage = Usage(input_tokens=1000, cached_input_tokens=300, cache_write_tokens=100, output_tokens=200)
    spent = cost(REGISTRY.model("anthropic", "claude-haiku-4-5-20251001"), usage, TODAY)
    assert spent == (Decimal("0.000915"), "genai-prices")


def test_groq_does_not_stack() -> None:
    # gpt-oss-120b in batches: 0.075 in, cached or not, 0.30 out. 1000 * 0.075 + 100 * 0.30 = 105
    usage = Usage(input_tokens=1000, cached_input_tokens=900, output_tokens=100)
    model = REGISTRY.model("groq", "openai/gpt-oss-120b")
    assert cost(model, usage, TODAY) == (Decimal("0.000105"), "genai-prices")
    # The registry entry says the same where genai-prices knows no batch price (before 2026-10-14).
    assert cost(model, usage, date(2026, 9, 1)) == (Decimal("0.000105"), "registry")


def test_openai_does_not_say_whether_the_discounts_stack_so_cached_tokens_count_in_full() -> None:
    # gpt-6-luna in batches: 0.05 in, cached or not, 0.25 out. 1000 * 0.05 + 100 * 0.25 = 75
    model = REGISTRY.model("openai", "gpt-6-luna")
    usage = Usage(input_tokens=1000, cached_input_tokens=900, output_tokens=100)
    assert cost(model, usage, TODAY) == (Decimal("0.000075"), "genai-prices")
    # Outside a batch they do.
    assert rates_on(model, TODAY, False, 1000)[0].cached_input == Decimal("0.01")


@pytest.mark.parametrize("on", [TODAY, date(2026, 9, 1)], ids=["genai-prices", "registry"])
@pytest.mark.parametrize(
    ("model", "usage", "spent"),
    [
        # 598 x 0.10 + 1,408 x 0.125 + 431 x 0.60 = 59.8 + 176 + 258.6 = 494.4 per million
        ("gpt-5.6-luna", Usage(2006, 431, cache_write_tokens=1408), "0.0004944000"),
        # read from the cache: 598 x 0.10 + 1,000 x 0.10 + 408 x 0.125 + 431 x 0.60 = 469.4
        ("gpt-5.6-luna", Usage(2006, 431, cached_input_tokens=1000, cache_write_tokens=408), "0.0004694000"),
        ("gpt-4o-mini", Usage(2006, 431), "0.0002797500"),
    ],
)
def test_what_openai_writes_to_its_cache_costs_a_quarter_more(model: str, usage: Usage, spent: str, on: date) -> None:
    assert cost(REGISTRY.model("openai", model), usage, on)[0] == Decimal(spent)


def test_what_gpt_6_writes_to_its_cache() -> None:
    # 1,000 x 0.0625 + 100 x 0.25 = 87.5 per million
    usage = Usage(1000, 100, cache_write_tokens=1000)
    for on in (TODAY, date(2026, 10, 14)):
        assert cost(REGISTRY.model("openai", "gpt-6-luna"), usage, on)[0] == Decimal("0.0000875")


@pytest.mark.parametrize("model", [m for m in REGISTRY.models if m.provider == "anthropic"], ids=lambda m: m.id)
def test_anthropic_writes_for_five_minutes_at_five_quarters_of_the_input_price(model: Model) -> None:
    """An hour costs twice the input price. Another source says the same of five minutes."""
    prices = price_list(model, TODAY)
    rates = prices.tiers[0].rates
    assert rates.cache_write == 2 * rates.input
    usage = Usage(1000, 0, cache_write_tokens=900, cache_write_5m_tokens=500)
    by_hand = (100 * rates.input + 400 * 2 * rates.input + 500 * Decimal("1.25") * rates.input) / 1_000_000
    assert prices.cost(usage) == by_hand.quantize(Decimal("1E-10"))
    saved = (400 * rates.input + 500 * Decimal("0.25") * rates.input) / 1_000_000
    assert prices.cache_saving(usage) == -saved.quantize(Decimal("1E-10"))
    listed = calc_price(
        Listed(input_tokens=1000, cache_write_tokens=900, cache_write_5m_tokens=500, cache_write_1h_tokens=400),
        model.id,
        provider_id="anthropic",
        genai_request_timestamp=datetime(2026, 11, 20, 12, tzinfo=UTC),
        price_context={"processing": "batch"},
    )
    assert prices.basis != "genai-prices" or prices.cost(usage) == listed.input_price


@pytest.mark.parametrize(
    ("provider", "adds_up", "explicit"),
    [("anthropic", "yes", True), ("google", "yes", False), ("groq", "no", False), ("openai", "unverified", False)],
)
def test_where_the_two_discounts_add_up(provider: str, adds_up: str, explicit: bool) -> None:
    for model in REGISTRY.panel():
        if model.provider == provider:
            assert (model.caching.adds_up, model.caching.explicit) == (adds_up, explicit)
            rates, _ = rates_on(model, TODAY, True, 1000)
            assert (rates.cached_input is None) == (adds_up != "yes")


def test_gemini_pays_the_normal_price_for_cached_tokens() -> None:
    # gemini-2.5-flash-lite in batches: 0.05 in, 0.01 cached, 0.20 out. 500 * 0.05 + 500 * 0.01 + 100 * 0.20 = 50
    usage = Usage(input_tokens=1000, cached_input_tokens=500, output_tokens=100, reasoning_tokens=60)
    model = REGISTRY.model("google", "gemini-2.5-flash-lite")
    assert cost(model, usage, TODAY)[0] == Decimal("0.00005")
    assert cost(model, usage, date(2026, 9, 1)) == (Decimal("0.00005"), "registry")


def test_the_silent_fallback_to_the_standard_price_is_not_used() -> None:
    # genai-prices answers 0.80/4.00 for a batch of qwen3.8-27b; the registry holds 0.40/2.00.
    model = REGISTRY.model("groq", "qwen/qwen3.8-27b")
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert cost(model, usage, TODAY) == (Decimal("0.0024"), "registry")
    standard, basis = rates_on(model, TODAY, False, 1000)
    assert (standard.input, standard.output, basis) == (Decimal("0.8"), Decimal(4), "genai-prices")


def test_the_dearer_tier_of_long_prompts() -> None:
    # Haiku 5.5 in batches: 0.05/0.25 up to 100,000 prompt tokens, 0.25/1.25 above, for every token.
    model = REGISTRY.model("anthropic", "claude-haiku-5-5")
    assert cost(model, Usage(100_000, 100), TODAY)[0] == Decimal("0.005025")
    assert cost(model, Usage(100_001, 100), TODAY)[0] == Decimal("0.02512525")
    with pytest.raises(RegistryError, match="prompts up to 100000 tokens"):
        cost(model, Usage(100_001, 100), date(2026, 10, 10))


@pytest.mark.parametrize("model", REGISTRY.panel() + REGISTRY.panel("refiner"), ids=lambda model: model.id)
def test_both_sources_agree_on_batch_input_and_output(model: Model) -> None:
    """If they part, one of them is out of date: look the price up and append a dated entry."""
    rates, basis = rates_on(model, TODAY, True, 1000)
    entry = [price for price in model.prices if price.since <= TODAY][-1]
    assert entry.batch is not None
    assert (rates.input, rates.output) == (entry.batch.input, entry.batch.output)
    assert basis == ("registry" if model.id == "qwen/qwen3.8-27b" else "genai-prices")


PRICED = [model for model in REGISTRY.models if model.kind != "text" and model.prices]


@pytest.mark.parametrize("delivery", ["batch", "direct"])
@pytest.mark.parametrize("model", PRICED, ids=lambda model: model.id)
def test_both_sources_agree_on_images_and_vectors(model: Model, delivery: Delivery) -> None:
    on = date(2026, 11, 29)
    entry = model.prices[-1].batch if delivery == "batch" else model.prices[-1].standard
    if entry is None:
        with pytest.raises(UnpricedError, match="nobody has verified one"):
            price_list(model, on, delivery)
        return
    rates = price_list(model, on, delivery).tiers[0].rates
    assert (rates.input, rates.output, rates.image_output) == (entry.input, entry.output, entry.image_output)
    assert (rates.image_input or rates.input) == (entry.image_input or entry.input)


def test_a_picture_that_was_edited() -> None:
    # gpt-image-2.5-flare in a batch: 100 of text x 2.50 + 900 of pictures x 4 + 1,000 made x 15 = 18,850 per million
    flare, on = REGISTRY.model("openai", "gpt-image-2.5-flare"), date(2026, 11, 29)
    usage = Usage(1000, 1000, input_image_tokens=900, output_image_tokens=1000)
    assert price_list(flare, on).cost(usage) == Decimal("0.01885")
    # at once: 100 x 5 + 900 x 8 + 1,000 x 30 = 37,700
    assert price_list(flare, on, "direct").cost(usage) == Decimal("0.0377")
    # 500 of the pictures from the cache: 100 x 5 + 400 x 8 + 500 x 2 + 1,000 x 30 = 34,700; in a batch they cost all
    cached = replace(usage, cached_input_tokens=500, cached_image_tokens=500)
    assert price_list(flare, on, "direct").cost(cached) == Decimal("0.0347")
    assert price_list(flare, on, "direct").cache_saving(cached) == Decimal("0.003")
    assert price_list(flare, on).cost(cached) == Decimal("0.01885")


def test_a_picture_with_words_beside_it() -> None:
    # gemini-nano-banana-2.1 in a batch: 1,000 x 0.75 + 200 of text x 3.75 + 1,120 x 15 = 18,300 per million
    banana = REGISTRY.model("google", "gemini-nano-banana-2.1")
    usage = Usage(1000, 1320, input_image_tokens=258, output_image_tokens=1120)
    assert price_list(banana, date(2026, 11, 29)).cost(usage) == Decimal("0.0183")


def test_a_vector_costs_what_was_read() -> None:
    small = REGISTRY.model("openai", "text-embedding-3-small")
    assert cost(small, Usage(1_000_000, 0), TODAY) == (Decimal("0.01"), "registry"), (
        "the standard price is no batch price"
    )
    assert price_list(small, TODAY, "direct").cost(Usage(1_000_000, 0)) == Decimal("0.02")
    two = REGISTRY.model("google", "gemini-embedding-2")
    assert cost(two, Usage(1_000_000, 0), TODAY) == (Decimal("0.1"), "genai-prices"), "no output, so none is compared"


def test_a_picture_of_a_model_that_makes_none_has_no_cost() -> None:
    lite = price_list(REGISTRY.model("google", "gemini-2.5-flash-lite"), TODAY)
    with pytest.raises(UnpricedError, match="3 tokens"):
        lite.cost(Usage(10, 5, output_image_tokens=3))


def own_model(*prices: Price) -> Model:
    """A model no price list but ours can know."""
    return replace(REGISTRY.model("groq", "openai/gpt-oss-20b"), id="house-model", prices=prices)


def test_the_entry_of_the_day_holds() -> None:
    old = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page")
    new = Price(date(2026, 6, 1), Rates(Decimal(6), Decimal(8)), Rates(Decimal(3), Decimal(4)), "a page")
    model, usage = own_model(old, new), Usage(1_000_000, 1_000_000, cached_input_tokens=500_000)
    assert cost(model, usage, date(2026, 5, 31)) == (Decimal(3), "registry")
    assert cost(model, usage, date(2026, 6, 1)) == (Decimal(7), "registry")
    assert rates_on(model, date(2026, 6, 1), False, 1000) == (new.standard, "registry")


def test_a_day_without_a_price_is_an_error() -> None:
    price = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page")
    with pytest.raises(RegistryError, match=r"No price of house-model .* the first one starts on 2026-01-01"):
        cost(own_model(price), Usage(1, 1), date(2025, 12, 31))


def test_what_has_no_price_is_refused_before_it_is_sent_unless_allowed() -> None:
    price = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page", 60_000)
    model = own_model(price)
    assert batch_price(model, TODAY) == (price.batch, "registry")
    with pytest.raises(UnpricedError, match=r"ask with --allow-unpriced"):
        batch_price(model, date(2025, 12, 31))
    with pytest.raises(UnpricedError, match=r"holds for prompts up to 60000 tokens, this one has 70000"):
        batch_price(model, TODAY, prompt_tokens=70_000)
    assert batch_price(model, date(2025, 12, 31), allow_unpriced=True) is None
    assert batch_price(model, TODAY, allow_unpriced=True) == (price.batch, "registry")


def test_a_new_price_leaves_the_old_days_as_they_were() -> None:
    old = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page")
    new = Price(date(2026, 12, 1), Rates(Decimal(6), Decimal(8)), Rates(Decimal(3), Decimal(4)), "a page")
    before, after, usage = own_model(old), own_model(old, new), Usage(1_000_000, 0)
    assert cost(before, usage, TODAY) == cost(after, usage, TODAY) == (Decimal(1), "registry")
    assert cost(after, usage, date(2026, 12, 1)) == (Decimal(3), "registry")


def test_a_model_that_only_looks_like_a_listed_one_is_not_taken_for_it() -> None:
    price = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page")
    model = replace(own_model(price), provider="anthropic", id="claude-haiku-4-5-turbo")
    assert cost(model, Usage(1_000_000, 0), TODAY) == (Decimal(1), "registry")


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": -1, "output_tokens": 0},
        {"input_tokens": 1, "output_tokens": 0, "cached_input_tokens": 1, "cache_write_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "reasoning_tokens": 2},
        {"input_tokens": 9, "output_tokens": 1, "cache_write_tokens": 1, "cache_write_5m_tokens": 2},
        {"input_tokens": 9, "output_tokens": 1, "input_image_tokens": 10},
        {"input_tokens": 9, "output_tokens": 1, "output_image_tokens": 2},
        {"input_tokens": 9, "output_tokens": 1, "input_image_tokens": 5, "cached_image_tokens": 1},
    ],
)
def test_impossible_usage_is_refused(counts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        Usage(**counts)
