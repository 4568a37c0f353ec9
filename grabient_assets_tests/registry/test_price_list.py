"""The rates as they are written down with a batch, and what they make of an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from grabient_assets.errors import UnpricedError
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model, Price, Rates
from grabient_assets.registry.price_list import PriceList, Tier, from_json, price_list, to_json
from grabient_assets.registry.usage import Usage

TODAY = date(2026, 11, 20)
REGISTRY = load_registry()


@pytest.mark.parametrize("model", REGISTRY.panel("tagger") + REGISTRY.panel("refiner"), ids=lambda model: model.id)
def test_a_list_comes_back_from_its_json_as_it_was(model: Model) -> None:
    assert from_json(to_json(price_list(model, TODAY))) == price_list(model, TODAY)


def test_what_is_written_down() -> None:
    said = json.loads(to_json(price_list(REGISTRY.model("anthropic", "claude-haiku-5-5"), TODAY)))
    assert said.pop("source").startswith("genai-prices 0.")
    assert said == {
        "provider": "anthropic",
        "model": "claude-haiku-5-5",
        "unit": "USD per million tokens",
        "as_of": "2026-11-20",
        "basis": "genai-prices",
        "checked_on": None,
        "tiers": [
            {
                "prompt_tokens_up_to": 100_000,
                "input": "0.05",
                "cached_input": "0.005",
                "cache_write": "0.1",
                "output": "0.25",
            },
            {
                "prompt_tokens_up_to": None,
                "input": "0.25",
                "cached_input": "0.025",
                "cache_write": "0.5",
                "output": "1.25",
            },
        ],
    }


def test_rates_of_images_are_written_down_where_there_are_some() -> None:
    on = date(2026, 11, 29)
    banana = REGISTRY.model("google", "gemini-nano-banana-2.1")
    [tier] = json.loads(to_json(price_list(banana, on)))["tiers"]
    assert (tier["output"], tier["image_output"]) == ("3.75", "15")
    for model in REGISTRY.models:
        if model.kind != "text" and model.panel:
            found = price_list(model, on, "direct")
            assert from_json(to_json(found)) == found


def test_an_entry_of_the_registry_names_its_page_and_when_it_was_read() -> None:
    qwen = REGISTRY.model("groq", "qwen/qwen3.8-27b")
    found = price_list(qwen, TODAY)
    assert (found.basis, found.source, found.checked_on) == ("registry", qwen.prices[-1].source, qwen.checked_on)
    # cached tokens cost what other input costs at Groq: no rate of their own
    assert found.tiers == (Tier(Rates(Decimal("0.40"), Decimal("2.00")), None),)


def test_what_the_cache_saved() -> None:
    # Haiku 4.5: 0.50 in, 0.05 cached, 1.00 written. 300 x (0.50 - 0.05) - 100 x (1.00 - 0.50) = 135 - 50 = 85
    haiku = price_list(REGISTRY.model("anthropic", "claude-haiku-4-5-20251001"), TODAY)
    assert haiku.cache_saving(Usage(1000, 200, cached_input_tokens=300, cache_write_tokens=100)) == Decimal("0.000085")
    # written and never read: dearer than without a cache
    assert haiku.cache_saving(Usage(1000, 200, cache_write_tokens=100)) == Decimal("-0.00005")
    oss = price_list(REGISTRY.model("groq", "openai/gpt-oss-20b"), TODAY)
    assert oss.cache_saving(Usage(1000, 200, cached_input_tokens=900)) == 0


def test_a_prompt_longer_than_the_list_goes_has_no_cost() -> None:
    price = Price(date(2026, 1, 1), Rates(Decimal(2), Decimal(4)), Rates(Decimal(1), Decimal(2)), "a page", 60_000)
    model = replace(REGISTRY.model("groq", "openai/gpt-oss-20b"), id="house-model", prices=(price,))
    found = price_list(model, TODAY)
    assert found.cost(Usage(60_000, 0)) == Decimal("0.06")
    with pytest.raises(UnpricedError, match=r"house-model \(groq\) of 2026-11-20 holds for prompts up to 60000 tokens"):
        found.cost(Usage(60_001, 0))


def test_each_answer_is_rounded_to_the_ten_decimals_that_are_stored() -> None:
    # 0.0312504 per million x 1 token = 0.0000000312504: a thousand of them add up to what a thousand rows hold
    found = PriceList("x", "y", TODAY, "registry", "a page", (Tier(Rates(Decimal("0.0312504"), Decimal(0)), None),))
    assert found.cost(Usage(1, 0)) == Decimal("0.0000000313")
