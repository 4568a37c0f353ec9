"""What the shipped registry holds, and which models may be used on which day."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest

from grabient_assets.errors import RegistryError, UnpricedError
from grabient_assets.registry.load import DATA, load_registry
from grabient_assets.registry.model import Role
from grabient_assets.registry.price_list import price_list

TODAY = date(2026, 11, 20)
REGISTRY = load_registry()

SOURCE_TAGGERS = {
    ("groq", "llama-3.3-70b-versatile"): ("2026-08-16", "openai/gpt-oss-120b"),
    ("groq", "meta-llama/llama-4-scout-17b-16e-instruct"): ("2026-07-17", "openai/gpt-oss-120b"),
    ("groq", "qwen/qwen3-32b"): ("2026-07-17", "qwen/qwen3.8-27b"),
    ("groq", "openai/gpt-oss-120b"): (None, None),
    ("groq", "openai/gpt-oss-20b"): (None, None),
    ("google", "gemini-2.0-flash"): ("2026-06-01", "gemini-2.5-flash-lite"),
    ("google", "gemini-2.5-flash-lite"): (None, None),
    ("openai", "gpt-4o-mini"): ("2027-01-14", "gpt-6-luna"),
    ("openai", "gpt-5-nano"): ("2026-12-11", "gpt-5.6-luna"),
    ("anthropic", "claude-3-5-haiku-20241022"): ("2026-02-19", "claude-haiku-4-5-20251001"),
}


def test_the_panel() -> None:
    assert [(model.provider, model.id) for model in REGISTRY.panel()] == [
        ("anthropic", "claude-haiku-4-5-20251001"),
        ("anthropic", "claude-haiku-5-5"),
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-5.6-luna"),
        ("openai", "gpt-6-luna"),
        ("groq", "openai/gpt-oss-120b"),
        ("groq", "openai/gpt-oss-20b"),
        ("groq", "qwen/qwen3.8-27b"),
        ("google", "gemini-2.5-flash-lite"),
        ("google", "gemini-3.5-flash-lite"),
    ]


def test_the_refiners() -> None:
    assert [model.id for model in REGISTRY.panel("refiner")] == ["claude-opus-5-5"]
    assert REGISTRY.warnings(REGISTRY.panel("refiner"), date(2027, 6, 1)) == [], (
        "no warning nobody can do anything about"
    )
    REGISTRY.usable(REGISTRY.model("anthropic", "claude-opus-4-5-20251101"), TODAY)  # the source document's
    refiners = [model.id for model in REGISTRY.models if "refiner" in model.roles]
    assert refiners == ["claude-opus-4-5-20251101", "claude-opus-5", "claude-opus-5-5"]


def test_the_panel_is_usable_today_without_warning() -> None:
    assert REGISTRY.refusals(REGISTRY.panel(), TODAY) == {}
    assert REGISTRY.warnings(REGISTRY.panel(), TODAY) == []


def test_the_panel_is_ten_models_of_four_providers_and_five_families() -> None:
    panel = REGISTRY.panel()
    assert len(panel) == 10
    assert {model.provider for model in panel} == {"anthropic", "openai", "groq", "google"}
    assert {model.family for model in panel} == {"claude", "gpt", "gpt-oss", "qwen", "gemini"}


def test_one_file_per_provider() -> None:
    names = ["anthropic.toml", "google.toml", "groq.toml", "local.toml", "openai.toml"]
    assert sorted(path.name for path in DATA.iterdir()) == names


@pytest.mark.parametrize("key", SOURCE_TAGGERS)
def test_the_taggers_of_the_source_documents(key: tuple[str, str]) -> None:
    model = REGISTRY.model(*key)
    retires, replacement = SOURCE_TAGGERS[key]
    assert (model.retires_on and model.retires_on.isoformat(), model.replacement) == (retires, replacement)
    assert "tagger" in model.roles


def panel_of(role: Role) -> list[str]:
    return [model.id for model in REGISTRY.panel(role)]


def test_who_is_asked_in_the_other_roles() -> None:
    assert panel_of("artist") == [
        "claude-haiku-5-5",
        "claude-sonnet-5-5",
        "gpt-6-luna",
        "openai/gpt-oss-120b",
        "gemini-3.5-flash-lite",
    ]
    assert panel_of("brush") == ["gpt-image-2.5-flare", "gemini-nano-banana-2.1"]
    assert panel_of("editor") == ["gpt-image-2.5-sunburst"]
    assert panel_of("embedder") == ["wordllama-256"]
    assert set(panel_of("extractor")) < set(panel_of("artist"))
    editors = [model.id for model in REGISTRY.in_role("editor")]
    assert "gemini-nano-banana-2.1" in editors and "gemini-3-pro-image" not in editors


@pytest.mark.parametrize("role", get_args(Role))
def test_whoever_is_asked_is_alive_and_priced(role: Role) -> None:
    on = date(2026, 12, 1)
    panel = REGISTRY.panel(role)
    assert panel and REGISTRY.refusals(panel, on) == {} and REGISTRY.warnings(panel, on) == []
    for model in panel:
        for delivery in model.deliveries:
            assert price_list(model, on, delivery).tiers


@pytest.mark.parametrize(
    ("provider", "id", "heir"),
    [
        ("openai", "dall-e-3", "gpt-image-2.5-flare"),
        ("openai", "dall-e-2", "gpt-image-2.5-flare"),
        ("openai", "gpt-image-1", "gpt-image-2.5-flare"),
        ("openai", "gpt-image-1-mini", "gpt-image-2.5-flare"),
        ("openai", "gpt-image-1.5", "gpt-image-2.5-flare"),
        ("openai", "chatgpt-image-latest", "gpt-image-2.5-flare"),
        ("google", "gemini-2.5-flash-image", "gemini-nano-banana-2.1"),
        ("google", "gemini-3.1-flash-image", "gemini-nano-banana-2.1"),
        ("google", "imagen-4.0-ultra-generate-001", "gemini-nano-banana-2.1"),
    ],
)
def test_a_brush_that_ended_names_another(provider: str, id: str, heir: str) -> None:
    model = REGISTRY.model(provider, id)
    with pytest.raises(RegistryError, match=rf"was shut down on 2026-\d\d-\d\d; use {heir} instead"):
        REGISTRY.usable(model, date(2026, 12, 1))
    with pytest.raises(UnpricedError):
        price_list(model, date(2025, 1, 1))


def test_what_brushes_and_embedders_take() -> None:
    flare = REGISTRY.model("openai", "gpt-image-2.5-flare").images
    assert flare is not None and (flare.mask, flare.most_inputs, flare.transparent) == ("guidance", 16, True)
    assert flare.qualities == ("low", "medium", "high", "xhigh", "max")
    banana = REGISTRY.model("google", "gemini-nano-banana-2.1").images
    assert banana is not None and (banana.mask, banana.sizes) == ("none", ("1K", "2K", "4K"))
    two = REGISTRY.model("google", "gemini-embedding-2").vectors
    assert two is not None and two.one_per_call and two.prefix("query") != two.prefix("document") != ""
    one = REGISTRY.model("google", "gemini-embedding-001").vectors
    assert one is not None and not one.unit_length and one.task == "parameter" and one.prefix("query") == ""
    here = REGISTRY.model("local", "wordllama-256")
    assert here.deliveries == ("direct",) and here.vectors is not None and here.vectors.default == 256
    assert "local" not in REGISTRY.limits and REGISTRY.direct.keys() == {*REGISTRY.limits, "local"}


def test_a_retired_model_is_refused_from_its_last_day_on() -> None:
    model = REGISTRY.model("google", "gemini-2.0-flash")
    with pytest.raises(RegistryError, match=r"shut down on 2026-06-01; use gemini-2\.5-flash-lite instead"):
        REGISTRY.usable(model, date(2026, 6, 1))
    REGISTRY.usable(model, date(2026, 5, 31))
    assert REGISTRY.warning(model, date(2026, 6, 1)) is None, "refused, no longer warned of"
    assert REGISTRY.warning(model, date(2026, 5, 31)) == (
        "Model gemini-2.0-flash of google will be shut down on 2026-06-01, in 1 day; use gemini-2.5-flash-lite instead."
    )


def test_the_warning_begins_thirty_days_before() -> None:
    model = REGISTRY.model("openai", "gpt-4o-mini")
    assert REGISTRY.warning(model, date(2026, 12, 14)) is None
    warning = REGISTRY.warning(model, date(2026, 12, 15))
    assert warning is not None and "in 30 days; use gpt-6-luna instead" in warning


def test_the_replacement_named_is_one_that_lives() -> None:
    nano = REGISTRY.model("openai", "gpt-5-nano")
    with pytest.raises(RegistryError, match=r"use gpt-5\.6-luna instead"):
        REGISTRY.usable(nano, date(2027, 5, 1))


def test_a_model_that_may_end_any_day_is_warned_of() -> None:
    opus = REGISTRY.model("anthropic", "claude-opus-4-5-20251101")
    sentence = (
        "Model claude-opus-4-5-20251101 of anthropic may be shut down {}; be ready to use claude-opus-5-5 instead."
    )
    assert REGISTRY.warnings([opus], TODAY) == [sentence.format("from 2026-11-24 on")]
    assert REGISTRY.warning(opus, date(2026, 11, 24)) == sentence.format("any day")
    assert REGISTRY.warning(opus, date(2026, 10, 24)) is None
    REGISTRY.usable(opus, date(2027, 6, 1))


def test_all_that_is_refused_is_named_at_once() -> None:
    old = [REGISTRY.model("groq", "qwen/qwen3-32b"), REGISTRY.model("openai", "gpt-4o-mini")]
    assert REGISTRY.refusals(old, TODAY) == {
        old[0]: "Model qwen/qwen3-32b of groq was shut down on 2026-07-17; use qwen/qwen3.8-27b instead."
    }


def test_a_model_of_the_future_is_refused() -> None:
    with pytest.raises(RegistryError, match="not available before 2026-10-07"):
        REGISTRY.usable(REGISTRY.model("anthropic", "claude-haiku-5-5"), date(2026, 10, 6))


def test_an_unknown_model_names_the_near_ones() -> None:
    with pytest.raises(RegistryError, match=r"Did you mean gpt-6-luna or gpt-5\.6-luna"):
        REGISTRY.model("openai", "gpt-6-lunar")
    with pytest.raises(RegistryError, match="no provider 'mistral'"):
        REGISTRY.model("mistral", "large")


def test_limits() -> None:
    limits = {name: (limit.max_requests, limit.max_bytes) for name, limit in REGISTRY.limits.items()}
    assert limits["anthropic"] == (100_000, 256_000_000)
    assert limits["openai"] == (50_000, 200_000_000)
    assert limits["groq"] == (50_000, 100_000_000)


def test_effort_is_rounded_to_what_the_model_knows() -> None:
    oss, luna = REGISTRY.model("groq", "openai/gpt-oss-20b"), REGISTRY.model("openai", "gpt-6-luna")
    nano, mini = REGISTRY.model("openai", "gpt-5-nano"), REGISTRY.model("openai", "gpt-4o-mini")
    assert [model.accepts.effort("minimal") for model in (oss, luna, nano, mini)] == ["low", "low", "minimal", None]
    assert [model.accepts.effort("max") for model in (oss, luna, nano, mini)] == ["high", "max", "high", None]
    assert [model.accepts.effort(None) for model in (oss, luna, nano, mini)] == ["low", "low", "minimal", None]
    with pytest.raises(ValueError, match="'enormous' is none of"):
        oss.accepts.effort("enormous")
