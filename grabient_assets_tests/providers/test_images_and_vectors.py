"""Requests for images and vectors, batches of them, and what comes back."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.errors import RequestRejectedError, ResultsError
from grabient_assets.providers.connect import line_reader, request_line, usages_in
from grabient_assets.providers.contract import (
    BatchFile,
    ImageInput,
    ImageSpec,
    RequestSpec,
    Result,
    Spec,
    VectorSpec,
)
from grabient_assets.registry.model import Model
from grabient_assets.registry.usage import Usage
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import GOOGLE, GROQ, OPENAI
from grabient_assets_tests.providers.image_and_vector_bodies import (
    BANANA,
    FLARE,
    NOMIC,
    OLD,
    PNG,
    REGISTRY,
    SMALL,
    TWO,
    chat_line,
    encoded,
    gemini_image,
    image_body,
    moderated,
    part,
    vector_body,
)

LITE = REGISTRY.model("google", "gemini-3.1-flash-lite-image")
ONE = REGISTRY.model("google", "gemini-embedding-001")
JPEG, WEBP = b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBPVP8 "
BASE, REFERENCE = ImageInput(data=PNG), ImageInput(data=JPEG, media_type="image/jpeg")
MASK = ImageInput(data=PNG + b"mask")


def asked(spec: Spec, model: Model) -> dict[str, Any]:
    return json.loads(request_line(spec, model))


# --- request lines ------------------------------------------------------------------------------------------------


def test_openai_makes_an_image() -> None:
    spec = ImageSpec("a-1", "A fjord.", size="1024x1024", quality="high", format="png", background="opaque")
    assert request_line(spec, FLARE) == (
        b'{"custom_id":"a-1","method":"POST","url":"/v1/images/generations","body":{"model":"gpt-image-2.5-flare",'
        b'"prompt":"A fjord.","size":"1024x1024","quality":"high","n":1,"output_format":"png","background":"opaque"}}'
    )
    assert asked(ImageSpec("a-1", "A fjord."), FLARE)["body"] == {"model": FLARE.id, "prompt": "A fjord.", "n": 1}


def test_openai_edits_images_in_their_order() -> None:
    by_address = ImageInput(url="https://example.org/c.png")
    line = asked(ImageSpec("a-1", "Warmer.", (BASE, REFERENCE, by_address), MASK, quality="low"), FLARE)
    assert line["url"] == "/v1/images/edits"
    assert line["body"] == {
        "model": FLARE.id,
        "prompt": "Warmer.",
        "images": [
            {"image_url": f"data:image/png;base64,{encoded(PNG)}"},
            {"image_url": f"data:image/jpeg;base64,{encoded(JPEG)}"},
            {"image_url": "https://example.org/c.png"},
        ],
        "mask": {"image_url": f"data:image/png;base64,{encoded(PNG + b'mask')}"},
        "quality": "low",
        "n": 1,
    }


def test_google_makes_and_edits_an_image() -> None:
    spec = ImageSpec("a-1", "A fjord.", (BASE, REFERENCE), size="1344x768", quality="high", format="png", effort="low")
    assert asked(spec, BANANA) == {
        "key": "a-1",
        "request": {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"inlineData": {"mimeType": "image/png", "data": encoded(PNG)}},
                        {"inlineData": {"mimeType": "image/jpeg", "data": encoded(JPEG)}},
                        {"text": "A fjord."},
                    ],
                }
            ],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"},
                "thinkingConfig": {"thinkingLevel": "MEDIUM"},
            },
        },
    }
    plain = asked(ImageSpec("a-1", "A fjord."), LITE)["request"]["generationConfig"]
    assert plain == {"responseModalities": ["IMAGE"]}


@pytest.mark.parametrize(
    ("size", "model", "config"),
    [
        ("1024x1024", BANANA, {"aspectRatio": "1:1", "imageSize": "1K"}),
        ("1536x1024", BANANA, {"aspectRatio": "3:2", "imageSize": "2K"}),
        ("3840x2160", BANANA, {"aspectRatio": "16:9", "imageSize": "4K"}),
        ("1000x1050", BANANA, {"aspectRatio": "1:1", "imageSize": "2K"}),
        ("768x1344", LITE, {"aspectRatio": "9:16"}),
    ],
)
def test_google_takes_the_nearest_ratio_and_the_least_size(size: str, model: Model, config: dict[str, str]) -> None:
    request = asked(ImageSpec("a-1", "A fjord.", size=size), model)["request"]
    assert request["generationConfig"]["imageConfig"] == config


def test_vectors() -> None:
    assert asked(VectorSpec("a-1", "calm sea"), SMALL) == {
        "custom_id": "a-1",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": SMALL.id, "input": "calm sea", "dimensions": 1536, "encoding_format": "base64"},
    }
    assert asked(VectorSpec("a-1", "calm sea", 256, "query"), SMALL)["body"]["dimensions"] == 256
    body = asked(VectorSpec("a-1", "calm sea", task="query"), NOMIC)["body"]
    assert body == {"model": NOMIC.id, "input": "search_query: calm sea", "encoding_format": "base64"}
    assert asked(VectorSpec("a-1", "calm sea"), TWO) == {
        "key": "a-1",
        "request": {"content": {"parts": [{"text": "title: none | text: calm sea"}]}, "outputDimensionality": 1536},
    }
    assert asked(VectorSpec("a-1", "calm sea", 768, "query"), ONE)["request"] == {
        "content": {"parts": [{"text": "calm sea"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 768,
    }


def painted(**more: Any) -> ImageSpec:
    fields: dict[str, Any] = {"custom_id": "a-1", "prompt": "A fjord."} | more
    return ImageSpec(**fields)


NOT_ASKED: dict[str, tuple[Spec, Model, str]] = {
    "image of a model that writes": (painted(), OPENAI.model, "makes no images; choose one with the role brush"),
    "vector of a model that writes": (
        VectorSpec("a-1", "x"),
        OPENAI.model,
        "makes no vectors; choose one with the role",
    ),
    "text of a model that paints": (RequestSpec("a-1", "", "x", 10), FLARE, "the model writes no text"),
    "image of Anthropic": (painted(), REGISTRY.panel("refiner")[0], "neither images nor vectors"),
    "vector of Anthropic": (VectorSpec("a-1", "x"), REGISTRY.panel("refiner")[0], "neither images nor vectors"),
    "image of Groq": (painted(), GROQ.model, "groq makes no images"),
    "id": (painted(custom_id="a b"), FLARE, "custom_id must be 1 to 64"),
    "id of a vector": (VectorSpec("a b", "x"), SMALL, "custom_id must be 1 to 64"),
    "empty prompt": (painted(prompt=" \n"), FLARE, "its prompt is empty"),
    "empty prompt at Google": (painted(prompt=""), BANANA, "its prompt is empty"),
    "long prompt": (painted(prompt="x" * 32_001), FLARE, "32001 characters, the model takes 32000"),
    "too many images": (painted(images=(BASE,) * 17), FLARE, "17 images, the model takes at most 16"),
    "mask where there is no place": (
        painted(images=(BASE,), mask=MASK),
        BANANA,
        "no place for a mask; name the region",
    ),
    "mask on nothing": (painted(mask=MASK), FLARE, "a mask needs the image"),
    "heavy mask": (painted(images=(BASE,), mask=ImageInput(data=b"x" * 4_000_001)), FLARE, "more than 4000000 bytes"),
    "heavy image": (painted(images=(ImageInput(data=b"x" * 16_000_000),)), FLARE, "characters as text"),
    "quality of a later model": (painted(quality="xhigh"), OLD, "'xhigh' is none of low, medium, high"),
    "transparent at Google": (painted(background="transparent"), BANANA, "makes no transparent images"),
    "transparent jpeg": (painted(background="transparent", format="jpeg"), FLARE, "jpeg has no transparency"),
    "no size": (painted(size="large"), FLARE, "size 'large' is none; write it as 1024x1024"),
    "odd size": (painted(size="1000x1024"), FLARE, "both edges must be multiples of 16"),
    "long size": (painted(size="3856x1600"), FLARE, "no edge may have more than 3840"),
    "narrow size": (painted(size="3200x1056"), FLARE, "at most 3 times as long"),
    "small size": (painted(size="512x512"), FLARE, "655360 to 8294400 pixels"),
    "size of no ratio": (painted(size="440x100"), BANANA, "near to none of the ratios"),
    "size above all": (painted(size="2048x2048"), LITE, "larger than 1K"),
    "address at Google": (painted(images=(ImageInput(url="https://example.org/p.png"),)), BANANA, "send the bytes"),
    "unknown effort": (painted(effort="huge"), BANANA, "'huge' is none of"),
    "empty text": (VectorSpec("a-1", " "), SMALL, "its text is empty"),
    "too many dimensions": (VectorSpec("a-1", "x", 3072), SMALL, "3072 dimensions are not between 1 and 1536"),
    "too few dimensions": (VectorSpec("a-1", "x", 64), TWO, "64 dimensions are not between 128 and 3072"),
}


@pytest.mark.parametrize("case", NOT_ASKED)
def test_what_cannot_be_asked_is_refused_before_it_is_sent(case: str) -> None:
    spec, model, says = NOT_ASKED[case]
    with pytest.raises(RequestRejectedError, match=says) as caught:
        request_line(spec, model)
    assert caught.value.provider == model.provider


# --- batches ------------------------------------------------------------------------------------------------------


def batch_of(model: Model, *specs: Spec) -> BatchFile:
    return BatchFile("lab-1", model, [request_line(spec, model) for spec in specs], [spec.custom_id for spec in specs])


@pytest.mark.usefixtures("uploads")
@pytest.mark.parametrize("face", [OPENAI], ids=["openai"], indirect=True)
@pytest.mark.parametrize(
    ("spec", "model", "endpoint"),
    [
        (painted(), FLARE, "/v1/images/generations"),
        (painted(images=(BASE,)), FLARE, "/v1/images/edits"),
        (VectorSpec("a-1", "calm"), SMALL, "/v1/embeddings"),
    ],
)
def test_the_lines_name_the_endpoint_of_the_batch(
    spec: Spec, model: Model, endpoint: str, httpserver: HTTPServer, open_at: Open
) -> None:
    httpserver.expect_request(OPENAI.create, method="POST").respond_with_json(OPENAI.body())
    open_at(OPENAI, httpserver.url_for("")).submit(batch_of(model, spec, replace(spec, custom_id="a-2")))
    [created] = [request for request, _ in httpserver.log if request.path == OPENAI.create]
    assert created.get_json()["endpoint"] == endpoint


@pytest.mark.parametrize(
    ("face", "model", "specs", "says"),
    [
        (OPENAI, FLARE, [painted(), painted(custom_id="a-2", images=(BASE,))], "one endpoint, these lines name"),
        (
            GROQ,
            replace(NOMIC, deliveries=("batch", "direct")),
            [VectorSpec("a-1", "x")],
            "no batches for /v1/embeddings",
        ),
        (GROQ, NOMIC, [VectorSpec("a-1", "x")], r"nomic-embed-text-v1_5 \(groq\) has no batches"),
    ],
    ids=["mixed", "no endpoint", "no delivery"],
)
def test_a_batch_that_cannot_be_is_refused_before_anything_is_sent(
    face: Any, model: Model, specs: list[Spec], says: str, httpserver: HTTPServer, open_at: Open
) -> None:
    with pytest.raises(RequestRejectedError, match=says):
        open_at(face, httpserver.url_for("")).submit(batch_of(model, *specs))
    assert httpserver.log == []


def test_google_takes_one_kind_in_a_batch(httpserver: HTTPServer, open_at: Open) -> None:
    image, vector = request_line(painted(), BANANA), request_line(VectorSpec("a-2", "x"), TWO)
    with pytest.raises(RequestRejectedError, match="holds one kind of request, lab-1 image, vector"):
        open_at(GOOGLE, httpserver.url_for("")).submit(BatchFile("lab-1", BANANA, [image, vector], ["a-1", "a-2"]))
    assert httpserver.log == []


def test_a_line_without_an_endpoint_is_refused(httpserver: HTTPServer, open_at: Open) -> None:
    with pytest.raises(RequestRejectedError, match="no batches for None"):
        open_at(OPENAI, httpserver.url_for("")).submit(BatchFile("lab-1", FLARE, [b'{"custom_id":"a"}'], ["a"]))


def take(request: Request) -> Response:
    return Response('{"file":{"name":"files/f1"}}', headers={"x-goog-upload-status": "final"})


@pytest.mark.parametrize(
    ("spec", "model", "call"),
    [(painted(), BANANA, "batchGenerateContent"), (VectorSpec("a-1", "calm"), TWO, "asyncBatchEmbedContent")],
    ids=["image", "vector"],
)
def test_google_takes_images_and_vectors_as_files_however_few(
    spec: Spec, model: Model, call: str, httpserver: HTTPServer, open_at: Open
) -> None:
    """Inline answers of vectors have no key, and inline images would lie in the batch's own object."""
    start = {"x-goog-upload-url": httpserver.url_for("/put/1")}
    httpserver.expect_request("/upload/v1/files").respond_with_json({}, headers=start)
    httpserver.expect_request("/put/1").respond_with_handler(take)
    httpserver.expect_request(f"/v1/models/{model.id}:{call}").respond_with_json(GOOGLE.body())
    batch = batch_of(model, spec)
    accepted = open_at(GOOGLE, httpserver.url_for("")).submit(batch)
    assert (accepted.provider_batch_id, accepted.input_file_id) == (GOOGLE.batch, "files/f1")
    [uploaded] = [request.get_data() for request, _ in httpserver.log if request.path == "/put/1"]
    assert uploaded == batch.lines[0] + b"\n"
    created = httpserver.log[-1][0].get_json()
    # The API takes both spellings; the SDK writes another one for vectors.
    name = "file_name" if model.vectors else "fileName"
    assert created == {"batch": {"displayName": "lab-1", "inputConfig": {name: "files/f1"}}}


# --- results ------------------------------------------------------------------------------------------------------


def gemini_vector(values: Any, **more: Any) -> dict[str, Any]:
    return {"key": "a-1", "response": {"embedding": {"values": values}, "tokenCount": 9} | more}


def read(value: Any, provider: str) -> Result:
    return line_reader(provider)(json.dumps(value).encode())


def little(*numbers: float) -> str:
    return encoded(struct.pack(f"<{len(numbers)}f", *numbers))


@pytest.mark.parametrize(("data", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_an_image_of_openai(data: bytes, kind: str) -> None:
    result = read(chat_line(image_body(encoded(data))), "openai")
    assert (result.fate, result.image, result.media_type, result.text) == ("answered", data, kind, None)
    assert result.usage == Usage(1000, 1200, input_image_tokens=900, output_image_tokens=1200)
    assert (result.custom_id, result.request_id, result.has_response) == ("a-1", "req_1", True)


def test_text_beside_an_image_and_what_was_cached_is_counted() -> None:
    details = {"text_tokens": 100, "image_tokens": 900, "cached_tokens": 300}
    usage = {"input_tokens": 1000, "input_tokens_details": details, "output_tokens": 1200, "total_tokens": 2200}
    usage["output_tokens_details"] = {"text_tokens": 80, "image_tokens": 1120}
    found = read(chat_line(image_body(encoded(PNG), usage=usage)), "openai").usage
    assert found == Usage(1000, 1200, 300, input_image_tokens=900, cached_image_tokens=200, output_image_tokens=1120), (
        "text is thought of as cached first: less is saved"
    )


def test_an_image_of_google() -> None:
    value = gemini_image("STOP", part(b"draft", thought=True), {"text": "Here it is."}, part(PNG), part(JPEG))
    result = read(value, "google")
    assert (result.fate, result.image, result.media_type, result.text) == ("answered", PNG, "image/png", "Here it is.")
    assert result.usage == Usage(300, 1180, reasoning_tokens=50, input_image_tokens=258, output_image_tokens=1120)
    assert (result.served_model, result.request_id) == (BANANA.id, "r-1")
    assert read(gemini_image("STOP", part(JPEG, "inline_data")), "google").image == JPEG


NUMBERS = (0.25, -1.5, 3.0)


@pytest.mark.parametrize("given", [little(*NUMBERS), list(NUMBERS)], ids=["base64", "list"])
@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_a_vector(given: object, provider: str) -> None:
    result = read(chat_line(vector_body(given)), provider)
    assert (result.fate, result.vector, result.usage) == ("answered", array("f", NUMBERS), Usage(7, 0))
    assert (result.served_model, result.text, result.image) == (SMALL.id, None, None)
    assert hash(result) == hash(replace(result, vector=None)), "a result can be put into a set"


@pytest.mark.parametrize(
    "response",
    [
        {"embedding": {"values": list(NUMBERS)}, "tokenCount": 9},
        {"embeddings": [{"values": list(NUMBERS)}], "usageMetadata": {"promptTokenCount": 9}},
        {"embedding": {"values": list(NUMBERS), "statistics": {"tokenCount": 9}}},
    ],
    ids=["batch", "single call", "statistics"],
)
def test_a_vector_of_google(response: dict[str, Any]) -> None:
    result = read({"key": "a-1", "response": response}, "google")
    assert (result.fate, result.vector, result.usage) == ("answered", array("f", NUMBERS), Usage(9, 0))
    unsaid = {"key": "a-1", "response": {"embedding": {"values": [1]}, "tokenCount": "many"}}
    assert read(unsaid, "google").usage is None


BAD_VECTORS: dict[str, tuple[object, str]] = {
    "none": (None, "the vector is missing"),
    "no base64": ("§", "no base64"),
    "half a number": (encoded(b"12345"), "5 bytes of the vector are no whole numbers"),
    "not finite": (little(1.0, float("nan")), "not finite"),
    "infinite": (little(1.0, float("-inf")), "not finite"),
    "beyond float32": ([1.0, 1e300], "not finite"),
    "no numbers": ([1.0, "2"], "something else than numbers"),
    "truths": ([True, False], "something else than numbers"),
    "zeros": ([0.0, 0, -0.0], "are 0"),
    "empty": ([], "empty"),
}


@pytest.mark.parametrize("case", BAD_VECTORS)
def test_a_vector_that_is_none(case: str) -> None:
    given, says = BAD_VECTORS[case]
    results = [read(chat_line(vector_body(given)), "openai")]
    if not isinstance(given, str):
        results.append(read(gemini_vector(given), "google"))
    for result in results:
        assert (result.fate, result.error_code, result.retryable, result.vector) == (
            "errored",
            "bad_vector",
            True,
            None,
        )
        assert says in (result.error or "") and result.usage is not None and result.has_response


@pytest.mark.parametrize("count", [0, 2])
def test_one_text_has_one_vector(count: int) -> None:
    many = [{"values": [1.0]}] * count
    for result in (
        read(chat_line(vector_body(*[[1.0]] * count)), "openai"),
        read({"key": "a-1", "response": {"embeddings": many}}, "google"),
    ):
        assert (result.fate, result.error_code) == ("errored", "bad_vector")
        assert f"{count} vectors instead of one" in (result.error or "")


def test_an_answer_of_another_kind_is_none() -> None:
    vector = read(chat_line(vector_body([1.0, 2.0])), "openai")
    assert vector.holding("vector", 2) is vector and vector.holding("vector") is vector
    short = vector.holding("vector", 3)
    assert (short.fate, short.error_code, short.vector, short.usage) == ("errored", "bad_vector", None, Usage(7, 0))
    assert "2 dimensions instead of 3" in (short.error or "")
    words = read(gemini_image("STOP", {"text": "I would rather not."}), "google")
    assert (words.fate, words.holding("text")) == ("answered", words)
    none = words.holding("image")
    assert (none.fate, none.error_code, none.error, none.retryable) == (
        "errored",
        "no_image",
        "I would rather not.",
        False,
    )
    assert words.holding("vector").error_code == "bad_vector"
    image = read(chat_line(image_body(encoded(PNG))), "openai")
    assert image.holding("image") is image and image.holding("text").error_code == "empty_answer"
    refused = replace(image, fate="refused")
    assert refused.holding("vector") is refused


NO_IMAGES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no data": (chat_line(image_body()), "openai", "no_image", "holds no image"),
    "field missing": (chat_line(image_body(None)), "openai", "bad_image", "the image is missing"),
    "no base64": (chat_line(image_body("%%%")), "openai", "bad_image", "no base64"),
    "no picture": (chat_line(image_body(encoded(b"<svg/>"))), "openai", "bad_image", "neither PNG nor JPEG nor WebP"),
    "two": (chat_line(image_body(encoded(PNG), encoded(PNG))), "openai", "bad_image", "2 images instead of one"),
    "Google has none": (gemini_image("NO_IMAGE"), "google", "no_image", r"made no image \(NO_IMAGE\)"),
    "Google says why": (gemini_image("NO_IMAGE", {"text": "Too dark."}), "google", "no_image", "Too dark."),
    "Google has another reason": (gemini_image("IMAGE_OTHER"), "google", "no_image", "IMAGE_OTHER"),
    "no picture of Google": (gemini_image("STOP", part(b"<svg/>")), "google", "bad_image", "neither PNG"),
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_an_answer_without_an_image_is_billed_and_not_asked_again(case: str) -> None:
    value, provider, code, says = NO_IMAGES[case]
    result = read(value, provider)
    assert (result.fate, result.error_code, result.image, result.retryable) == ("errored", code, None, False)
    assert result.has_response
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(result.error)
    assert result.usage is not None


BLOCKED = {"key": "a-1", "response": {"promptFeedback": {"blockReason": "OTHER", "safetyRatings": []}}}
RATED = [{"category": "HARM_A", "blocked": True}, {"category": "HARM_B"}, {"category": "HARM_A", "blocked": True}]
REFUSED: dict[str, tuple[dict[str, Any], str, str, tuple[str, ...], bool]] = {
    "OpenAI before": (moderated("input", "violence", 7), "openai", "input", ("violence",), False),
    "OpenAI after": (moderated("output", "sexual", "self-harm"), "openai", "output", ("sexual", "self-harm"), False),
    "OpenAI does not say": (moderated(None), "openai", "input", (), False),
    "Google before": (BLOCKED, "google", "input", ("OTHER",), True),
    "Google after": (gemini_image("IMAGE_SAFETY"), "google", "output", ("IMAGE_SAFETY",), True),
    "Google rates": (
        gemini_image("IMAGE_SAFETY", promptFeedback={"safetyRatings": RATED}),
        "google",
        "output",
        ("HARM_A",),
        True,
    ),
    "Google forbids": (
        gemini_image("IMAGE_PROHIBITED_CONTENT"),
        "google",
        "output",
        ("IMAGE_PROHIBITED_CONTENT",),
        True,
    ),
    "Google knows it": (gemini_image("IMAGE_RECITATION"), "google", "output", ("IMAGE_RECITATION",), True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_where_and_for_what(case: str) -> None:
    value, provider, at, categories, answered = REFUSED[case]
    result = read(value, provider)
    assert (result.fate, result.refused_at, result.refused_for) == ("refused", at, categories)
    assert result.error and result.image is None
    assert result.has_response == answered, "an error of OpenAI is no response: it is not counted as completed"


def test_refusals_of_a_text_say_where_too() -> None:
    message = {"content": [], "stop_reason": "refusal", "stop_details": {"category": "cyber"}, "usage": None}
    claude = read({"custom_id": "a-1", "result": {"type": "succeeded", "message": message}}, "anthropic")
    assert (claude.refused_at, claude.refused_for) == ("input", ("cyber",))
    choice = {"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}
    assert read(chat_line({"choices": [choice]}), "groq").refused_at == "input"
    choice = {"message": {"content": "I"}, "finish_reason": "content_filter"}
    assert read(chat_line({"choices": [choice]}), "openai").refused_at == "output"


@pytest.mark.parametrize("usage", [None, {"input_tokens": "x"}, {"input_tokens": 0, "output_tokens": 5}, {}])
def test_an_image_without_a_receipt_is_an_image(usage: object) -> None:
    result = read(chat_line(image_body(encoded(PNG), usage=usage)), "openai")
    assert (result.fate, result.image, result.usage) == ("answered", PNG, None)


def test_tokens_of_neither_kind_are_named() -> None:
    usage = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 35}
    found = read(chat_line(image_body(encoded(PNG), usage=usage)), "openai").usage
    assert found is not None and found.unpriced.startswith("5 tokens of its total")


READERS: dict[str, Callable[[bytes], Result]] = {name: line_reader(name) for name in ("openai", "google")}


def test_what_an_unreadable_line_reports_is_counted() -> None:
    image = json.dumps({"odd": chat_line(image_body())["response"]}).encode()
    with pytest.raises(ResultsError):
        READERS["openai"](image)
    assert usages_in(image, "openai") == [Usage(1000, 1200, input_image_tokens=900, output_image_tokens=1200)]
    vector = json.dumps({"odd": vector_body()}).encode()
    assert usages_in(vector, "openai") == [Usage(7, 0)]
