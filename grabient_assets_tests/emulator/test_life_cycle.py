"""A whole life through the four real SDKs: create, list, poll, results, cancel, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import groq
import openai
import pytest
from google.genai import errors, types

from grabient_assets_tests.emulator.running import (
    FLASH,
    HAIKU,
    MAKERS,
    MINI,
    OSS,
    QWEN,
    Running,
    anthropic_batch,
    anthropic_request,
    anthropic_results,
    asked,
    chat_batch,
    chat_line,
    chat_results,
    gemini_batch,
    gemini_polled,
    gemini_request,
    gemini_upload,
    lines_of,
    polled,
    rows_of,
    running,
)

KEYS = [f"k{number}" for number in range(6)]


def test_anthropic_batch_ends_with_one_result_per_request_in_another_order(emulator: Running) -> None:
    client = emulator.anthropic()
    batch = client.messages.batches.create(requests=[anthropic_request(key) for key in KEYS])
    assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 6, None)
    batch = client.messages.batches.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 6)
    batch = client.messages.batches.retrieve(batch.id)
    assert batch.processing_status == "ended" and batch.ended_at is not None
    assert batch.request_counts.processing == 0
    assert batch.results_url == f"{emulator.bases['anthropic']}/v1/messages/batches/{batch.id}/results"
    lines = list(client.messages.batches.results(batch.id))
    assert sorted(line.custom_id for line in lines) == KEYS
    assert [line.custom_id for line in lines] != KEYS
    usage = next(line.result.message.usage for line in lines if line.result.type == "succeeded")
    assert usage.input_tokens == -(-len(asked(KEYS[0])) // 4) and usage.service_tier == "batch"


def test_a_batch_ends_although_nobody_asks_for_it_by_its_id(emulator: Running) -> None:
    client, other = emulator.anthropic(), emulator.openai()
    client.messages.batches.create(requests=[anthropic_request("a")])
    chat_batch(other, [chat_line("a", MINI)])
    seen = [[batch.processing_status for batch in client.messages.batches.list()] for _ in range(3)]
    assert seen == [["in_progress"], ["ended"], ["ended"]]
    assert [[batch.status for batch in other.batches.list()] for _ in range(2)] == [["in_progress"], ["completed"]]


def test_anthropic_lists_newest_first_over_pages_and_deletes_after_the_end(emulator: Running) -> None:
    client = emulator.anthropic()
    made = [client.messages.batches.create(requests=[anthropic_request("a")]).id for _ in range(5)]
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]
    before = client.messages.batches.list(limit=2, before_id=made[0])
    assert [batch.id for batch in before.data] == [made[2], made[1]]
    with pytest.raises(anthropic.BadRequestError, match="still processing"):
        client.messages.batches.delete(made[0])
    for _ in range(2):
        client.messages.batches.retrieve(made[0])
    assert client.messages.batches.delete(made[0]).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(made[0])


def test_anthropic_cancel_keeps_what_was_done(folder: Path) -> None:
    with running(folder, polls=4) as emulator:
        client = emulator.anthropic()
        batch = anthropic_batch(client, [anthropic_request(f"c{number}") for number in range(8)], polls=2)
        cancelled = client.messages.batches.cancel(batch.id)
        assert cancelled.processing_status == "canceling" and cancelled.cancel_initiated_at is not None
        ended = client.messages.batches.retrieve(batch.id)
        assert ended.processing_status == "ended"
        assert ended.request_counts.canceled == 4
        results = anthropic_results(client, ended)
        assert sum(result.type == "canceled" for result in results.values()) == 4 and len(results) == 8
        with pytest.raises(anthropic.BadRequestError, match="has already finished processing"):
            client.messages.batches.cancel(batch.id)


@pytest.mark.parametrize(("provider", "model"), [("openai", MINI), ("groq", OSS)])
def test_file_batch_steps_through_the_states(folder: Path, provider: str, model: str) -> None:
    with running(folder, polls=3) as emulator:
        client = getattr(emulator, provider)()
        batch = chat_batch(client, [chat_line(key, model) for key in KEYS], metadata={"grabient_key": "x"})
        states = [batch.status]
        for _ in range(3):
            batch = client.batches.retrieve(batch.id)
            states.append(batch.status)
        assert states == ["validating", "in_progress", "finalizing", "completed"]
        assert batch.metadata == {"grabient_key": "x"}
        assert (batch.request_counts.total, batch.request_counts.completed) == (6, 6)
        assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
        results = chat_results(client, batch)
        assert sorted(results) == KEYS and list(results) != KEYS
        assert {row["response"]["status_code"] for row in results.values()} == {200}


def test_openai_sums_usage_and_pages_batches_and_files(emulator: Running) -> None:
    client = emulator.openai()
    made = [chat_batch(client, [chat_line(key, MINI) for key in KEYS]) for _ in range(3)]
    batch = polled(client, made[0])
    bodies = [row["response"]["body"] for row in chat_results(client, batch).values()]
    assert batch.usage.output_tokens == sum(body["usage"]["completion_tokens"] for body in bodies)
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens
    assert batch.model == MINI
    assert [listed.id for listed in client.batches.list(limit=2)] == [batch.id for batch in made[::-1]]
    names = [file.filename for file in client.files.list(purpose="batch", order="desc", limit=2)]
    assert names == ["batch.jsonl"] * 3
    output = client.files.retrieve(batch.output_file_id)
    assert output.purpose == "batch_output" and output.filename == f"{batch.id}_output.jsonl"
    assert client.files.delete(batch.input_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(batch.input_file_id)


@pytest.mark.parametrize(("provider", "model"), [("openai", MINI), ("groq", QWEN)])
def test_cancelled_file_batch_keeps_its_finished_part(folder: Path, provider: str, model: str) -> None:
    with running(folder, polls=3) as emulator:
        client = getattr(emulator, provider)()
        batch = polled(client, chat_batch(client, [chat_line(key, model) for key in KEYS]), 1)
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch = client.batches.retrieve(batch.id)
        assert batch.status == "cancelled" and batch.request_counts.completed == 2
        assert len(chat_results(client, batch)) == 2


def test_groq_pages_by_cursor(emulator: Running) -> None:
    client = emulator.groq()
    made = [chat_batch(client, [chat_line("a", OSS)]).id for _ in range(23)]
    first = json.loads(client.batches.with_raw_response.list().text())
    cursor = first["paging"]["next_cursor"]
    second = json.loads(client.batches.with_raw_response.list(extra_query={"cursor": cursor}).text())
    assert [batch["id"] for batch in first["data"] + second["data"]] == made[::-1]
    assert len(first["data"]) == 20 and second["paging"]["next_cursor"] is None
    named = client.batches.list(extra_query={"id": made[3]})
    assert [batch.id for batch in named.data] == [made[3]]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_inline_batch_answers_with_its_metadata(emulator: Running, version: str) -> None:
    client = emulator.google(version=version)
    job = client.batches.create(
        model=FLASH, src=[gemini_request(key) for key in KEYS], config={"display_name": "run-1"}
    )
    assert (job.state, job.display_name) == (types.JobState.JOB_STATE_PENDING, "run-1")
    job = gemini_polled(client, job, 1)
    assert job.state == types.JobState.JOB_STATE_RUNNING and job.dest is None
    job = gemini_polled(client, job, 1)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    answers = job.dest.inlined_responses
    keys = [answer.metadata["key"] for answer in answers]
    assert sorted(keys) == KEYS and keys != KEYS
    for key, answer in zip(keys, answers, strict=True):
        assert json.loads(answer.response.text)["ref"] == key


def test_gemini_file_batch(emulator: Running) -> None:
    client = emulator.google()
    rows = [{"key": key, "request": {"contents": [{"parts": [{"text": asked(key)}]}]}} for key in KEYS]
    content = lines_of(rows) + lines_of(
        [{"key": "long", "request": {"contents": [{"parts": [{"text": "x" * 9_000_000}]}]}}]
    )
    name = gemini_upload(client, content, "run-1")
    assert name == "files/run-1"
    job = client.batches.create(model=FLASH, src=name, config={"display_name": "f"})
    job = gemini_polled(client, job)
    results = rows_of(client.files.download(file=job.dest.file_name))
    assert sorted(row["key"] for row in results) == [*KEYS, "long"]
    assert all("candidates" in row["response"] for row in results)
    with pytest.raises(errors.ClientError, match="ALREADY_EXISTS"):
        gemini_upload(client, content, "run-1")
    assert {file.name for file in client.files.list()} == {"files/run-1", job.dest.file_name}
    client.files.delete(name=name)
    with pytest.raises(errors.ClientError, match="PERMISSION_DENIED"):
        client.files.get(name=name)


def test_gemini_lists_over_pages_cancels_and_deletes(emulator: Running) -> None:
    client = emulator.google()
    jobs = [gemini_batch(client, [gemini_request("a")], polls=0) for _ in range(3)]
    assert [job.name for job in client.batches.list(config={"page_size": 2})] == [job.name for job in jobs[::-1]]
    client.batches.cancel(name=jobs[0].name)
    job = gemini_polled(client, jobs[0], 1)
    assert job.state == types.JobState.JOB_STATE_CANCELLED and job.dest is None
    client.batches.delete(name=job.name)
    with pytest.raises(errors.ClientError, match="NOT_FOUND"):
        client.batches.get(name=job.name)


def test_calls_and_accepted_creates_are_counted(emulator: Running) -> None:
    client = emulator.anthropic()
    batch = anthropic_batch(client, [anthropic_request("a"), anthropic_request("b")])
    chat_batch(emulator.openai(), [chat_line("c", MINI)])
    assert emulator.calls("anthropic") == {"create": 1, "retrieve": 2}
    assert emulator.calls("openai") == {"create": 1, "upload": 1}
    creates = emulator.control("GET", "calls")["creates"]
    assert [(made["provider"], made["model"], made["custom_ids"]) for made in creates] == [
        ("anthropic", HAIKU, ["a", "b"]),
        ("openai", MINI, ["c"]),
    ]
    assert creates[0]["batch_id"] == batch.id and creates[0]["at"] > 1_700_000_000


def test_models_on_offer_are_listed(emulator: Running) -> None:
    assert HAIKU in {model.id for model in emulator.anthropic().models.list()}
    assert emulator.anthropic().models.retrieve(HAIKU).id == HAIKU
    made = {model.id for model in MAKERS if model.provider == "openai"}
    assert {model.id for model in emulator.openai().models.list()} == {MINI, "gpt-5-nano", "gpt-6-luna"} | made
    assert emulator.groq().models.retrieve(OSS).id == OSS
    assert {model.name for model in emulator.google().models.list()} >= {f"models/{FLASH}"}
    with pytest.raises(anthropic.NotFoundError):
        emulator.anthropic().models.retrieve("claude-3-5-haiku-20241022")


def test_a_finished_batch_cannot_be_cancelled_as_each_provider_says(emulator: Running) -> None:
    claude, gemini = emulator.anthropic(), emulator.google()
    with pytest.raises(anthropic.BadRequestError, match="has already finished processing"):
        claude.messages.batches.cancel(anthropic_batch(claude, [anthropic_request("a")]).id)
    for client, kind, model in ((emulator.openai(), openai.ConflictError, MINI), (emulator.groq(), groq.APIError, OSS)):
        done = polled(client, chat_batch(client, [chat_line("a", model)]))
        with pytest.raises(kind, match="Cannot cancel a batch with status 'completed'") as refused:
            client.batches.cancel(done.id)
        assert refused.value.status_code == 409  # type: ignore[attr-defined]
        assert client.batches.retrieve(done.id).status == "completed"
    job = gemini_batch(gemini, [gemini_request("a")])
    with pytest.raises(errors.ClientError) as last:
        gemini.batches.cancel(name=job.name or "")
    assert (last.value.code, last.value.status) == (400, "FAILED_PRECONDITION")


def test_every_answer_names_its_request_in_the_providers_header(emulator: Running) -> None:
    claude, client, other = emulator.anthropic(), emulator.openai(), emulator.groq()
    names = [claude.messages.batches.with_raw_response.list().headers["request-id"]]
    names += [one.batches.with_raw_response.list().headers["x-request-id"] for one in (client, other)]
    with pytest.raises(anthropic.NotFoundError) as refused:
        claude.messages.batches.retrieve("msgbatch_none")
    body: Any = refused.value.body
    assert refused.value.request_id == body["request_id"]
    with pytest.raises(openai.NotFoundError) as missing:
        client.batches.retrieve("batch_none")
    emulator.faults({"match": {"provider": "openai"}, "action": {"do": "status", "status": 429}})
    with pytest.raises(openai.RateLimitError) as busy:
        client.batches.list()
    names += [str(error.request_id) for error in (refused.value, missing.value, busy.value)]
    assert all(name.startswith("req_") for name in names) and len(set(names)) == 6


def test_pages_begin_where_a_known_object_ends_and_nowhere_else(emulator: Running) -> None:
    """An `after` that names nothing is an error: a list that began anew would be read for ever."""
    claude, client, other, gemini = emulator.anthropic(), emulator.openai(), emulator.groq(), emulator.google()
    anthropic_batch(claude, [anthropic_request("a")])
    chat_batch(client, [chat_line("a", MINI)])
    for pages in (claude.messages.batches.list, claude.models.list):
        for cursor in ("after_id", "before_id"):
            with pytest.raises(anthropic.BadRequestError, match="msgbatch_none was not found"):
                pages(extra_query={cursor: "msgbatch_none"})
    for pages in (client.batches.list, client.files.list):
        with pytest.raises(openai.BadRequestError, match="no object with id 'batch_none'"):
            pages(after="batch_none")
    for cursor in ("none", "c99", "c²"):
        with pytest.raises(groq.BadRequestError, match="Invalid cursor"):
            other.batches.list(extra_query={"cursor": cursor})
    for listed in (gemini.batches.list, gemini.files.list, gemini.models.list):
        with pytest.raises(errors.ClientError, match="Invalid page token"):
            listed(config={"page_token": "99"})


@pytest.mark.parametrize("limit", ["²", "٣", "0", "-1", "1.0", "x", "9" * 40])
def test_a_limit_is_a_number_in_the_providers_range(emulator: Running, limit: str) -> None:
    claude, client, gemini = emulator.anthropic(), emulator.openai(), emulator.google()
    for refusing in (claude.messages.batches.list, claude.models.list):
        with pytest.raises(anthropic.BadRequestError, match="between 1 and 1000"):
            refusing(extra_query={"limit": limit})
    for refusing in (client.batches.list, client.files.list):
        with pytest.raises(openai.BadRequestError, match="Invalid 'limit'"):
            refusing(extra_query={"limit": limit})
    if limit != "0":  # the usual number, in Google's APIs
        for listed in ("batches", "files", "models"):
            with pytest.raises(errors.ClientError, match="Invalid page size"):
                gemini._api_client.request("GET", f"{listed}?pageSize={quote(limit)}", {})
