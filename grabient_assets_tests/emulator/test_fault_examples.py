"""Every script under examples/faults/ loads and does, through a real SDK, what its comment says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import groq
import httpx2
import openai
import pytest
import requests
from google.genai import errors, types

from grabient_assets.emulator.fault_script import load_rules
from grabient_assets_tests.emulator.editing import (
    BASE,
    HEIGHT,
    MASK,
    WIDTH,
    google_edit,
    inside,
    picture_of,
    pixels,
    visible,
)
from grabient_assets_tests.emulator.running import (
    BANANA,
    FLARE,
    FLASH,
    FLASH3,
    LUNA,
    MINI,
    OSS,
    Running,
    anthropic_batch,
    anthropic_request,
    anthropic_results,
    chat_batch,
    chat_line,
    chat_results,
    gemini_batch,
    gemini_request,
    polled,
    rows_of,
    running,
)

EXAMPLES = Path(__file__).parents[2] / "examples" / "faults"
KEYS = [f"k{number}" for number in range(10)]
REQUESTS = [anthropic_request(key) for key in KEYS]
OPENAI, GROQ = ([chat_line(key, model) for key in KEYS] for model in (MINI, OSS))
GEMINI = [gemini_request(key) for key in KEYS]


def create_dropped_after_accept(emulator: Running) -> None:
    with pytest.raises(anthropic.APIConnectionError):
        anthropic_batch(emulator.anthropic(), REQUESTS)
    with pytest.raises(openai.APIConnectionError):
        chat_batch(emulator.openai(), OPENAI)
    with pytest.raises(groq.APIConnectionError):
        chat_batch(emulator.groq(), GROQ)
    with pytest.raises(httpx2.RemoteProtocolError):
        gemini_batch(emulator.google(), GEMINI)
    assert len(emulator.control("GET", "calls")["creates"]) == 4


def rate_limited(emulator: Running) -> None:
    for _ in range(2):
        with pytest.raises(openai.RateLimitError):
            chat_batch(emulator.openai(), OPENAI)
    assert chat_batch(emulator.openai(), OPENAI).status == "validating"
    with pytest.raises(anthropic.InternalServerError):
        anthropic_batch(emulator.anthropic(), REQUESTS)
    with pytest.raises(errors.ClientError, match="RESOURCE_EXHAUSTED"):
        gemini_batch(emulator.google(), GEMINI)


def server_error_after_accept(emulator: Running) -> None:
    with pytest.raises(anthropic.InternalServerError):
        anthropic_batch(emulator.anthropic(), REQUESTS)
    assert len(emulator.anthropic().messages.batches.list().data) == 1


def queue_full(emulator: Running) -> None:
    client = emulator.openai()
    first, second = (polled(client, chat_batch(client, OPENAI)) for _ in range(2))
    assert first.errors.data[0].code == "token_limit_exceeded" and second.status == "completed"


def expired_half_done(emulator: Running) -> None:
    assert anthropic_batch(emulator.anthropic(), REQUESTS).request_counts.expired == 4
    assert polled(emulator.openai(), chat_batch(emulator.openai(), OPENAI)).status == "expired"
    assert polled(emulator.groq(), chat_batch(emulator.groq(), GROQ)).request_counts.completed == 6
    assert gemini_batch(emulator.google(), GEMINI).state == types.JobState.JOB_STATE_EXPIRED


def results_cut(emulator: Running) -> None:
    client = emulator.anthropic()
    batch = anthropic_batch(client, REQUESTS)
    with pytest.raises(httpx2.RemoteProtocolError):
        anthropic_results(client, batch)
    assert len(anthropic_results(client, batch)) == 10
    chat = emulator.openai()
    done = polled(chat, chat_batch(chat, OPENAI))
    with pytest.raises(openai.APIConnectionError):
        chat.files.content(done.output_file_id)
    assert len(chat_results(chat, done)) == 10
    fast = emulator.groq()
    done = polled(fast, chat_batch(fast, GROQ))
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        chat_results(fast, done)


def results_in_disorder(emulator: Running) -> None:
    chat, fast = emulator.openai(), emulator.groq()
    content = chat.files.content(polled(chat, chat_batch(chat, OPENAI)).output_file_id).read()
    assert len(rows_of(content)) == 11
    assert len(chat_results(fast, polled(fast, chat_batch(fast, GROQ)))) == 9
    job = gemini_batch(emulator.google(), GEMINI)
    assert {answer.metadata for answer in job.dest.inlined_responses} == {None}
    client = emulator.anthropic()
    results = anthropic_results(client, anthropic_batch(client, REQUESTS))
    wrong = [key for key, result in results.items() if f'"ref": "{key}"' not in result.message.content[0].text]
    assert len(wrong) == 2


def bad_answers(emulator: Running) -> None:
    client = emulator.anthropic()
    batch = anthropic_batch(client, REQUESTS)
    reasons = [getattr(result, "message", None) for result in anthropic_results(client, batch).values()]
    stops = sorted(message.stop_reason for message in reasons if message is not None)
    assert batch.request_counts.errored == 1 and {"refusal", "max_tokens"} < set(stops)


def odd_file_ids(emulator: Running) -> None:
    chat, fast = emulator.openai(), emulator.groq()
    assert polled(chat, chat_batch(chat, OPENAI)).error_file_id == ""
    odd: Any = polled(fast, chat_batch(fast, GROQ)).error_file_id
    assert odd == {}


def foreign_results_host(emulator: Running) -> None:
    assert anthropic_batch(emulator.anthropic(), REQUESTS).results_url.startswith("http://127.0.0.2:9/v1/")


def stuck(emulator: Running) -> None:
    assert gemini_batch(emulator.google(), GEMINI, 9).state == types.JobState.JOB_STATE_RUNNING
    assert anthropic_batch(emulator.anthropic(), REQUESTS, 9).processing_status == "in_progress"


def outage(emulator: Running) -> None:
    batch = chat_batch(emulator.openai(), OPENAI)
    with pytest.raises(openai.InternalServerError):
        polled(emulator.openai(), batch)
    with pytest.raises(groq.APIConnectionError):
        chat_batch(emulator.groq(), GROQ)
    assert gemini_batch(emulator.google(), GEMINI, 0).name
    with pytest.raises(anthropic.APITimeoutError):
        emulator.anthropic(timeout=0.2).messages.batches.list()


def chorus_answers(emulator: Running) -> None:
    prompt = "Answer with one JSON object {ref, statement, image_prompt}."
    message = [{"role": "user", "content": f'{prompt}\n{{"ref":"a","iteration":1}}'}]
    chat, google = emulator.openai(), emulator.google()
    request = anthropic_request("a", messages=message)
    [block] = emulator.anthropic().messages.create(**request["params"]).content
    assert block.type == "text" and len(json.loads(block.text)["statement"].split()) == 400
    batch = polled(chat, chat_batch(chat, [chat_line("a", LUNA, messages=message)]))
    row = chat_results(chat, batch)["a"]["response"]["body"]
    assert "image_prompt" not in json.loads(row["choices"][0]["message"]["content"])
    said = emulator.groq().chat.completions.create(**chat_line("a", OSS, messages=message)["body"])
    assert (said.choices[0].message.content or "").startswith("===ARTIST STATEMENT===")
    fenced = google.models.generate_content(model=FLASH3, contents=message[0]["content"]).text or ""
    assert fenced.startswith("```json")
    for stage in ("input", "output"):
        with pytest.raises(openai.BadRequestError) as refused:
            chat.images.generate(model=FLARE, prompt="A fjord.")
        assert refused.value.body["moderation_details"]["moderation_stage"] == stage  # type: ignore[index]
    assert chat.images.generate(model=FLARE, prompt="A fjord.").data
    candidates = [google.models.generate_content(model=BANANA, contents="A fjord.").candidates for _ in range(2)]
    assert [found[0].finish_reason for found in candidates if found] == ["NO_IMAGE", "STOP"]


def sources(emulator: Running) -> None:
    web, youtube = f"{emulator.url}/web", f"{emulator.url}/youtube"

    def page(path: str) -> requests.Response:
        return requests.get(web + path, timeout=20)

    assert [page("/articles/handling-price").status_code for _ in range(3)] == [503, 503, 200]
    assert page("/articles/think-about-it").status_code == page("/articles/think-about-it").status_code == 503
    assert "captcha" in page("/scripts/not-interested.txt").text
    assert "This is version 2 of the page." in page("/guides/discovery.md").text
    watched = [requests.get(f"{youtube}/watch", {"v": "obj-mindset"}, timeout=20) for _ in range(3)]
    assert [one.status_code for one in watched] == [429, 429, 200]
    assert "g-recaptcha" in requests.get(f"{youtube}/watch", {"v": "price-talk1"}, timeout=20).text
    key = watched[2].text.partition('"INNERTUBE_API_KEY":"')[2].partition('"')[0]
    asked = {"context": {"client": {"clientName": "ANDROID"}}, "videoId": "competitors"}
    player = requests.post(f"{youtube}/youtubei/v1/player", params={"key": key}, json=asked, timeout=20).json()
    assert player["playabilityStatus"]["status"] == "OK" and "captions" not in player
    captions = requests.get(f"{youtube}/api/timedtext", {"v": "time-budget", "lang": "en"}, timeout=20)
    assert (captions.status_code, captions.content) == (200, b"")


def extraction_answers(emulator: Running) -> None:
    talk = [{"t": 0, "text": "Never drop the price without taking something out of the offer."}]
    message = json.dumps({"ref": "a", "focus_area": 4, "title": "A talk", "segments": talk})

    def entries(model: str) -> list[dict[str, str]]:
        said = emulator.google().models.generate_content(model=model, contents=message).text or ""
        return json.loads(said)["entries"]

    assert [entry["quote"] == talk[0]["text"] for entry in entries(FLASH3)] == [False]
    assert entries(FLASH) == []


def edits(emulator: Running) -> None:
    def edit() -> Any:
        form: dict[str, Any] = {"image": ("b.png", BASE, "image/png"), "mask": ("m.png", MASK, "image/png")}
        return emulator.openai().images.edit(model=FLARE, prompt="Warmer.", size=f"{WIDTH}x{HEIGHT}", **form)

    assert visible(pixels(BASE), pixels(picture_of(edit())), ~inside(WIDTH, HEIGHT)) > 0.89
    assert edit().size == "1024x768"
    with pytest.raises(openai.BadRequestError) as refused:
        edit()
    assert refused.value.code == "moderation_blocked"
    assert edit().size == f"{WIDTH}x{HEIGHT}"
    began = time.monotonic()
    assert google_edit(emulator, "Warmer.", BASE)
    assert time.monotonic() - began > 0.2


SHOWN: dict[str, Callable[[Running], None]] = {
    show.__name__.replace("_", "-"): show
    for show in (
        create_dropped_after_accept,
        rate_limited,
        server_error_after_accept,
        queue_full,
        expired_half_done,
        results_cut,
        results_in_disorder,
        bad_answers,
        chorus_answers,
        sources,
        extraction_answers,
        edits,
        odd_file_ids,
        foreign_results_host,
        stuck,
        outage,
    )
}


def test_every_example_is_shown_and_says_what_it_rehearses() -> None:
    found = sorted(path for path in EXAMPLES.iterdir())
    assert [path.stem for path in found] == sorted(SHOWN)
    assert all(path.read_text(encoding="utf-8").startswith("# Rehearses: ") for path in found)


@pytest.mark.parametrize("name", SHOWN)
def test_example(folder: Path, name: str) -> None:
    path = next(EXAMPLES.glob(f"{name}.*"))
    assert load_rules(path)
    with running(folder, faults=path) as emulator:
        SHOWN[name](emulator)
