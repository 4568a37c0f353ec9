"""Edits change the picture that they are given: region, leaks, noise and size, with and without faults."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any
from urllib import request as http

import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import QueryParams

from grabient_assets.emulator.google_images import region_of
from grabient_assets.emulator.images import drawn
from grabient_assets.emulator.painting.edited import edited, rectangle_mask
from grabient_assets.emulator.service import call_key
from grabient_assets.emulator.wire import Call
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import ImageInput, ImageSpec
from grabient_assets_tests.emulator.editing import (
    BASE,
    HEADERS,
    HEIGHT,
    MASK,
    REFERENCE,
    REGION,
    SQUARE,
    WIDTH,
    Pixels,
    address,
    google_edit,
    inside,
    json_edit,
    named,
    picture_of,
    pixels,
    told,
    visible,
)
from grabient_assets_tests.emulator.running import BANANA, Running, batched, direct
from grabient_assets_tests.providers.faces import KEY

# region and leak --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leak", [None, 0.0, 0.1, 0.8, 1.0])
def test_openai_changes_the_mask_and_leaks_outside(emulator: Running, leak: float | None) -> None:
    if leak is not None:
        emulator.faults({"match": {"route": "answer"}, "action": {"do": "leak", "share": leak}})
    before, after = pixels(BASE), pixels(picture_of(json_edit(emulator, mask=address(MASK))))
    hole = inside(WIDTH, HEIGHT)
    assert visible(before, after, ~hole) == pytest.approx(0.3 if leak is None else leak, abs=0.0001)
    assert visible(before, after, hole) > 0.9 and np.abs(after - before)[hole].mean() > 15
    # A little noise and yellow is everywhere, except where an editor keeps to its mask.
    assert (np.abs(after - before).max(axis=2)[~hole] > 0).mean() == pytest.approx(0 if leak == 0 else 1, abs=0.02)


def test_google_heeds_the_region_that_the_prompt_says(emulator: Running) -> None:
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "leak", "share": 0}})
    before, hole = pixels(SQUARE), inside(1024, 1024)
    after = pixels(google_edit(emulator, told("25,10,50,40"), SQUARE))
    assert (after == before).all(axis=2)[~hole].all()
    assert visible(before, after, hole) > 0.9
    emulator.faults()
    after = pixels(google_edit(emulator, told("25,10,50,40"), SQUARE))
    assert visible(before, after, ~hole) == pytest.approx(0.3, abs=0.0001)
    whole = pixels(google_edit(emulator, told(None), SQUARE))
    assert visible(before, whole, ~hole) > 0.5 and visible(before, whole, hole) > 0.5


@pytest.mark.parametrize(
    ("prompt", "region"),
    [
        ('{"region": "10,20,30,40"}', (10, 20, 30, 40)),
        ('Words {not json} {"a": 1} and {"prompt": "x", "region": "10.5%, 0%, 30%, 99.5%"} more.', (10.5, 0, 30, 99.5)),
        ('{"region": null}', None),
        ("No object.", None),
        ('{"prompt": "10,20,30,40"}', None),
        *((f'{{"region": "{text}"}}', None) for text in ("", "1,2,3", "a,b,c,d", "nan,0,9,9", "0,0,0,9", "-1,0,9,9")),
        ('{"region": [10, 20, 30, 40]}', None),
    ],
)
def test_where_a_prompt_says_its_region(prompt: str, region: tuple[float, ...] | None) -> None:
    assert region_of(prompt) == region


@named
def test_a_reference_is_seen_in_the_region(emulator: Running, model: Any) -> None:
    red = io.BytesIO()
    Image.new("RGB", (40, 30), (255, 0, 0)).save(red, "PNG")
    base, size = (BASE, (WIDTH, HEIGHT)) if model.provider == "openai" else (SQUARE, (1024, 1024))
    if model.provider == "openai":
        images = [address(base), address(red.getvalue())]
        after = pixels(picture_of(json_edit(emulator, images=images, mask=address(MASK))))
    else:
        after = pixels(google_edit(emulator, told("25,10,50,40"), base, red.getvalue()))
    change = (after - pixels(base))[inside(*size)].mean(axis=0)
    assert change[0] > 20 and change[1] < -15 and change[2] < -15


def test_the_whole_picture_is_edited_without_a_mask_that_can_be_seen(emulator: Running) -> None:
    before, everywhere = pixels(BASE), np.ones((HEIGHT, WIDTH), bool)
    unseen: dict[str, Any] = {"mask": {"image_url": "https://example.org/mask.png"}}
    for more in ({}, unseen):
        after = pixels(picture_of(json_edit(emulator, **more)))
        assert visible(before, after, everywhere) > 0.5
        # The picture is still the same one.
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


def test_the_answer_has_the_asked_size_whatever_the_base_has(emulator: Running) -> None:
    small = Image.open(io.BytesIO(BASE)).resize((208, 200))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=95)
    wide = pixels(picture_of(json_edit(emulator, size="1280x640")))
    assert wide.shape == (640, 1280, 3)
    url = f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
    after = pixels(picture_of(json_edit(emulator, images=[{"image_url": url}])))
    assert np.corrcoef(pixels(BASE).ravel(), after.ravel())[0, 1] > 0.9


def test_a_transparent_edit_has_the_alpha_of_its_base() -> None:
    base = drawn("base", 64, 48, transparent=True)
    after = edited(base, None, (), "a", 128, 96, transparent=True)
    with Image.open(io.BytesIO(base)) as one, Image.open(io.BytesIO(after)) as other:
        assert other.mode == "RGBA" and other.size == (128, 96)
        smaller = np.asarray(other.getchannel("A").resize((64, 48), Image.Resampling.BOX)).astype(int)
        assert np.abs(smaller - np.asarray(one.getchannel("A"))).mean() < 6


# repeated and chained ---------------------------------------------------------------------------------------------


def test_the_same_request_gets_the_same_bytes(emulator: Running) -> None:
    first, second = (json_edit(emulator, mask=address(MASK)) for _ in range(2))
    assert first["data"] == second["data"]
    assert picture_of(json_edit(emulator, "Colder.", mask=address(MASK))) != picture_of(first)
    assert google_edit(emulator, told(None), SQUARE) == google_edit(emulator, told(None), SQUARE)
    two = json_edit(emulator, n=2)["data"]
    assert two[0] != two[1]


@named
def test_every_custom_id_gets_an_edit_of_its_own_and_the_same_again(emulator: Running, model: Any) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    spec = ImageSpec("e-1", told("25,10,50,40"), (ImageInput(data=BASE), ImageInput(data=REFERENCE)), size="1024x1024")
    first = batched(provider, model, spec, replace(spec, custom_id="e-2"))
    again = batched(provider, model, spec)
    provider.close()
    assert again["e-1"].image == first["e-1"].image != first["e-2"].image


@named
def test_a_direct_call_is_a_request_of_a_batch_under_its_own_key(emulator: Running, model: Any) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    spec = ImageSpec("e-1", told("25,10,50,40"), (ImageInput(data=SQUARE),), size="1024x1024")
    line = json.loads(provider.request_line(spec, model))
    path = "/images/edits" if model.provider == "openai" else f"/v1/models/{BANANA}:generateContent"
    text = json.dumps(line.get("body") or line["request"]).encode()
    call = http.Request(emulator.bases[model.provider] + path, text, HEADERS, method="POST")
    with http.urlopen(call, timeout=20) as response:
        answer = json.load(response)
    named = {"model": BANANA} if model.provider == "google" else {}
    key = call_key(Call(model.provider, "answer", "", named, QueryParams(), {}, text))
    [result] = batched(provider, model, replace(spec, custom_id=key)).values()
    provider.close()
    if model.provider == "openai":
        assert picture_of(answer) == result.image
    else:
        [part] = [part for part in answer["candidates"][0]["content"]["parts"] if "inlineData" in part]
        assert base64.b64decode(part["inlineData"]["data"]) == result.image


def grain(image: Pixels) -> float:
    """Standard deviation of what differs from the mean of the four neighbours, in the calmest tenth of the lines."""
    light = image.mean(axis=2)
    rough = light[1:-1, 1:-1] - (light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:]) / 4
    return float(np.sort(rough.std(axis=1))[: len(rough) // 10].mean())


@named
def test_a_chain_of_eight_grows_noise_and_drifts_away(emulator: Running, model: Any) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    picture: bytes = SQUARE
    noise, drift = [grain(pixels(SQUARE))], [0.0]
    mean = pixels(SQUARE).mean(axis=(0, 1))
    for hop in range(8):
        spec = ImageSpec(f"e-{hop}", f"Edit {hop}.", (ImageInput(data=picture),), size="1024x1024")
        picture = direct(provider, model, spec).image or b""
        noise.append(grain(pixels(picture)))
        drift.append(float(np.linalg.norm(pixels(picture).mean(axis=(0, 1)) - mean)))
    provider.close()
    # Rounding alone makes 0.06, and 0.16 in the end.
    assert noise == sorted(set(noise)) and noise[1] > 0.5 and noise[-1] > 2
    assert drift == sorted(set(drift))


def test_a_chain_grows_yellow() -> None:
    grey = io.BytesIO()
    Image.new("RGB", (256, 256), (128, 128, 128)).save(grey, "PNG")
    picture, blue = grey.getvalue(), [0.0]
    for hop in range(8):
        picture = edited(picture, None, (), f"edit {hop}", 256, 256)
        red, green, less = pixels(picture).mean(axis=(0, 1))
        blue.append(float((red + green) / 2 - less))
    assert blue == sorted(set(blue)) and blue[-1] > 10


# sizes that nobody asked for --------------------------------------------------------------------------------------


@named
@pytest.mark.parametrize(
    ("action", "size"),
    [({"factor": 0.5}, (512, 512)), ({"factor": 1.25}, (1280, 1280)), ({"size": "800x600"}, (800, 600))],
)
def test_resize_gives_another_size(
    emulator: Running, model: Any, action: dict[str, Any], size: tuple[int, int]
) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    spec = ImageSpec("e-1", told("25,10,50,40"), (ImageInput(data=SQUARE),), size="1024x1024")
    made = ImageSpec("a-1", "A fjord.", size="1024x1024")
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "resize", **action}})
    alone, together = direct(provider, model, spec), batched(provider, model, spec) | batched(provider, model, made)
    assert (alone.fate, pixels(alone.image).shape) == ("answered", (size[1], size[0], 3))
    assert pixels(together["e-1"].image).shape == (size[1], size[0], 3)
    assert pixels(together["a-1"].image).shape == (1024, 1024, 3)
    emulator.faults()
    assert pixels(direct(provider, model, spec).image).shape == (1024, 1024, 3)
    provider.close()


@named
def test_a_leak_is_laid_on_a_batch(emulator: Running, model: Any) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    mask = ImageInput(data=rectangle_mask(REGION, 1024, 1024)) if model.provider == "openai" else None
    specs = [
        ImageSpec(f"e-{n}", told("25,10,50,40"), (ImageInput(data=SQUARE),), mask, size="1024x1024") for n in (1, 2, 3)
    ]
    before, outside = pixels(SQUARE), ~inside(1024, 1024)

    def leaks() -> list[float]:
        found = batched(provider, model, *specs)
        return [round(visible(before, pixels(found[spec.custom_id].image), outside), 3) for spec in specs]

    emulator.faults({"match": {"route": "answer"}, "action": {"do": "leak", "share": 0.6}})
    assert leaks() == [0.6, 0.6, 0.6]
    emulator.faults({"action": {"do": "leak", "share": 0, "custom_ids": ["e-2"]}})
    assert leaks() == [0.3, 0, 0.3]
    provider.close()
