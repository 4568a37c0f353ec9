"""What the emulator says that it billed is what our own clients reckon from the answers they read."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.emulator.images import drawn
from grabient_assets.emulator.wire import ServedModel
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import ImageInput, ImageSpec, RequestSpec, Result, Spec, VectorSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Delivery, Model
from grabient_assets.registry.price_list import price_list
from grabient_assets_tests.emulator.running import (
    BANANA,
    FLARE,
    SMALL,
    TWO,
    Running,
    asked,
    batched,
    chat_line,
    direct,
    running,
)
from grabient_assets_tests.providers.faces import FACES, KEY

REGISTRY = load_registry()
TEXTS = [REGISTRY.model(face.name, face.model_id) for face in FACES]
IMAGES = [REGISTRY.model("openai", FLARE), REGISTRY.model("google", BANANA)]
PICTURE = drawn("base", 64, 48)
VECTORS = [REGISTRY.model("openai", SMALL), REGISTRY.model("google", TWO)]


def spec(model: Model, key: str) -> Spec:
    if model.kind == "image":
        inputs = (ImageInput(data=PICTURE),) if key.endswith("2") else ()
        return ImageSpec(key, "A fjord.", inputs, size="1024x1024")
    return VectorSpec(key, "A fjord.") if model.kind == "vector" else RequestSpec(key, "Tag.", asked(key), 2000)


def cost(model: Model, delivery: Delivery, *results: Result) -> Decimal:
    prices = price_list(model, datetime.now(UTC).date(), delivery)
    return sum((prices.cost(one.usage) for one in results if one.usage is not None), Decimal(0))


@pytest.mark.parametrize("model", [*TEXTS, *IMAGES, *VECTORS], ids=lambda model: model.id)
def test_bills_are_those_of_the_answers(emulator: Running, model: Model) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    alone = cost(model, "direct", *(direct(provider, model, spec(model, f"d-{n}")) for n in range(2)))
    once = emulator.control("GET", "calls")
    keys = [f"b-{n}" for n in ((0, 1) if model.kind == "image" else range(3))]
    half = cost(model, "batch", *batched(provider, model, *(spec(model, key) for key in keys)).values())
    provider.close()
    both = emulator.control("GET", "calls")
    assert alone > 0 and once["billed_usd"] == float(alone) and both["billed_usd"] == float(alone + half)
    common = {"provider": model.provider, "model": model.id}
    assert both["billed"] == [
        {**common, "delivery": "batch", "answers": len(keys), "usd": float(half)},
        {**common, "delivery": "direct", "answers": 2, "usd": float(alone)},
    ]
    emulator.control("POST", "reset")
    assert emulator.control("GET", "calls")["billed_usd"] == 0


def test_what_was_made_is_billed_whether_or_not_it_arrives(emulator: Running) -> None:
    model = IMAGES[0]
    provider = connect("openai", KEY, emulator.bases["openai"])
    refused, missing = ({"do": do, "custom_ids": [key]} for do, key in (("refuse_input", "b-0"), ("missing", "b-1")))
    emulator.faults({"action": refused}, {"action": missing})
    found = batched(provider, model, *(spec(model, f"b-{n}") for n in (0, 1, 3)))
    assert set(found) == {"b-0", "b-3"}
    [billed] = emulator.control("GET", "calls")["billed"]
    assert billed["answers"] == 2, "the refused one is free, the one that is missing is not"
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "drop_after_accept"}})
    with pytest.raises(Exception, match="openai"):
        direct(provider, model, spec(model, "d-1"))
    assert [row["delivery"] for row in emulator.control("GET", "calls")["billed"]] == ["batch", "direct"]
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "status", "status": 500}})
    with pytest.raises(Exception, match="openai"):
        direct(provider, model, spec(model, "d-3"))
    provider.close()
    assert sum(row["answers"] for row in emulator.control("GET", "calls")["billed"]) == 3


def test_bills_outlive_the_process_and_name_what_has_no_price(folder: Path) -> None:
    body = chat_line("k", "gpt-nobody-knows")["body"]
    models = (ServedModel("openai", "gpt-nobody-knows"), ServedModel("openai", "gpt-4o-mini"))
    with running(folder, models=models) as first:
        first.openai().chat.completions.create(**body)
        first.openai().chat.completions.create(**{**body, "model": "gpt-4o-mini"})
        before = first.control("GET", "calls")
    with running(folder, models=models) as second:
        after = second.control("GET", "calls")
    assert after["billed"] == before["billed"] and after["billed_usd"] == before["billed_usd"] > 0
    assert [row["usd"] is None for row in after["billed"]] == [False, True]


@pytest.mark.parametrize("model", IMAGES, ids=lambda model: model.id)
def test_images_under_way_are_counted(emulator: Running, model: Model) -> None:
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "hold", "seconds": 20}})
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    fates: list[str] = []
    callers = [
        threading.Thread(target=lambda key=key: fates.append(direct(provider, model, spec(model, key)).fate))
        for key in ("d-0", "d-1")
    ]
    for caller in callers:
        caller.start()
    while emulator.control("GET", "calls")["in_flight"].get(model.provider, 0) < 2:
        pass
    while any(caller.is_alive() for caller in callers):
        emulator.control("POST", "release")
    provider.close()
    assert fates == ["answered"] * 2 and emulator.control("GET", "calls")["in_flight"][model.provider] == 2
