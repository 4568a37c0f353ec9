"""Calls for edits: as forms, with pictures that are none, and kept waiting."""

from __future__ import annotations

import base64
import http.client
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from google.genai import errors, types

from grabient_assets.emulator.painting.edited import rectangle_mask
from grabient_assets_tests.emulator.editing import (
    BASE,
    HEADERS,
    HEIGHT,
    MASK,
    REFERENCE,
    REGION,
    WIDTH,
    address,
    google_edit,
    inside,
    json_edit,
    picture_of,
    pixels,
    told,
    visible,
)
from grabient_assets_tests.emulator.running import BANANA, FLARE, Running, running

# forms and pictures that are none ---------------------------------------------------------------------------------


def test_the_sdk_edits_with_a_form(emulator: Running) -> None:
    edit, size = emulator.openai().images.edit, f"{WIDTH}x{HEIGHT}"
    base, mask = ("base.png", BASE, "image/png"), ("mask.png", MASK, "image/png")
    one, again = (edit(model=FLARE, prompt="Warmer.", image=base, mask=mask, size=size, n=1) for _ in range(2))
    assert picture_of(one) == picture_of(again)
    assert visible(pixels(BASE), pixels(picture_of(one)), ~inside(WIDTH, HEIGHT)) == pytest.approx(0.3, abs=0.0001)
    assert visible(pixels(BASE), pixels(picture_of(one)), inside(WIDTH, HEIGHT)) > 0.9
    as_json = json_edit(emulator, mask=address(MASK))
    assert one.usage is not None and one.usage.input_tokens == as_json["usage"]["input_tokens"]
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
