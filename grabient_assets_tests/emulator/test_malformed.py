"""Requests that no provider would take, at every route: each gets its own error, in its provider's form, and nothing
that is stored keeps the others from being answered, also after a restart."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grabient_assets_tests.emulator.running import (
    FLASH,
    HAIKU,
    MINI,
    OSS,
    Running,
    anthropic_request,
    asked,
    chat_line,
    running,
)

JSONL = "application/jsonl"
KEYS = {
    "anthropic": {"authorization": "Bearer k", "anthropic-version": "2026-10-21"},
    "openai": {"authorization": "Bearer k"},
    "groq": {"authorization": "Bearer k"},
    "google": {"x-goog-api-key": "k"},
}
CHAT = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "array", "items": {"type": "string", "enum": ["calm", "wild"]}}},
    "required": ["mood"],
    "additionalProperties": False,
}
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Wire:
    """Plain HTTP to an emulator, with the right key and no SDK in between."""

    emulator: Running

    def send(self, provider: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        base = urlsplit(self.emulator.bases[provider])
        assert base.hostname and base.port
        connection = HTTPConnection(base.hostname, base.port, timeout=20)
        sent = {**KEYS[provider], "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, base.path + path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def call(self, provider: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """The answer, which is none of a server that failed, and in the provider's form when it is an error."""
        found = self.send(provider, method, path, body, **headers)
        assert found.status < 500, (provider, method, path, body, found.body)
        if found.status >= 400:
            assert_refusal(provider, found)
        return found


def assert_refusal(provider: str, reply: Reply) -> None:
    """The error is written as this provider writes it."""
    body = reply.json
    match provider:
        case "anthropic":
            assert body["type"] == "error" and body["request_id"] == reply.headers["request-id"]
            assert_error(provider, body["error"])
        case "google":
            assert (set(body["error"]), body["error"]["code"]) == ({"code", "message", "status"}, reply.status)
        case _:
            assert reply.headers["x-request-id"].startswith("req_")
            assert_error(provider, body["error"])


def assert_error(provider: str, error: dict[str, Any]) -> None:
    wanted = {"type", "message"} if provider == "anthropic" else {"message", "type", "param", "code"}
    assert set(error) == wanted and error["message"] and error["type"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("malformed")


@pytest.fixture(scope="module")
def wire(place: Path) -> Iterator[Wire]:
    with running(place, polls=1) as emulator:
        yield Wire(emulator)


# what is sent -------------------------------------------------------------------------------------------------------

ODD = st.sampled_from(
    [
        None, True, 0, -1, 5, 10**40, 0.5, "", "x", "²", "\ud83d\ude00", "\x00", [], [5], [None], [[]], {}, {"a": None},
        [{}], {"type": 5}, {"type": "object", "properties": 5}, {"type": ["string"]}, [{"type": "text", "text": 5}],
        [{"type": "image", "source": {"type": "base64", "media_type": [], "data": 5}}], {"enum": 5}, {"parts": "x"},
    ]
)  # fmt: skip
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
VALUES = ODD | ANY_JSON


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


@st.composite
def mutants(draw: st.DrawFn, whole: Any) -> Any:
    """`whole` with one or two of its parts gone, renamed, or turned into anything."""
    made = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(made)))
        if not path:
            return draw(VALUES)
        holder = made
        for key in path[:-1]:
            holder = holder[key]
        how = draw(st.sampled_from(["value", "value", "value", "gone", "name", "wrapped"]))
        if how == "value":
            holder[path[-1]] = copy.deepcopy(draw(VALUES))
        elif how == "wrapped":
            holder[path[-1]] = [holder[path[-1]]]
        elif how == "gone" or isinstance(holder, list):
            del holder[path[-1]]
        else:
            holder[draw(st.text(max_size=6))] = holder.pop(path[-1])
    return made


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def anthropic_full() -> dict[str, Any]:
    content = [
        {"type": "text", "text": asked("a")},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
    ]
    return {
        "model": HAIKU,
        "max_tokens": 3000,
        "system": [{"type": "text", "text": "Tag.", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "messages": [{"role": "user", "content": content}],
        "metadata": {"user_id": "u"},
        "stop_sequences": ["x"],
        "tool_choice": {"type": "auto"},
    }


def chat_full(model: str) -> dict[str, Any]:
    content = [
        {"type": "text", "text": asked("a")},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
    ]
    return {
        "model": model,
        "messages": [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": SCHEMA}},
        "temperature": 0.3,
        "max_completion_tokens": 900,
        "stop": ["x"],
        "metadata": {"a": "b"},
        "seed": 4,
        "n": 1,
        "logit_bias": {"5": 1},
    }


def gemini_full() -> dict[str, Any]:
    return {
        "contents": [{"role": "user", "parts": [{"text": asked("a")}, {"inlineData": {"mimeType": "x", "data": "y"}}]}],
        "systemInstruction": {"parts": [{"text": "Tag."}]},
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "maxOutputTokens": 900,
            "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True},
            "temperature": 1,
        },
    }


GOOD_GEMINI = {"contents": [{"role": "user", "parts": [{"text": asked("good")}]}]}


# how a batch goes through ---------------------------------------------------------------------------------------------


def upload(wire: Wire, provider: str, content: bytes) -> str:
    """Stores a file, at Google too, and returns its id."""
    if provider == "google":
        start = {"x_goog_upload_protocol": "resumable", "x_goog_upload_command": "start"}
        begun = wire.call(provider, "POST", "/upload/v1/files", b"{}", **start)
        path = urlsplit(begun.headers["x-goog-upload-url"]).path.removeprefix("/google")
        ended = wire.call(provider, "POST", path, content, x_goog_upload_command="upload, finalize")
        return ended.json["file"]["name"]
    form, kind = multipart(content, 'filename="b.jsonl"')
    return wire.call(provider, "POST", prefix(provider) + "/files", form, content_type=kind).json["id"]


def multipart(content: bytes, name: str, purpose: str = "batch") -> tuple[bytes, str]:
    """A form with a purpose and a file, and its content type."""
    head = f'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
    head += f'--b\r\nContent-Disposition: form-data; name="file"; {name}\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def prefix(provider: str) -> str:
    return "/openai/v1" if provider == "groq" else ""


def listed(wire: Wire, provider: str) -> list[str]:
    """Ids of all batches, over every page."""
    path, key, cursor = {
        "anthropic": ("/v1/messages/batches?limit=1000", "data", None),
        "openai": ("/batches?limit=100", "data", "after"),
        "groq": ("/openai/v1/batches?", "data", "cursor"),
        "google": ("/v1/batches?pageSize=100", "operations", "pageToken"),
    }[provider]
    found: list[str] = []
    token = ""
    while True:
        page = wire.call(provider, "GET", path + token)
        assert page.status == 200
        body = page.json
        found += [one.get("id") or one["name"] for one in body[key]]
        following = {
            "anthropic": None,
            "openai": body.get("last_id") if body.get("has_more") else None,
            "groq": (body.get("paging") or {}).get("next_cursor"),
            "google": body.get("nextPageToken"),
        }[provider]
        if following is None:
            return found
        token = f"&{cursor}={following}"


def chat_results(wire: Wire, provider: str, content: bytes) -> dict[str, Any] | None:
    """The result of every line of a file by custom id; None when the batch failed at its validation."""
    create = {"input_file_id": upload(wire, provider, content), "endpoint": CHAT, "completion_window": "24h"}
    made = wire.call(provider, "POST", prefix(provider) + "/batches", encoded(create))
    assert made.status == 200
    ended = wire.call(provider, "GET", f"{prefix(provider)}/batches/{made.json['id']}").json
    if ended["status"] == "failed":
        assert ended["errors"]["data"][0]["message"]
        return None
    assert ended["status"] == "completed"
    rows: dict[str, Any] = {}
    for file in (ended["output_file_id"], ended["error_file_id"]):
        if file:
            text = wire.call(provider, "GET", f"{prefix(provider)}/files/{file}/content").body
            rows |= {row["custom_id"]: row for row in map(json.loads, text.splitlines())}
    return rows


def chat_row_fits(provider: str, row: dict[str, Any]) -> None:
    if row["response"]["status_code"] != 200:
        assert 400 <= row["response"]["status_code"] < 500
        assert_error(provider, row["response"]["body"]["error"])


def anthropic_results(wire: Wire, params: Any) -> dict[str, Any] | None:
    """The results of a good request and one with these params by custom id; None when the call itself was refused."""
    requests = [anthropic_request("good"), {"custom_id": "odd", "params": params}]
    made = wire.call("anthropic", "POST", "/v1/messages/batches", encoded({"requests": requests}))
    if made.status != 200:
        return None
    ended = wire.call("anthropic", "GET", f"/v1/messages/batches/{made.json['id']}").json
    assert ended["processing_status"] == "ended"
    text = wire.call("anthropic", "GET", urlsplit(ended["results_url"]).path.removeprefix("/anthropic")).body
    return {row["custom_id"]: row["result"] for row in map(json.loads, text.splitlines())}


def gemini_results(wire: Wire, source: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The result lines of a batch; None when the create call was refused."""
    create = {"batch": {"displayName": "d", "inputConfig": source}}
    made = wire.call("google", "POST", f"/v1/models/{FLASH}:batchGenerateContent", encoded(create))
    if made.status != 200:
        return None
    ended = wire.call("google", "GET", f"/v1/{made.json['name']}").json
    assert ended["done"] and "output" in ended["metadata"]
    output = ended["metadata"]["output"]
    if "inlinedResponses" in output:
        return output["inlinedResponses"]["inlinedResponses"]
    text = wire.call("google", "GET", f"/v1/{output['responsesFile']}:download?alt=media").body
    return [json.loads(line) for line in text.splitlines()]


def gemini_lines_fit(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert "response" in line or (line["error"]["code"] == 3 and line["error"]["message"])


# one request among good ones ------------------------------------------------------------------------------------------


@FEW
@given(params=mutants(anthropic_full()))
def test_an_anthropic_request_of_any_shape_has_its_own_result(wire: Wire, params: Any) -> None:
    results = anthropic_results(wire, params)
    if results is None:
        return
    assert results["good"]["type"] == "succeeded" and set(results) == {"good", "odd"}
    if results["odd"]["type"] != "succeeded":
        error = results["odd"]["error"]
        assert error["type"] == "error"
        assert_error("anthropic", error["error"])
        assert error["error"]["type"] in ("invalid_request_error", "not_found_error")


@pytest.mark.parametrize(("provider", "model"), [("openai", MINI), ("groq", OSS)])
@FEW
@given(data=st.data())
def test_a_chat_body_of_any_shape_has_its_own_result(
    wire: Wire, provider: str, model: str, data: st.DataObject
) -> None:
    body = data.draw(mutants(chat_full(model)))
    line = {"custom_id": "odd", "method": "POST", "url": CHAT, "body": body}
    rows = chat_results(wire, provider, encoded(chat_line("good", model)) + b"\n" + encoded(line))
    if rows is not None:
        assert rows["good"]["response"]["status_code"] == 200 and set(rows) == {"good", "odd"}
        chat_row_fits(provider, rows["odd"])


@FEW
@given(request=mutants(gemini_full()), key=st.just("odd") | VALUES)
def test_a_gemini_request_of_any_shape_has_its_own_result(wire: Wire, request: Any, key: Any) -> None:
    odd = {"request": request, "metadata": {"key": key}}
    inline = gemini_results(wire, {"requests": {"requests": [{"request": GOOD_GEMINI}, odd]}})
    if inline is not None:
        assert len(inline) == 2 and any("response" in line for line in inline)
        gemini_lines_fit(inline)
    content = encoded({"key": "good", "request": GOOD_GEMINI}) + b"\n" + encoded({"key": key, "request": request})
    lines = gemini_results(wire, {"fileName": upload(wire, "google", content)})
    assert lines is not None and len(lines) == 2 and any("response" in line for line in lines)
    gemini_lines_fit(lines)


ASKED = {
    "ref": "r",
    "hex": ["#ba0058", "#d51340"],
    "color_names": ["crimson", "blue"],
    "consensus": {"votes": {"mood": [{"value": "calm", "votes": 3}]}, "fields": {"style": {"values": ["bold", 4]}}},
}


@FEW
@given(question=mutants(ASKED))
def test_a_question_of_any_shape_is_answered(wire: Wire, question: Any) -> None:
    """What stands in the text is no request: a model answers whatever it is asked."""
    content = encoded(question).decode()
    params = {"model": HAIKU, "max_tokens": 3000, "messages": [{"role": "user", "content": content}]}
    results = anthropic_results(wire, params)
    assert results is not None and results["odd"]["type"] == "succeeded"


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value] if levels % 2 else {"a": value}
    return value


@pytest.mark.parametrize("levels", [101, 200, 480, 700])
def test_deep_json_is_the_error_of_its_request(wire: Wire, levels: int) -> None:
    results = anthropic_results(wire, {**anthropic_full(), "metadata": deep(levels)})
    assert (results is None) == (levels > 480)
    if results is not None:
        assert "nested more than 100 levels" in results["odd"]["error"]["error"]["message"]
    for provider, model in (("openai", MINI), ("groq", OSS)):
        line = {
            "custom_id": "odd",
            "method": "POST",
            "url": CHAT,
            "body": {**chat_full(model), "metadata": deep(levels)},
        }
        rows = chat_results(wire, provider, encoded(chat_line("good", model)) + b"\n" + encoded(line))
        assert (rows is None) == (levels > 480)
        if rows is not None:
            assert rows["odd"]["response"]["status_code"] == 400
            chat_row_fits(provider, rows["odd"])
    odd = {"request": {**GOOD_GEMINI, "labels": deep(levels)}}
    lines = gemini_results(wire, {"requests": {"requests": [{"request": GOOD_GEMINI}, odd]}})
    assert (lines is None) == (levels > 480)
    content = encoded({"key": "good", "request": GOOD_GEMINI}) + b"\n" + encoded({"key": "odd", **odd})
    for found in (lines, gemini_results(wire, {"fileName": upload(wire, "google", content)})):
        if found is not None:
            assert sorted("error" in line for line in found) == [False, True]
            gemini_lines_fit(found)


# any call at any route ------------------------------------------------------------------------------------------------

ROUTES: dict[str, list[tuple[str, str]]] = {
    "anthropic": [
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/{id}"),
        ("POST", "/v1/messages/batches/{id}/cancel"),
        ("GET", "/v1/messages/batches/{id}/results"),
        ("DELETE", "/v1/messages/batches/{id}"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{id}"),
    ],
    "google": [
        ("POST", f"/v1/models/{FLASH}:batchGenerateContent"),
        ("POST", "/v1/models/{id}:batchGenerateContent"),
        ("GET", "/v1/batches"),
        ("GET", "/v1/batches/{id}"),
        ("POST", "/v1/batches/{id}:cancel"),
        ("DELETE", "/v1/batches/{id}"),
        ("POST", "/upload/v1/files"),
        ("POST", "/upload/v1/sessions/{id}"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/{id}"),
        ("GET", "/v1/files/{id}:download"),
        ("DELETE", "/v1/files/{id}"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{id}"),
    ],
} | {
    provider: [
        ("POST", prefix(provider) + "/batches"),
        ("GET", prefix(provider) + "/batches"),
        ("GET", prefix(provider) + "/batches/{id}"),
        ("POST", prefix(provider) + "/batches/{id}/cancel"),
        ("POST", prefix(provider) + "/files"),
        ("GET", prefix(provider) + "/files"),
        ("GET", prefix(provider) + "/files/{id}"),
        ("GET", prefix(provider) + "/files/{id}/content"),
        ("DELETE", prefix(provider) + "/files/{id}"),
        ("GET", prefix(provider) + "/models"),
        ("GET", prefix(provider) + "/models/{id}"),
        ("PATCH", prefix(provider) + "/batches"),
        ("GET", "/nothing/{id}"),
    ]
    for provider in ("openai", "groq")
}
QUERIES = (
    "limit",
    "after",
    "after_id",
    "before_id",
    "order",
    "purpose",
    "cursor",
    "id",
    "pageSize",
    "pageToken",
    "fields",
)
ODD_WORDS = st.sampled_from(
    [
        "²",
        "٣",
        "-1",
        "0",
        "1e3",
        "10" * 30,
        " 5",
        "5 ",
        "",
        "x",
        "null",
        "c1",
        "c²",
        "a(" * 3000,
        "a." * 3000,
        "\x00",
        "é%",
    ]
) | st.text(max_size=12)
CREATES = {
    "anthropic": {"requests": [{"custom_id": "a", "params": anthropic_full()}]},
    "openai": {
        "input_file_id": "file-0",
        "endpoint": CHAT,
        "completion_window": "24h",
        "metadata": {"a": "b"},
        "output_expires_after": {"anchor": "created_at", "seconds": 3600},
    },
    "groq": {"input_file_id": "file-0", "endpoint": CHAT, "completion_window": "48h", "metadata": {"a": "b"}},
    "google": {
        "batch": {
            "displayName": "d",
            "model": FLASH,
            "inputConfig": {"requests": {"requests": [{"request": gemini_full(), "metadata": {"key": "a"}}]}},
        }
    },
}
FILE = {"file": {"name": "files/a", "displayName": "d", "mimeType": "x", "sizeBytes": "3"}}
UPLOAD_HEADERS = ("command", "offset", "header-content-length", "header-content-type", "protocol")


@pytest.mark.parametrize("provider", list(ROUTES))
@settings(FEW, max_examples=120)
@given(data=st.data())
def test_any_call_is_answered_or_refused_in_the_providers_form(wire: Wire, provider: str, data: st.DataObject) -> None:
    method, path = data.draw(st.sampled_from(ROUTES[provider]))
    path = path.replace("{id}", quote(data.draw(ODD_WORDS | st.just(MINI)), safe="") or "x")
    query = data.draw(st.dictionaries(st.sampled_from(QUERIES), ODD_WORDS, max_size=3))
    asks = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    body: bytes | None = None
    kind = "application/json"
    if method != "GET":
        file_id = upload(wire, provider, b"{}") if provider in ("openai", "groq") else ""
        known = encoded(data.draw(mutants(CREATES[provider]) | mutants(FILE))).replace(b"file-0", file_id.encode())
        body = data.draw(st.just(known) | ANY_JSON.map(encoded) | st.binary(max_size=20))
        kind = data.draw(
            st.sampled_from([kind, "multipart/form-data; boundary=b", "multipart/form-data", "text/plain"])
        )
        if kind.endswith("=b"):
            body = multipart(body, data.draw(st.sampled_from(['filename="b.txt"', "", 'filename=""'])))[0]
    headers = {"content_type": kind}
    if provider == "google":
        chosen = data.draw(st.lists(st.sampled_from(UPLOAD_HEADERS), unique=True))
        words = st.sampled_from(["resumable", "start", "finalize", "3", "-3", "x", "1" * 30, "\xb2"])
        headers |= {f"x-goog-upload-{name}": data.draw(words) for name in chosen}
    found = wire.send(provider, method, f"{path}?{asks}", body, **headers)
    assert found.status < 500, found.body
    if found.status >= 400:
        assert_refusal(provider, found)


@pytest.mark.parametrize("provider", list(ROUTES))
@pytest.mark.parametrize("written_by", list(ROUTES))
def test_the_form_of_another_provider_is_noticed(wire: Wire, provider: str, written_by: str) -> None:
    """So the checks above can fail. OpenAI and Groq write their errors alike; the status is Google's own."""
    refused = wire.send(written_by, "GET", ROUTES[written_by][0][1].replace("{id}", "nobody") + "/nothing/here")
    assert refused.status == 404
    assert_refusal(written_by, refused)
    if form(provider) != form(written_by):
        with pytest.raises((AssertionError, KeyError, TypeError)):
            assert_refusal(provider, refused)
    with pytest.raises((AssertionError, KeyError, TypeError, ValueError)):
        assert_refusal(provider, Reply(refused.status, refused.headers, b"Not Found"))


def form(provider: str) -> str:
    """Who writes errors as this provider does."""
    return "openai" if provider == "groq" else provider


def test_lists_and_polls_go_on_also_after_a_restart(wire: Wire, place: Path, tmp_path: Path) -> None:
    """Over whatever the tests of this file have stored until now, and one odd request at each provider."""
    odd = {"model": MINI, "messages": [{"role": "user", "content": [5]}]}
    for provider in ("openai", "groq"):
        chat_results(wire, provider, encoded({"custom_id": "odd", "method": "POST", "url": CHAT, "body": odd}))
    anthropic_results(wire, {**odd, "max_tokens": 5})
    gemini_results(wire, {"requests": {"requests": [{"request": {"contents": [5]}}]}})
    known = {provider: listed(wire, provider) for provider in ROUTES}
    shutil.copytree(place, tmp_path / "restarted")
    with running(tmp_path / "restarted", polls=1) as emulator:
        again = Wire(emulator)
        for provider, batches in known.items():
            assert batches and listed(again, provider) == batches
            for batch in batches[:20]:
                path = {"anthropic": "/v1/messages/batches/", "google": "/v1/"}.get(provider, "/batches/")
                assert again.call(provider, "GET", f"{prefix(provider)}{path}{batch}").status == 200


def test_a_failure_inside_is_told_in_the_providers_form(folder: Path) -> None:
    with running(folder) as emulator:
        with sqlite3.connect(folder / "emulator" / "state.sqlite") as state:
            state.execute("DROP TABLE calls")
        for provider, path in (("anthropic", "/v1/models"), ("openai", "/models"), ("google", "/v1/models")):
            failed = Wire(emulator).send(provider, "GET", path)
            assert failed.status == 500 and "failed to answer" in failed.json["error"]["message"]
            assert_refusal(provider, failed)
