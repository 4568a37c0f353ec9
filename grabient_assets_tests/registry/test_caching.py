"""When asking for a cached prompt pays, recomputed by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.registry.prices import prefix_cost, worth_caching

REGISTRY = load_registry()
HAIKU = REGISTRY.model("anthropic", "claude-haiku-4-5-20251001")
LONG = "x" * 4 * 4096


@pytest.mark.parametrize(
    ("hits", "multiple"),
    [("0", "2"), ("0.3", "1.43"), ("0.5", "1.05"), ("0.6", "0.86"), ("0.98", "0.138"), ("1", "0.1")],
)
def test_a_prefix_costs_twice_to_write_and_a_tenth_to_read(hits: str, multiple: str) -> None:
    # Haiku 4.5 in batches: 0.50 in, 0.05 cached, 1.00 written. At 30 % hits (0.7 * 1.00 + 0.3 * 0.05) / 0.50 = 1.43
    batch = HAIKU.prices[-1].batch
    assert batch is not None and prefix_cost(batch, Decimal(hits)) == Decimal(multiple)


def with_hits(model: Model, hits: str) -> Model:
    return replace(model, caching=replace(model.caching, least_hits=Decimal(hits)))


def test_it_pays_from_fifty_three_percent_of_hits_on() -> None:
    assert not worth_caching(with_hits(HAIKU, "0.52"), LONG)
    assert worth_caching(with_hits(HAIKU, "0.53"), LONG)


def test_no_prompt_below_the_least_length_of_the_model_is_asked_for() -> None:
    sure = with_hits(HAIKU, "0.98")
    assert worth_caching(sure, LONG) and not worth_caching(sure, LONG[1:])
    assert not worth_caching(replace(sure, cache_from_tokens=None), LONG)


def test_nothing_is_asked_for_where_caching_needs_no_asking_or_does_not_add_up() -> None:
    sure = with_hits(HAIKU, "0.98")
    for changed in ({"explicit": False}, {"adds_up": "no"}, {"adds_up": "unverified"}, {"least_hits": None}):
        assert not worth_caching(replace(sure, caching=replace(sure.caching, **changed)), LONG)


@pytest.mark.parametrize("model", REGISTRY.models, ids=lambda model: model.id)
def test_no_shipped_model_is_asked_to_cache_our_prompts(model: Model) -> None:
    """At the hits that Anthropic promises at worst no length pays; and our prompts are short of most least lengths."""
    prompts = load_palette_prompts("v1")
    assert len(prompts["tagging"].body) // 4 < 1024 and len(prompts["refinement"].body) // 4 < 1024
    assert not any(worth_caching(model, text) for text in (prompts["tagging"].body, prompts["refinement"].body, LONG))
