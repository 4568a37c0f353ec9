"""Google's `fields` parameter: what was not asked for stays away."""

from __future__ import annotations

import json
from typing import Any
from urllib import error
from urllib import request as http
from urllib.parse import quote

import pytest

from grabient_assets.emulator.google import read_mask, select_fields
from grabient_assets_tests.emulator.running import FLASH, Running, gemini_batch, gemini_polled, gemini_request
from grabient_assets_tests.hanging import HANGING_SECONDS

VALUE = {"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "g": [{"c": 5, "h": 6}, {"h": 7}, 8]}


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("a", {"a": 1}),
        ("a,b.c", {"a": 1, "b": {"c": 2}}),
        ("b/d/e,a", {"a": 1, "b": {"d": {"e": 3}}}),
        ("b(c,d(f))", {"b": {"c": 2, "d": {"f": 4}}}),
        ("b(c),b.d.e", {"b": {"c": 2, "d": {"e": 3}}}),
        ("g(h),z", {"g": [{"h": 6}, {"h": 7}, 8]}),
        ("*", VALUE),
    ],
)
def test_only_what_was_asked_for(mask: str, left: Any) -> None:
    assert select_fields(VALUE, read_mask(mask)) == left


@pytest.mark.parametrize("mask", ["", ",", "a,", "a(", "a(b", "a)", "a b", "a..b", "(a)", "a(b)c"])
def test_a_mask_that_is_none(mask: str) -> None:
    with pytest.raises(ValueError):
        read_mask(mask)


def test_an_operation_without_its_answers(emulator: Running) -> None:
    client = emulator.google()
    job = gemini_polled(client, gemini_batch(client, [gemini_request("a")]))

    def got(path: str) -> Any:
        url = f"{emulator.bases['google']}/v1/{path}"
        with http.urlopen(http.Request(url, headers={"x-goog-api-key": "k"}), timeout=HANGING_SECONDS) as answer:
            return json.loads(answer.read())

    assert "inlinedResponses" in json.dumps(got(f"{job.name}"))
    fields = quote("name,done,metadata(state,model)")
    found = {
        "name": job.name,
        "done": True,
        "metadata": {"state": "BATCH_STATE_SUCCEEDED", "model": f"models/{FLASH}"},
    }
    assert got(f"{job.name}?fields={fields}") == found
    listed = got(f"batches?pageSize=1&fields=operations({fields}),nextPageToken")
    assert listed["operations"] == [found]
    with pytest.raises(error.HTTPError, match="400"):
        got(f"{job.name}?fields=name(")
