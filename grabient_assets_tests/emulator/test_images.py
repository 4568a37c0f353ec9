"""Images that are made and edited: single calls and batches, through the real SDKs and our own clients."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from google.genai import errors, types
from PIL import Image

from grabient_assets.emulator.images import drawn
from grabient_assets.errors import AmbiguousSubmissionError, ProviderBusyError, ProviderUnreachableError
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchProvider, ImageInput, ImageSpec
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.emulator.running import (
    BANANA,
    FLARE,
    FLASH,
    LITE,
    MINI,
    Running,
    batched,
    chat_batch,
    chat_line,
    chat_results,
    direct,
    polled,
)
from grabient_assets_tests.providers.faces import KEY

REGISTRY = load_registry()
MODELS = tuple(
    REGISTRY.model(provider, name) for provider, name in (("openai", FLARE), ("google", BANANA), ("google", LITE))
)
BASE = drawn("base", 64, 48)
MASK = drawn("mask", 64, 48, transparent=True)
Open = Callable[[Model], BatchProvider]
named = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)


@pytest.fixture
def open_for(emulator: Running) -> Iterator[Open]:
    opened: list[BatchProvider] = []

    def open_it(model: Model) -> BatchProvider:
        opened.append(connect(model.provider, KEY, emulator.bases[model.provider]))
        return opened[-1]

    yield open_it
    for provider in opened:
        provider.close()


def address(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def image_line(key: str, **body: Any) -> dict[str, Any]:
    body = {"model": FLARE, "prompt": "A fjord.", **body}
    url = "/v1/images/edits" if "images" in body else "/v1/images/generations"
    return {"custom_id": key, "method": "POST", "url": url, "body": body}


def size_of(data: bytes | None) -> tuple[int, int]:
    """The size of a picture, after it was decoded to the last pixel."""
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


# pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1024, 1024), (3840, 2160), (1, 1), (5, 1000)])
@pytest.mark.parametrize("transparent", [False, True])
def test_pictures_are_real_small_and_the_same_every_time(size: tuple[int, int], transparent: bool) -> None:
    picture = drawn("a", *size, transparent=transparent)
    assert size_of(picture) == size and len(picture) < 60_000
    assert picture == drawn("a", *size, transparent=transparent) != drawn("b", *size, transparent=transparent)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.mode == ("RGBA" if transparent else "RGB")


# our own clients --------------------------------------------------------------------------------------------------


@named
def test_images_are_made_and_edited_in_batches(open_for: Open, model: Model) -> None:
    made = [ImageSpec(f"a-{n}", "A fjord.", size="1024x1024") for n in range(3)]
    found = batched(open_for(model), model, *made)
    assert {result.fate for result in found.values()} == {"answered"}
    assert {size_of(result.image) for result in found.values()} == {(1024, 1024)}
    assert len({result.image for result in found.values()}) == 3
    [edited] = batched(open_for(model), model, ImageSpec("e-1", "Warmer.", (ImageInput(data=BASE),))).values()
    assert size_of(edited.image) == (1024, 1024)
    usage = edited.usage
    assert usage is not None and usage.input_image_tokens > 0 and usage.output_image_tokens > 0
    assert not usage.unpriced


@named
def test_images_are_made_and_edited_at_once(emulator: Running, open_for: Open, model: Model) -> None:
    provider = open_for(model)
    made = direct(provider, model, ImageSpec("a-1", "A fjord.", size="1024x1024"))
    assert size_of(made.image) == (1024, 1024) and made.media_type == "image/png"
    assert made.usage is not None and made.usage.output_image_tokens > 1000 and made.usage.input_image_tokens == 0
    inputs = (ImageInput(data=BASE), ImageInput(data=drawn("reference", 32, 32)))
    edited = direct(provider, model, ImageSpec("a-1", "A fjord.", inputs, size="1024x1024"))
    assert edited.image not in (None, made.image)
    assert edited.usage is not None and edited.usage.input_image_tokens > 0
    assert emulator.calls(model.provider) == {"answer": 2}


def test_sizes_and_qualities_are_those_asked_for(open_for: Open) -> None:
    flare, banana, _ = MODELS
    provider = open_for(flare)
    wide = direct(provider, flare, ImageSpec("a-1", "A fjord.", size="1536x1024", quality="high"))
    low = direct(provider, flare, ImageSpec("a-1", "A fjord.", size="1536x1024", quality="low"))
    assert size_of(wide.image) == size_of(low.image) == (1536, 1024)
    assert wide.usage is not None and low.usage is not None
    assert (wide.usage.output_image_tokens, low.usage.output_image_tokens) == (6240, 408)
    clear = direct(provider, flare, ImageSpec("a-1", "A fjord.", background="transparent", format="png"))
    assert clear.image is not None and Image.open(io.BytesIO(clear.image)).mode == "RGBA"
    provider = open_for(banana)
    for asked, size in (("1344x768", (1360, 768)), ("2048x2048", (2048, 2048)), ("768x1344", (768, 1360))):
        assert size_of(direct(provider, banana, ImageSpec("a-1", "A fjord.", size=asked)).image) == size


def test_a_mask_belongs_to_the_first_image(open_for: Open) -> None:
    flare = MODELS[0]
    provider, base = open_for(flare), ImageInput(data=BASE)
    good = direct(provider, flare, ImageSpec("a-1", "Warmer.", (base,), ImageInput(data=MASK)))
    assert good.fate == "answered"
    for mask, words in (
        (drawn("mask", 48, 64, transparent=True), "size 48x64"),
        (drawn("mask", 64, 48), "alpha"),
        (b"no picture", "mask"),
    ):
        bad = direct(provider, flare, ImageSpec("a-1", "Warmer.", (base,), ImageInput(data=mask)))
        assert (bad.fate, bad.retryable) == ("errored", False) and words in (bad.error or "")


FATES = {
    "refuse": ("refused", "input"),
    "refuse_input": ("refused", "input"),
    "refuse_output": ("refused", "output"),
    "no_image": ("errored", None),
    "empty": ("errored", None),
    "garbage": ("errored", None),
}


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.id)
@pytest.mark.parametrize("do", FATES)
def test_faults_of_images(emulator: Running, open_for: Open, model: Model, do: str) -> None:
    provider, spec = open_for(model), ImageSpec("a-1", "A fjord.")
    emulator.faults({"match": {"route": "answer", "times": 1}, "action": {"do": do}})
    bad, good = direct(provider, model, spec), direct(provider, model, spec)
    assert (bad.fate, bad.refused_at) == FATES[do] and bad.image is None
    assert bad.fate != "refused" or bad.refused_for
    assert good.fate == "answered"
    emulator.faults({"action": {"do": do, "custom_ids": ["a-2"]}})
    found = batched(provider, model, spec, ImageSpec("a-2", "A fjord."))
    assert (found["a-2"].fate, found["a-2"].refused_at) == FATES[do]
    assert found["a-1"].fate == "answered"
    emulator.faults()
    assert batched(provider, model, ImageSpec("a-2", "A fjord."))["a-2"].fate == "answered"


@named
def test_images_come_late_broken_off_or_not_at_all(emulator: Running, open_for: Open, model: Model) -> None:
    provider, spec = open_for(model), ImageSpec("a-1", "A fjord.")
    emulator.faults({"match": {"route": "answer"}, "action": {"do": "delay", "seconds": 0.01}})
    assert direct(provider, model, spec).fate == "answered"
    emulator.faults({"match": {"route": "answer", "model": model.id}, "action": {"do": "status", "status": 500}})
    with pytest.raises((ProviderBusyError, ProviderUnreachableError, AmbiguousSubmissionError)):
        direct(provider, model, spec)
    emulator.faults({"match": {"model": model.id}, "action": {"do": "errored", "status": 500, "share": 1}})
    assert {one.fate for one in batched(provider, model, spec, ImageSpec("a-2", "A lake.")).values()} == {"errored"}
    emulator.faults({"action": {"do": "truncate"}})
    cut = direct(provider, model, ImageSpec("a-3", "A fjord."))
    if model.provider == "google":
        assert (cut.fate, cut.image) == ("truncated", None)
    else:
        with pytest.raises(OSError, match="truncated"):
            size_of(cut.image)


def test_faults_of_texts_leave_images_alone(emulator: Running, open_for: Open) -> None:
    for do in ("no_image_prompt", "long_statement", "delimiters", "fenced"):
        emulator.faults({"action": {"do": do}})
        assert direct(open_for(MODELS[1]), MODELS[1], ImageSpec(do, "A fjord.", size="1024x1024")).image


@named
def test_what_the_prompt_says_is_painted(open_for: Open, model: Model) -> None:
    provider = open_for(model)
    prompts = {"red": "Low hills in crimson, red and maroon.", "green": "Low hills in emerald, green and jade."}
    found = batched(provider, model, *(ImageSpec(key, text, size="1024x1024") for key, text in prompts.items()))
    for place, key in enumerate(("red", "green")):
        data = found[key].image
        assert data is not None and len(data) < 400_000
        with Image.open(io.BytesIO(data)) as image:
            means = [sum(band.resize((8, 8)).tobytes()) for band in image.split()]
        assert image.mode == "RGB" and means[place] == max(means)


def test_google_says_why_there_is_no_image(emulator: Running, open_for: Open) -> None:
    emulator.faults({"action": {"do": "no_image"}})
    result = direct(open_for(MODELS[1]), MODELS[1], ImageSpec("a-1", "A fjord."))
    assert result.error == "I can describe it, but I made no image of it."
    assert result.usage is not None and result.usage.output_image_tokens == 0


# OpenAI -----------------------------------------------------------------------------------------------------------


def test_the_sdk_makes_images(emulator: Running) -> None:
    made = emulator.openai().images.generate(model=FLARE, prompt="A fjord.", n=2, size="1024x1024", quality="low")
    assert made.data is not None and len({image.b64_json for image in made.data}) == 2
    assert (made.size, made.quality, made.output_format, made.background) == ("1024x1024", "low", "png", "opaque")
    assert made.usage is not None and made.usage.output_tokens == 2 * 272
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"size": "440x100"}, "divisible by 16"),
        ({"size": "512x512"}, "655360"),
        ({"size": "3856x1024"}, "3840"),
        ({"size": "3072x512"}, "ratio"),
        ({"size": "large"}, "WIDTHxHEIGHT"),
        ({"size": 1024}, "WIDTHxHEIGHT"),
        ({"quality": "hd"}, "Supported values"),
        ({"n": 0}, "'n'"),
        ({"n": 11}, "'n'"),
        ({"prompt": " "}, "'prompt'"),
        ({"prompt": None}, "'prompt'"),
        ({"prompt": "a" * 32_001}, "too long"),
        ({"response_format": "url"}, "Unknown parameter"),
        ({"output_format": "gif"}, "Supported values"),
        ({"output_format": "jpeg", "background": "transparent"}, "Transparent"),
        ({"output_format": "webp"}, "draws png only"),
        ({"output_compression": 50}, "output_compression"),
        ({"stream": True}, "stream"),
        ({"mask": {"image_url": address(MASK)}}, "Unknown parameter"),
        ({"images": []}, "images"),
        ({"images": [{"image_url": address(BASE)}] * 17}, "at most 16"),
        ({"images": [{"image_url": address(BASE[:-20])}]}, "Invalid image file"),
        ({"images": [{"image_url": address(b"text")}]}, "Invalid image file"),
        ({"images": [{"image_url": "data:image/png;base64,###"}]}, "not valid base64"),
        ({"images": [{"image_url": address(BASE, "gif")}]}, "png, jpeg or webp"),
        ({"images": [{"image_url": "http://10.0.0.1/a.png"}]}, "HTTPS"),
        ({"images": [{}]}, "image_url or file_id"),
        ({"images": [{"image_url": address(BASE)}], "input_fidelity": "high"}, "Unknown parameter"),
    ],
)
def test_openai_refuses_at_once_and_in_a_batch(emulator: Running, body: dict[str, Any], words: str) -> None:
    client, line = emulator.openai(), image_line("a", **body)
    with pytest.raises(openai.BadRequestError, match=words):
        client.post(line["url"].removeprefix("/v1"), cast_to=object, body=line["body"])
    batch = polled(client, chat_batch(client, [line], endpoint=line["url"]))
    response = chat_results(client, batch)["a"]["response"]
    assert response["status_code"] == 400 and words in response["body"]["error"]["message"]


def test_images_may_be_files_or_at_an_address(emulator: Running) -> None:
    client = emulator.openai()
    file = client.files.create(file=("base.png", BASE, "image/png"), purpose="batch")
    body = image_line("a", images=[{"file_id": file.id}, {"image_url": "https://example.org/a.png"}])["body"]
    read: Any = client.post("/images/edits", cast_to=object, body=body)
    assert read["usage"]["input_tokens_details"]["image_tokens"] == 2 * 2 + 120
    with pytest.raises(openai.NotFoundError, match="No such File"):
        client.post("/images/edits", cast_to=object, body=body | {"images": [{"file_id": "file-gone"}]})


def test_only_models_that_make_images_do(emulator: Running) -> None:
    client = emulator.openai()
    with pytest.raises(openai.BadRequestError, match="makes no images"):
        client.images.generate(model=MINI, prompt="A fjord.")
    with pytest.raises(openai.NotFoundError, match="not a chat model"):
        client.chat.completions.create(**chat_line("a", FLARE)["body"])
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.images.generate(model="dall-e-3", prompt="A fjord.")
    google = emulator.google()
    config = types.GenerateContentConfig(response_modalities=["IMAGE"])
    with pytest.raises(errors.ClientError, match="answers with TEXT only"):
        google.models.generate_content(model=FLASH, contents="A fjord.", config=config)


def test_the_model_of_a_batch_of_long_lines_is_known_to_the_fault_script(emulator: Running) -> None:
    client = emulator.openai()
    emulator.faults({"match": {"model": FLARE}, "action": {"do": "fail"}})
    line = image_line("a", images=[{"image_url": address(BASE + bytes(200_000))}])
    batch = polled(client, chat_batch(client, [line], endpoint=line["url"]))
    assert (batch.status, batch.model) == ("failed", FLARE)


# Google -----------------------------------------------------------------------------------------------------------


def test_the_sdk_gets_words_and_an_image(emulator: Running) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio="16:9", image_size="2K"),
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH),
    )
    part = types.Part.from_bytes(data=BASE, mime_type="image/png")
    made = emulator.google().models.generate_content(model=BANANA, contents=[part, "A fjord."], config=config)
    assert made.parts is not None and made.text == "Here is the image."
    [image] = [one.inline_data.data for one in made.parts if one.inline_data]
    assert size_of(image) == (2736, 1536)
    usage = made.usage_metadata
    assert usage is not None and usage.candidates_tokens_details is not None
    assert [one.token_count for one in usage.candidates_tokens_details] == [1120]
    assert usage.thoughts_token_count == 900
    total = (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0) + 900
    assert usage.total_token_count == total


@pytest.mark.parametrize(
    ("model", "config", "parts", "words"),
    [
        (BANANA, {"imageConfig": {"imageSize": "512"}}, [], "image size"),
        (LITE, {"imageConfig": {"imageSize": "2K"}}, [], "image size"),
        (BANANA, {"imageConfig": {"aspectRatio": "5:1"}}, [], "aspect ratio"),
        (BANANA, {"imageConfig": {"quality": "high"}}, [], "Unknown name"),
        (BANANA, {"responseModalities": ["AUDIO"]}, [], "response_modalities"),
        (BANANA, {"responseModalities": ["TEXT"]}, [], "response_modalities"),
        (BANANA, {"responseMimeType": "application/json"}, [], "JSON mode"),
        (BANANA, {}, [{"inlineData": {"mimeType": "image/gif", "data": "R0lG"}}], "MIME type"),
        (BANANA, {}, [{"inlineData": {"mimeType": "image/png", "data": "R0lG"}}], "input image"),
        (BANANA, {}, [{"inlineData": {"mimeType": "image/png", "data": "###"}}], "input image"),
        (BANANA, {}, [{"fileData": {"fileUri": "files/a"}}], "file_data"),
        (BANANA, {}, [{"inlineData": {"mimeType": "image/png", "data": address(BASE)[22:]}}] * 15, "at most 14"),
    ],
)
def test_google_refuses(emulator: Running, model: str, config: dict[str, Any], parts: list[Any], words: str) -> None:
    request = {
        "contents": [{"parts": [*parts, {"text": "A fjord."}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }
    with pytest.raises(errors.ClientError, match=words):
        emulator.google()._api_client.request("post", f"models/{model}:generateContent", request)


def test_an_image_needs_a_prompt(emulator: Running) -> None:
    request = {"contents": [{"parts": [{"text": " "}]}], "generationConfig": {"responseModalities": ["IMAGE"]}}
    with pytest.raises(errors.ClientError, match="no text"):
        emulator.google()._api_client.request("post", f"models/{BANANA}:generateContent", request)
