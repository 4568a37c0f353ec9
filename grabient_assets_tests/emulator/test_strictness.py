"""What the real APIs refuse, refused in the same place, at the same time, in the same shape."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any
from urllib import error as http_errors
from urllib import request as http

import anthropic
import groq
import openai
import pytest
from google.genai import errors, types

from grabient_assets_tests.emulator.running import (
    FLASH,
    FLASH3,
    HAIKU,
    LUNA,
    MINI,
    NANO,
    OPUS,
    OSS,
    QWEN,
    RETIRED,
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
)
from grabient_assets_tests.hanging import HANGING_SECONDS

CLOSED = {
    "type": "object",
    "properties": {"ref": {"type": "string"}},
    "required": ["ref"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"ref": {"type": "string"}}}


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes((width * 3 + 1) * height)))
        + chunk(b"IEND", b"")
    )


def with_image(source: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "image", "source": source}, {"type": "text", "text": asked("a", consensus={})}]
    return {"messages": [{"role": "user", "content": content}]}


def base64_image(data: bytes) -> dict[str, Any]:
    return with_image({"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()})


# keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["wrong-key"])
def test_wrong_keys_are_refused_in_each_providers_shape(emulator: Running, key: str) -> None:
    with pytest.raises(anthropic.AuthenticationError) as one:
        emulator.anthropic(key).messages.batches.list()
    assert one.value.body["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}  # type: ignore[index]
    with pytest.raises(openai.AuthenticationError) as two:
        emulator.openai(key).batches.list()
    assert two.value.code == "invalid_api_key"
    with pytest.raises(groq.AuthenticationError):
        emulator.groq(key).batches.list()
    with pytest.raises(errors.ClientError) as four:
        list(emulator.google(key).batches.list())
    assert (four.value.code, four.value.status) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "path", ["/anthropic/v1/messages/batches", "/openai/v1/batches", "/groq/openai/v1/batches", "/google/v1/batches"]
)
def test_missing_keys_are_refused(emulator: Running, path: str) -> None:
    with pytest.raises(http_errors.HTTPError) as refused:
        http.urlopen(emulator.url + path, timeout=HANGING_SECONDS)
    assert refused.value.code == 401


def test_anthropic_takes_x_api_key_too_and_wants_a_version(emulator: Running) -> None:
    url = f"{emulator.bases['anthropic']}/v1/messages/batches"
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with http.urlopen(http.Request(url, headers=headers), timeout=HANGING_SECONDS) as answer:
        assert json.load(answer)["data"] == []
    with pytest.raises(http_errors.HTTPError) as refused:
        http.urlopen(http.Request(url, headers={"x-api-key": "k"}), timeout=HANGING_SECONDS)
    assert b"anthropic-version: header is required" in refused.value.read()


def test_groq_free_plan_has_no_batches(emulator: Running) -> None:
    client = emulator.groq("free-key")
    with pytest.raises(groq.PermissionDeniedError) as refused:
        client.batches.list()
    assert refused.value.body["error"]["code"] == "not_available_for_plan"  # type: ignore[index]
    with pytest.raises(groq.PermissionDeniedError):
        client.files.create(file=("b.jsonl", b"{}\n", "application/jsonl"), purpose="batch")


def test_unknown_paths_are_refused_in_the_providers_shape(emulator: Running) -> None:
    with pytest.raises(groq.NotFoundError) as refused:
        emulator.groq(base_url=emulator.bases["groq"] + "/openai/v1").batches.list()
    assert refused.value.body["error"]["code"] == "unknown_url"  # type: ignore[index]


# anthropic --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a", "a"], "duplicate custom_id"),
        (["has space"], "should match pattern"),
        (["a" * 65], "should match pattern"),
        (["line\n"], "should match pattern"),
        ([""], "should match pattern"),
        ([], "at least 1 item"),
    ],
)
def test_anthropic_checks_custom_ids_at_once(emulator: Running, keys: list[str], message: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=message):
        emulator.anthropic().messages.batches.create(requests=[anthropic_request(key) for key in keys])
    assert emulator.control("GET", "calls")["creates"] == []


ANTHROPIC_PARAMS: list[tuple[str, str, dict[str, Any], str]] = [
    ("temperature", HAIKU, {"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
    ("top_p", HAIKU, {"top_p": 0.9}, "top_p: Extra inputs"),
    ("unknown", HAIKU, {"colour": 1}, "colour: Extra inputs"),
    ("stream", HAIKU, {"stream": True}, "streaming is not supported"),
    ("no tokens", HAIKU, {"max_tokens": 0}, "max_tokens"),
    ("no messages", HAIKU, {"messages": []}, "messages"),
    ("budget too small", HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1000}}, "1024"),
    ("budget over limit", HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 4000}}, "greater than"),
    ("adaptive on 4.5", HAIKU, {"thinking": {"type": "adaptive"}}, "adaptive"),
    ("effort on haiku 4.5", HAIKU, {"output_config": {"effort": "low"}}, "effort"),
    ("xhigh on opus 4.5", "claude-opus-4-5-20251101", {"output_config": {"effort": "xhigh"}}, "effort"),
    ("enabled on 5.5", OPUS, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, "not supported"),
    ("disabled on 5.5", OPUS, {"thinking": {"type": "disabled"}}, "not supported"),
    (
        "disabled on 5 at max",
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        "not supported",
    ),
    (
        "prefill",
        OPUS,
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "{"}]},
        "prefill",
    ),
    (
        "open schema",
        HAIKU,
        {"output_config": {"format": {"type": "json_schema", "schema": OPEN}}},
        "additionalProperties",
    ),
    (
        "keyword",
        HAIKU,
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "array", "maxItems": 3}}}},
        "maxItems",
    ),
    ("not a png", HAIKU, base64_image(b"GIF89a"), "Could not process image"),
    ("half a png", HAIKU, base64_image(png()[:-20]), "Could not process image"),
    ("no base64", HAIKU, with_image({"type": "base64", "media_type": "image/png", "data": "%%%"}), "base64"),
    ("http image", HAIKU, with_image({"type": "url", "url": "http://example.com/a.png"}), "HTTPS"),
    ("image in the house", HAIKU, with_image({"type": "url", "url": "https://127.0.0.1/a.png"}), "Unable to download"),
    ("image on localhost", HAIKU, with_image({"type": "url", "url": "https://localhost/a.png"}), "Unable to download"),
]


def test_anthropic_checks_params_only_while_the_batch_runs(emulator: Running) -> None:
    requests = [
        anthropic_request(f"case-{place}", model, **params)
        for place, (_, model, params, _) in enumerate(ANTHROPIC_PARAMS)
    ]
    client = emulator.anthropic()
    batch = anthropic_batch(client, [*requests, anthropic_request("good")])
    assert (batch.request_counts.errored, batch.request_counts.succeeded) == (len(requests), 1)
    results = anthropic_results(client, batch)
    for place, (name, _, _, message) in enumerate(ANTHROPIC_PARAMS):
        error = results[f"case-{place}"].error.error
        assert error.type == "invalid_request_error", name
        assert message in error.message, name


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (OPUS, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        ("claude-opus-5", {"thinking": {"type": "disabled"}}),
        (HAIKU, {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}}),
        (HAIKU, base64_image(png(440, 100))),
        (HAIKU, with_image({"type": "url", "url": "https://pub.example.com/a.png"})),
    ],
)
def test_anthropic_accepts_what_the_models_allow(emulator: Running, model: str, params: dict[str, Any]) -> None:
    client = emulator.anthropic()
    results = anthropic_results(client, anthropic_batch(client, [anthropic_request("a", model, **params)]))
    assert results["a"].type == "succeeded"


def test_the_older_anthropic_version_still_takes_a_temperature(emulator: Running) -> None:
    client = emulator.anthropic(default_headers={"anthropic-version": "2023-06-01"})
    results = anthropic_results(client, anthropic_batch(client, [anthropic_request("a", temperature=0.7)]))
    assert results["a"].type == "succeeded"


# models that are not served -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [RETIRED["anthropic"], "claude-unheard-of"])
def test_anthropic_errs_per_request_for_a_retired_model(emulator: Running, model: str) -> None:
    client = emulator.anthropic()
    batch = anthropic_batch(client, [anthropic_request("a", model), anthropic_request("b")])
    results = anthropic_results(client, batch)
    assert results["a"].error.error.type == "not_found_error" and model in results["a"].error.error.message
    assert results["b"].type == "succeeded"


def test_openai_fails_the_batch_for_a_retired_model(emulator: Running) -> None:
    client = emulator.openai()
    batch = chat_batch(client, [chat_line("a", RETIRED["openai"])])
    assert batch.status == "validating"
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "failed" and batch.errors is not None and batch.errors.data
    assert batch.errors.data[0].code == "model_not_found"


def test_groq_errs_per_line_for_a_retired_model(emulator: Running) -> None:
    client = emulator.groq()
    batch = polled(client, chat_batch(client, [chat_line("a", RETIRED["groq"]), chat_line("b", OSS)]))
    assert (batch.status, batch.request_counts.failed) == ("completed", 1)
    response = chat_results(client, batch)["a"]["response"]
    assert (response["status_code"], response["body"]["error"]["code"]) == (404, "model_not_found")


def test_gemini_refuses_to_create_for_a_retired_model(emulator: Running) -> None:
    with pytest.raises(errors.ClientError) as refused:
        gemini_batch(emulator.google(), [gemini_request("a")], model=RETIRED["google"])
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


# openai and groq ----------------------------------------------------------------------------------------------------

BROKEN_FILES: list[tuple[bytes, str]] = [
    (lines_of([chat_line("a", MINI)]) + b"{broken\n", "invalid_json_line"),
    (lines_of([chat_line("a", MINI), chat_line("a", MINI)]), "duplicate_custom_id"),
    (lines_of([chat_line("a", MINI), chat_line("b", NANO)]), "model_mismatch"),
    (lines_of([{**chat_line("a", MINI), "url": "/v1/embeddings"}]), "url_mismatch"),
    (lines_of([{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}]), "missing_required_parameter"),
    (b"\n", "empty_file"),
    (lines_of([chat_line(str(place), MINI) for place in range(50_001)]), "too_many_tasks"),
]


@pytest.mark.parametrize(("content", "code"), BROKEN_FILES, ids=[code for _, code in BROKEN_FILES])
def test_openai_validates_the_file_after_the_create(emulator: Running, content: bytes, code: str) -> None:
    client = emulator.openai()
    file = client.files.create(file=("b.jsonl", content, "application/jsonl"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.status == "validating"
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "failed" and batch.errors is not None and batch.errors.data
    assert code in {problem.code for problem in batch.errors.data}


@pytest.mark.parametrize(
    ("create", "param"),
    [
        ({"completion_window": "7d"}, "completion_window"),
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {str(place): "v" for place in range(17)}}, "metadata"),
        ({"extra_body": {"priority": 1}}, "priority"),
    ],
)
def test_openai_checks_the_create_call_at_once(emulator: Running, create: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat_batch(emulator.openai(), [chat_line("a", MINI)], **create)
    assert refused.value.param == param


CHAT_BODIES: list[tuple[str, str, dict[str, Any], str | None, str]] = [
    ("openai", NANO, {"temperature": 0.2}, "unsupported_value", "temperature"),
    ("openai", NANO, {"max_tokens": 100}, "unsupported_parameter", "max_completion_tokens"),
    ("openai", NANO, {"reasoning_effort": "none"}, "unsupported_value", "reasoning_effort"),
    ("openai", LUNA, {"temperature": 1}, "unsupported_parameter", "temperature"),
    ("openai", LUNA, {"top_p": 0.5, "reasoning_effort": "low"}, "unsupported_parameter", "top_p"),
    ("openai", MINI, {"reasoning_effort": "low"}, None, "reasoning_effort"),
    ("openai", MINI, {"temperature": 3}, "decimal_out_of_range", "temperature"),
    ("openai", MINI, {"colour": 1}, None, "Unrecognized request argument"),
    ("openai", MINI, {"messages": []}, None, "messages"),
    ("openai", MINI, {"response_format": {"type": "json_schema", "json_schema": {"schema": OPEN}}}, None, "name"),
    (
        "openai",
        MINI,
        {"response_format": {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": OPEN}}},
        None,
        "additionalProperties",
    ),
    (
        "openai",
        MINI,
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "t", "strict": True, "schema": {**CLOSED, "required": []}},
            }
        },
        None,
        "Missing 'ref'",
    ),
    (
        "openai",
        MINI,
        {"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "hello"}]},
        None,
        "word 'json'",
    ),
    ("groq", OSS, {"reasoning_effort": "none"}, None, "reasoning_effort"),
    ("groq", OSS, {"reasoning_format": "hidden"}, None, "reasoning_format"),
    ("groq", QWEN, {"reasoning_effort": "xhigh"}, None, "reasoning_effort"),
    ("groq", QWEN, {"reasoning_format": "raw", "response_format": {"type": "json_object"}}, None, "JSON mode"),
    ("groq", QWEN, {"reasoning_format": "parsed", "include_reasoning": True}, None, "mutually exclusive"),
    (
        "groq",
        QWEN,
        {"response_format": {"type": "json_schema", "json_schema": {"name": "t", "schema": CLOSED}}},
        None,
        "json_schema",
    ),
]


@pytest.mark.parametrize(("provider", "model", "body", "code", "message"), CHAT_BODIES)
def test_bodies_are_refused_line_by_line(
    emulator: Running, provider: str, model: str, body: dict[str, Any], code: str | None, message: str
) -> None:
    client = getattr(emulator, provider)()
    batch = polled(client, chat_batch(client, [chat_line("a", model, **body)]))
    assert (batch.status, batch.output_file_id, batch.request_counts.failed) == ("completed", None, 1)
    response = chat_results(client, batch)["a"]["response"]
    assert response["status_code"] == 400
    assert response["body"]["error"]["code"] == code
    assert message in response["body"]["error"]["message"]


@pytest.mark.parametrize(
    ("provider", "model", "body"),
    [
        ("openai", MINI, {"temperature": 1.4, "max_tokens": 400}),
        ("openai", NANO, {"temperature": 1, "reasoning_effort": "minimal"}),
        ("openai", LUNA, {"temperature": 0.5, "reasoning_effort": "none"}),
        ("openai", MINI, {"response_format": {"type": "json_schema", "json_schema": {"name": "t", "schema": CLOSED}}}),
        ("groq", OSS, {"reasoning_effort": "low", "include_reasoning": False, "temperature": 1.4}),
        ("groq", QWEN, {"reasoning_effort": "none", "response_format": {"type": "json_object"}}),
    ],
)
def test_bodies_that_the_models_allow_are_answered(
    emulator: Running, provider: str, model: str, body: dict[str, Any]
) -> None:
    client = getattr(emulator, provider)()
    batch = polled(client, chat_batch(client, [chat_line("a", model, **body)]))
    assert batch.request_counts.completed == 1 and batch.error_file_id is None


@pytest.mark.parametrize("window", ["24h", "48h", "7d"])
def test_groq_takes_windows_from_a_day_to_a_week(emulator: Running, window: str) -> None:
    batch = chat_batch(emulator.groq(), [chat_line("a", OSS)], completion_window=window)
    assert batch.completion_window == window
    for wrong in ("12h", "8d", "soon"):
        with pytest.raises(groq.BadRequestError, match="completion_window"):
            chat_batch(emulator.groq(), [chat_line("a", OSS)], completion_window=wrong)


# gemini -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        (FLASH3, {"presence_penalty": 0.5}, "presencePenalty"),
        (FLASH3, {"thinking_config": types.ThinkingConfig(thinking_budget=0)}, "budget"),
        (FLASH, {"thinking_config": types.ThinkingConfig(thinking_budget=100)}, "budget"),
        (FLASH, {"thinking_config": types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)}, "level"),
    ],
)
def test_gemini_errs_per_request(emulator: Running, model: str, config: dict[str, Any], message: str) -> None:
    requests = [gemini_request("bad", **config), gemini_request("good")]
    job = gemini_batch(emulator.google(), requests, model=model)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    errors_by_key = {answer.metadata["key"]: answer.error for answer in job.dest.inlined_responses}
    assert errors_by_key["good"] is None
    assert errors_by_key["bad"].code == 3 and message in errors_by_key["bad"].message


def test_gemini_takes_both_spellings_and_reports_broken_lines(emulator: Running) -> None:
    text = {"parts": [{"text": asked("a")}]}
    snake = {"contents": [text], "generation_config": {"thinking_config": {"thinking_budget": 0}, "top_p": 0.5}}
    wide = {"contents": [text], "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}, "topP": 0.5}}
    client = emulator.google()
    rows = [{"key": "snake", "request": snake}, {"key": "camel", "request": wide}, {"key": "none", "request": {}}]
    name = gemini_upload(client, lines_of(rows) + b"{broken\n")
    job = gemini_polled(client, client.batches.create(model=FLASH, src=name, config={"display_name": "x"}))
    content = client.files.download(file=job.dest.file_name)
    results = {row["key"]: row for row in map(json.loads, content.splitlines())}
    assert results["snake"]["response"]["usageMetadata"] == results["camel"]["response"]["usageMetadata"]
    assert "contents" in results["none"]["error"]["message"] and results["3"]["error"]["code"] == 3


def test_gemini_refuses_large_inline_batches_unknown_fields_and_unknown_files(emulator: Running) -> None:
    client = emulator.google()
    large = types.InlinedRequest(contents=[types.Content(role="user", parts=[types.Part(text="x" * 20_971_520)])])
    with pytest.raises(errors.ClientError, match="payload size exceeds the limit"):
        gemini_batch(client, [large])
    with pytest.raises(errors.ClientError, match="PERMISSION_DENIED"):
        client.batches.create(model=FLASH, src="files/none", config={"display_name": "x"})
    url = f"{emulator.bases['google']}/v1/models/{FLASH}:batchGenerateContent"
    body = {"batch": {"input_config": {"requests": {"requests": [{"request": {"prompt": "x"}}]}}}}
    wanted = http.Request(url, json.dumps(body).encode(), {"x-goog-api-key": "k"})
    with pytest.raises(http_errors.HTTPError) as refused:
        http.urlopen(wanted, timeout=HANGING_SECONDS)
    assert b'Unknown name \\"prompt\\"' in refused.value.read()


# sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "megabytes", "status"),
    [("/anthropic/v1/messages/batches", 257, 413), ("/groq/openai/v1/files", 101, 413), ("/openai/v1/files", 201, 400)],
)
def test_bodies_over_the_limit_are_refused_after_they_were_read(
    emulator: Running, path: str, megabytes: int, status: int
) -> None:
    def blocks() -> Iterator[bytes]:
        for _ in range(megabytes):
            yield bytes(1024 * 1024)

    headers = {"Content-Length": str(megabytes * 1024 * 1024), "Content-Type": "application/json"}
    with pytest.raises(http_errors.HTTPError) as refused:
        http.urlopen(http.Request(emulator.url + path, blocks(), headers), timeout=HANGING_SECONDS)
    assert refused.value.code == status


# what is not emulated, and what is the same as nothing ----------------------------------------------------------------

TOOL = {"name": "t", "description": "d", "parameters": {"type": "object"}}


def test_tools_are_refused_by_name(emulator: Running) -> None:
    """An answer as if nobody had offered a tool would look like a model that does not use it."""
    claude, gemini = emulator.anthropic(), emulator.google()
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    odd = {"tools": tools, "mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}
    requests = [anthropic_request(name, **{name: value}) for name, value in odd.items()]
    requests.append(anthropic_request("none", tools=[], tool_choice={"type": "auto"}))
    results = anthropic_results(claude, anthropic_batch(claude, requests))
    assert all(name in results[name].error.error.message for name in odd) and results["none"].type == "succeeded"
    bodies = {
        "tools": {"tools": [{"type": "function", "function": TOOL}]},
        "tool_choice": {"tool_choice": "required"},
        "logprobs": {"logprobs": True},
    }
    for client, model in ((emulator.openai(), MINI), (emulator.groq(), QWEN)):
        lines = [chat_line(name, model, **body) for name, body in bodies.items()]
        lines.append(chat_line("none", model, tools=[], tool_choice="none"))
        rows = chat_results(client, polled(client, chat_batch(client, lines)))
        assert {name: rows[name]["response"]["body"]["error"]["param"] for name in bodies} == {
            name: name for name in bodies
        }
        assert rows["none"]["response"]["status_code"] == 200
    job = gemini_batch(gemini, [gemini_request("a", tools=[{"function_declarations": [{"name": "t"}]}])])
    assert job.dest.inlined_responses[0].error.message.startswith("tools: this emulation")


@pytest.mark.parametrize("file", [("words.txt", b"?"), ("batch", b"?"), b"?"])
def test_uploads_may_have_any_name_or_none(emulator: Running, file: Any) -> None:
    clients: list[tuple[Any, str]] = [(emulator.openai(), MINI), (emulator.groq(), OSS)]
    for client, model in clients:
        content = lines_of([chat_line("a", model)])
        named = (file[0], content) if isinstance(file, tuple) else content
        stored = client.files.create(file=named, purpose="batch")
        assert stored.filename == (file[0] if isinstance(file, tuple) else "upload")
        batch = client.batches.create(input_file_id=stored.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert polled(client, batch).request_counts.completed == 1


def test_null_is_the_same_as_nothing(emulator: Running) -> None:
    claude, client, other, gemini = emulator.anthropic(), emulator.openai(), emulator.groq(), emulator.google()
    nothing: dict[str, Any] = dict.fromkeys(
        ["thinking", "system", "output_config", "tools", "metadata", "stop_sequences", "stream"]
    )
    inside: dict[str, Any] = {"output_config": {"format": None, "effort": None}, "metadata": {"user_id": None}}
    requests = [anthropic_request("a", **nothing), anthropic_request("b", **inside)]
    results = anthropic_results(claude, anthropic_batch(claude, requests))
    assert [results[key].type for key in "ab"] == ["succeeded", "succeeded"]
    nulls = [
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "stop",
        "n",
        "seed",
        "tools",
        "user",
    ]
    nulls += ["top_p", "logprobs", "logit_bias", "reasoning_effort", "stream", "metadata", "store", "tool_choice"]
    for chat, model in ((client, MINI), (other, OSS)):
        line = chat_line("a", model, **dict.fromkeys(nulls))
        line["body"]["messages"] += [
            {"role": "assistant", "content": None, "name": None},
            {"role": "user", "content": "x"},
        ]
        batch = chat_batch(chat, [line], metadata=None, extra_body={"output_expires_after": None})
        assert polled(chat, batch).request_counts.completed == 1
    content = {
        "contents": [{"role": None, "parts": [{"text": asked("a"), "inlineData": None}]}],
        "systemInstruction": None,
    }
    request = {**content, "generationConfig": {"temperature": None, "thinkingConfig": None}, "tools": None}
    name = gemini_upload(gemini, lines_of([{"key": "a", "request": request}]))
    job = gemini_polled(gemini, gemini.batches.create(model=FLASH, src=name, config={"display_name": None}))
    row = json.loads(gemini.files.download(file=job.dest.file_name))
    assert "response" in row
