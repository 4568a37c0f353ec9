"""Edits through the real SDKs, and the measures that tell what they changed."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from google.genai import types
from numpy.typing import NDArray
from PIL import Image

from grabient_assets.emulator.images import drawn
from grabient_assets.emulator.painting.edited import rectangle_mask
from grabient_assets.emulator.painting.picture import painted
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.emulator.running import BANANA, FLARE, Running

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


HEADERS = {"authorization": "Bearer k", "x-goog-api-key": "k", "content-type": "application/json"}
"""Those that both providers want."""
