"""Edits change the picture that they are given: through the real SDKs, our own clients and forms, with and without
faults."""

from __future__ import annotations

import base64
import http.client
import io
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import openai
import pytest
from google.genai import errors, types
from numpy.typing import NDArray
from PIL import Image

from grabient_assets.emulator.google_images import region_of
from grabient_assets.emulator.images import drawn
from grabient_assets.emulator.painting.edited import edited, rectangle_mask
from grabient_assets.emulator.painting.picture import painted
from grabient_assets.emulator.service import call_key
from grabient_assets.emulator.wire import Call
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import ImageInput, ImageSpec
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.emulator.running import (
    BANANA,
    FLARE,
    Running,
    batched,
    chat_batch,
    chat_results,
    direct,
    polled,
    running,
)
from grabient_assets_tests.providers.faces import KEY

WIDTH, HEIGHT = 832, 800
"""About the least that OpenAI makes."""
BASE = painted(FLARE, "A boat on a teal sea under a red sun.", "base", WIDTH, HEIGHT)
SQUARE = painted(FLARE, "A boat on a teal sea under a red sun.", "base", 1024, 1024)
"""What Google makes of a ratio of 1:1, so that nothing is scaled."""
REGION = (25.0, 10.0, 50.0, 40.0)
MASK = rectangle_mask(REGION, WIDTH, HEIGHT)
REFERENCE = drawn("reference", 64, 64)
MODELS = [load_registry().model("openai", FLARE), load_registry().model("google", BANANA)]
named = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.provider)
Pixels = NDArray[np.int16]


def pixels(data: bytes | None) -> Pixels:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(np.int16)


def inside(width: int, height: int, region: tuple[float, float, float, float] = REGION) -> NDArray[np.bool_]:
    x, y, across, down = region
    found = np.zeros((height, width), bool)
    left, top = round(width * x / 100), round(height * y / 100)
    found[top : top + round(height * down / 100), left : left + round(width * across / 100)] = True
    return found


def visible(before: Pixels, after: Pixels, where: NDArray[np.bool_]) -> float:
    """The share of these pixels of which a channel differs by more than 8."""
    return float((np.abs(after - before).max(axis=2)[where] > 8).mean())


def address(data: bytes) -> dict[str, str]:
    return {"image_url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}


def json_edit(emulator: Running, prompt: str = "Warmer.", **more: Any) -> dict[str, Any]:
    """The answer of OpenAI to the JSON form."""
    body = {"model": FLARE, "prompt": prompt, "images": [address(BASE)], "size": f"{WIDTH}x{HEIGHT}", **more}
    return emulator.openai().post("/images/edits", cast_to=object, body=body)  # type: ignore[return-value]


def picture_of(answer: Any) -> bytes:
    return base64.b64decode((answer if isinstance(answer, dict) else answer.model_dump())["data"][0]["b64_json"])


def google_edit(emulator: Running, prompt: str, *images: bytes) -> bytes:
    parts = [types.Part.from_bytes(data=one, mime_type="image/png") for one in images]
    config = types.GenerateContentConfig(response_modalities=["IMAGE"])
    made = emulator.google().models.generate_content(model=BANANA, contents=[*parts, prompt], config=config)
    [image] = [part.inline_data.data for part in made.parts or () if part.inline_data]
    assert image is not None
    return image


def told(region: str | None) -> str:
    said = {"instructions": "A larger sun.", "region": region, "roles": ["base", "reference"]}
    return f"Edit the first image as this object says.\n{json.dumps(said)}\nKeep everything else."


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
    for more in ({}, {"mask": {"image_url": "https://example.org/mask.png"}}):
        after = pixels(picture_of(json_edit(emulator, **more)))
        assert visible(before, after, everywhere) > 0.5
        # The picture is still the same one.
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


def test_the_answer_has_the_asked_size_whatever_the_base_has(emulator: Running) -> None:
    small = Image.open(io.BytesIO(BASE)).resize((208, 200))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=95)
    wide = pixels(picture_of(json_edit(emulator, images=[{**address(BASE)}], size="1280x640")))
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
def test_a_batch_and_a_direct_call_under_the_same_key_get_the_same_bytes(emulator: Running, model: Any) -> None:
    provider = connect(model.provider, KEY, emulator.bases[model.provider])
    spec = ImageSpec("e-1", told("25,10,50,40"), (ImageInput(data=BASE), ImageInput(data=REFERENCE)), size="1024x1024")
    found = batched(provider, model, spec)["e-1"]
    assert batched(provider, model, spec)["e-1"].image == found.image != direct(provider, model, spec).image
    assert direct(provider, model, spec).image == direct(provider, model, spec).image
    provider.close()


def test_the_key_of_a_direct_call_is_a_custom_id_like_any_other(emulator: Running) -> None:
    body = {"model": FLARE, "prompt": "Warmer.", "images": [address(BASE)], "size": f"{WIDTH}x{HEIGHT}"}
    text = json.dumps(body, separators=(",", ":")).encode()
    client, host = emulator.openai(), urlsplit(emulator.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=20)
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    connection.request("POST", "/openai/v1/images/edits", text, headers)
    alone = json.load(connection.getresponse())
    connection.close()
    key = call_key(Call("openai", "answer", "", {}, openai_query(), {}, text))
    line = {"custom_id": key, "method": "POST", "url": "/v1/images/edits", "body": body}
    batch = polled(client, chat_batch(client, [line], endpoint="/v1/images/edits"))
    assert chat_results(client, batch)[key]["response"]["body"]["data"] == alone["data"]


def openai_query() -> Any:
    from starlette.datastructures import QueryParams

    return QueryParams()


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
    assert noise == sorted(set(noise)) and noise[-1] > 1.8 * noise[1]
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
    alone, together = direct(provider, model, spec), batched(provider, model, spec, made)
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


# forms and pictures that are none ---------------------------------------------------------------------------------


def test_the_sdk_edits_with_a_form(emulator: Running) -> None:
    edit, size = emulator.openai().images.edit, f"{WIDTH}x{HEIGHT}"
    base, mask = ("base.png", BASE, "image/png"), ("mask.png", MASK, "image/png")
    one, again = (edit(model=FLARE, prompt="Warmer.", image=base, mask=mask, size=size, n=1) for _ in range(2))  # type: ignore[call-overload]
    assert picture_of(one) == picture_of(again)
    assert visible(pixels(BASE), pixels(picture_of(one)), ~inside(WIDTH, HEIGHT)) == pytest.approx(0.3, abs=0.0001)
    assert visible(pixels(BASE), pixels(picture_of(one)), inside(WIDTH, HEIGHT)) > 0.9
    as_json = json_edit(emulator, mask=address(MASK))
    assert one.usage.model_dump()["input_tokens"] == as_json["usage"]["input_tokens"]
    assert (one.size, one.quality, one.output_format) == (size, as_json["quality"], as_json["output_format"])
    listed = edit(model=FLARE, prompt="Warmer.", image=[base, ("r.png", REFERENCE, "image/png")], mask=mask, n=2)
    assert listed.data is not None and len(listed.data) == 2
    assert listed.usage is not None and listed.usage.input_tokens_details.image_tokens == 26 * 25 + 4 + 120
    assert emulator.calls("openai") == {"answer": 4}
    billed = emulator.control("GET", "calls")["billed"]
    assert [(row["model"], row["delivery"], row["answers"]) for row in billed] == [(FLARE, "direct", 4)]


def test_faults_know_the_model_of_a_form(emulator: Running) -> None:
    emulator.faults({"match": {"model": FLARE, "times": 1}, "action": {"do": "refuse_output"}})
    for _ in range(2):
        try:
            made = emulator.openai().images.edit(model=FLARE, prompt="Warmer.", image=("b.png", BASE, "image/png"))
        except openai.BadRequestError as refused:
            assert refused.code == "moderation_blocked"
        else:
            assert pixels(picture_of(made)).shape == (1024, 1024, 3)
    assert emulator.control("GET", "faults")["rules"][0]["fired"] == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"image": BASE}, "unsupported mimetype"),
        ({"image": ("a.png", b"no picture", "image/png")}, "Invalid image file"),
        ({"image": [("a.png", REFERENCE, "image/png")] * 17}, "at most 16"),
        ({"mask": ("a.png", REFERENCE, "image/png")}, "alpha"),
        ({"mask": ("a.png", rectangle_mask(REGION, 64, 64), "image/png")}, "size 64x64"),
        ({"extra_body": {"moderation": "low"}}, "moderation"),
        ({"extra_body": {"speed": "1"}}, "speed"),
        ({"size": "512x512"}, "655360"),
        ({"n": 11}, "'n'"),
        ({"prompt": " "}, "'prompt'"),
    ],
)
def test_forms_that_are_refused(emulator: Running, more: dict[str, Any], words: str) -> None:
    usual: dict[str, Any] = {"model": FLARE, "prompt": "Warmer.", "image": ("a.png", BASE, "image/png")}
    with pytest.raises(openai.BadRequestError, match=words):
        emulator.openai().images.edit(**usual | more)


def test_pictures_that_cannot_be_decoded_are_refused(emulator: Running) -> None:
    broken = b"\xff\xd8\xff" + bytes(400)
    url = f"data:image/jpeg;base64,{base64.b64encode(broken).decode()}"
    for images in ([{"image_url": url}], [address(BASE), {"image_url": url}]):
        with pytest.raises(openai.BadRequestError, match="Invalid image file"):
            json_edit(emulator, images=images)
    part = types.Part.from_bytes(data=broken, mime_type="image/jpeg")
    with pytest.raises(errors.ClientError, match="Unable to process input image"):
        emulator.google().models.generate_content(model=BANANA, contents=[part, "Warmer."])


# calls that are kept waiting --------------------------------------------------------------------------------------

EDITS = {
    "openai": ("/openai/v1/images/edits", {"model": FLARE, "prompt": "Warmer.", "images": [address(BASE)]}),
    "google": (
        f"/google/v1/models/{BANANA}:generateContent",
        {
            "contents": [
                {"parts": [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(BASE).decode()}}]},
                {"parts": [{"text": "Warmer."}]},
            ],
            "generationConfig": {"responseModalities": ["IMAGE"]},
        },
    ),
}
HEADERS = {"authorization": "Bearer k", "x-goog-api-key": "k", "content-type": "application/json"}


@pytest.mark.parametrize("provider", EDITS)
@pytest.mark.parametrize("action", [{"do": "hold"}, {"do": "delay", "seconds": 600}], ids=lambda action: action["do"])
def test_a_wait_ends_when_the_client_goes_away(
    folder: Path,
    provider: str,
    action: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, body = EDITS[provider]
    with running(folder) as emulator:
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        emulator.faults({"match": {"route": "answer"}, "action": action})
        host = urlsplit(emulator.url)
        connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=20)
        connection.request("POST", path, json.dumps(body), HEADERS)
        assert under_way(emulator, provider, 1)
        connection.close()
        assert under_way(emulator, provider, 0)
        assert emulator.calls(provider) == {"answer": 1}
        assert emulator.control("GET", "calls")["billed"] == []
        emulator.faults()
        connection.request("POST", path, json.dumps(body), HEADERS)
        assert connection.getresponse().status == 200
        connection.close()
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "Traceback" not in "".join(capfd.readouterr())


def under_way(emulator: Running, provider: str, wanted: int) -> bool:
    """Whether so many calls come to be under way; each look is a call of its own, so that this ends."""
    return any(emulator.control("GET", "calls")["under_way"].get(provider, 0) == wanted for _ in range(2_000))


@pytest.mark.parametrize("provider", EDITS)
@pytest.mark.parametrize("action", [{"do": "hold", "seconds": 0.05}, {"do": "delay", "seconds": 0.05}])
def test_an_edit_comes_after_its_wait(emulator: Running, provider: str, action: dict[str, Any]) -> None:
    emulator.faults({"match": {"route": "answer"}, "action": action})
    if provider == "openai":
        assert pixels(picture_of(json_edit(emulator))).shape == (HEIGHT, WIDTH, 3)
    else:
        assert pixels(google_edit(emulator, told(None), BASE)).shape == (1024, 1024, 3)
    assert emulator.control("GET", "calls")["under_way"].get(provider, 0) == 0
