"""What became of each request, read from the providers' own lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.errors import ResultsError
from grabient_assets.providers import anthropic_lines, google_lines, openai_lines
from grabient_assets.providers.contract import BatchProvider, Result
from grabient_assets.registry.usage import Usage
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import (
    ANTHROPIC,
    KEY,
    OPENAI,
    Face,
    anthropic_answer,
    chat_answer,
    google_answer,
)


def anthropic(value: Any) -> Result:
    return anthropic_lines.read_line(json.dumps(value).encode())


def chat(value: Any, provider: str = "openai") -> Result:
    return openai_lines.read_line(json.dumps(value).encode(), provider)


def google(value: Any) -> Result:
    return google_lines.read_line(json.dumps(value).encode())


# --- Anthropic ----------------------------------------------------------------------------------------------------


def claude(**message: Any) -> dict[str, Any]:
    value = anthropic_answer("a-1", "calm")
    value["result"]["message"] |= message
    return value


def test_anthropic_answer_past_its_thinking() -> None:
    content = [
        {"type": "thinking", "thinking": "hmm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": '{"mood":'},
        {"type": "text", "text": ' "calm"}'},
    ]
    usage = {
        "input_tokens": 100,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 20,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
        "service_tier": "batch",
    }
    assert anthropic(claude(content=content, usage=usage)) == Result(
        custom_id="a-1",
        fate="answered",
        text='{"mood": "calm"}',
        usage=Usage(150, 50, cached_input_tokens=30, cache_write_tokens=20, reasoning_tokens=40),
        served_model="claude-haiku-4-5-20251001",
        stop_reason="end_turn",
        request_id="msg_1",
    )


@pytest.mark.parametrize(
    ("message", "fate", "code", "retryable", "text"),
    [
        ({"stop_reason": "refusal", "content": []}, "refused", "refusal", False, None),
        ({"stop_reason": "refusal"}, "refused", "refusal", False, "calm"),
        ({"stop_reason": "max_tokens"}, "truncated", "max_tokens", False, "calm"),
        ({"stop_reason": "max_tokens", "content": [{"type": "thinking"}]}, "truncated", "max_tokens", False, None),
        ({"stop_reason": "model_context_window_exceeded"}, "truncated", "model_context_window_exceeded", False, "calm"),
        ({"content": []}, "errored", "empty_answer", True, None),
        ({"content": [{"type": "thinking", "thinking": "hmm"}]}, "errored", "empty_answer", True, None),
        ({"content": None}, "errored", "empty_answer", True, None),
    ],
)
def test_anthropic_stops(message: Any, fate: str, code: str, retryable: bool, text: str | None) -> None:
    result = anthropic(claude(**message))
    assert (result.fate, result.error_code, result.retryable, result.text) == (fate, code, retryable, text)
    assert result.usage == Usage(10, 5), "what was paid is known even when the answer is no use"


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        ("invalid_request_error", False),
        ("request_too_large", False),
        ("not_found_error", False),
        ("billing_error", False),
        ("overloaded_error", True),
        ("api_error", True),
        ("rate_limit_error", True),
    ],
)
def test_anthropic_errors_lie_two_levels_down(kind: str, retryable: bool) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "because"}, "request_id": "req_7"}
    result = anthropic({"custom_id": "b", "result": {"type": "errored", "error": error}})
    assert result == Result("b", "errored", error="because", error_code=kind, retryable=retryable, request_id="req_7")


def test_anthropic_expired_and_cancelled() -> None:
    expired = anthropic({"custom_id": "d", "result": {"type": "expired"}})
    cancelled = anthropic({"custom_id": "c", "result": {"type": "canceled"}})
    assert (expired.fate, expired.retryable) == ("expired", True)
    assert (cancelled.fate, cancelled.retryable) == ("cancelled", False)


# --- OpenAI and Groq ----------------------------------------------------------------------------------------------


def choice(finish: str = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    value = chat_answer("a-1", "calm")
    body = value["response"]["body"]
    body["choices"][0]["finish_reason"] = finish
    body["choices"][0]["message"] |= message
    if usage is not None:
        body["usage"] = usage
    return value


def failed(status: int, code: str | None, message: str = "because") -> dict[str, Any]:
    body = {"error": {"message": message, "type": "some_type", "param": None, "code": code}}
    response = {"status_code": status, "request_id": "req_9", "body": body}
    return {"id": "batch_req_2", "custom_id": "b", "response": response, "error": None}


def unasked(code: str) -> dict[str, Any]:
    """A request the batch ended without."""
    return {"id": "batch_req_3", "custom_id": "c", "response": None, "error": {"code": code, "message": "m"}}


def test_chat_answer() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 60,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 50},
        "total_tokens": 160,
    }
    assert chat(choice(usage=usage, reasoning="not part of the answer")) == Result(
        custom_id="a-1",
        fate="answered",
        text="calm",
        usage=Usage(100, 60, cached_input_tokens=40, reasoning_tokens=50),
        served_model="m-1",
        stop_reason="stop",
        request_id="req_1",
    )


def test_groqs_own_request_id() -> None:
    value = choice()
    value["response"]["request_id"] = ""
    value["response"]["body"]["x_groq"] = {"id": "req_groq"}
    assert chat(value, "groq").request_id == "req_groq"


@pytest.mark.parametrize(
    ("value", "fate", "code", "retryable"),
    [
        (choice("length", content=""), "truncated", "length", False),
        (choice("length"), "truncated", "length", False),
        (choice("stop", content=None, refusal="I cannot."), "refused", "refusal", False),
        (choice("content_filter", content=None), "refused", "content_filter", False),
        (choice("stop", content=None), "errored", "empty_answer", True),
        (choice("stop", content=""), "errored", "empty_answer", True),
        (failed(400, "invalid_value"), "errored", "invalid_value", False),
        (failed(400, None), "errored", "some_type", False),
        (failed(400, "json_validate_failed"), "errored", "json_validate_failed", True),
        (failed(404, "model_not_found"), "errored", "model_not_found", False),
        (failed(429, "rate_limit_exceeded"), "errored", "rate_limit_exceeded", True),
        (failed(429, "insufficient_quota"), "errored", "insufficient_quota", False),
        (failed(500, None), "errored", "some_type", True),
        (failed(503, "overloaded"), "errored", "overloaded", True),
        (unasked("batch_expired"), "expired", "batch_expired", True),
        (unasked("batch_cancelled"), "cancelled", "batch_cancelled", False),
        (unasked("odd"), "errored", "odd", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_chat_fates(provider: str, value: Any, fate: str, code: str, retryable: bool) -> None:
    result = chat(value, provider)
    assert (result.fate, result.error_code, result.retryable) == (fate, code, retryable)
    assert result.error


def test_a_refusal_is_told_in_the_models_words() -> None:
    result = chat(choice("stop", content=None, refusal="I cannot."))
    assert (result.text, result.error, result.usage) == (None, "I cannot.", Usage(10, 5))


def test_a_status_without_a_body() -> None:
    value = failed(502, None)
    value["response"]["body"] = "<html>"
    result = chat(value)
    assert (result.error_code, result.error, result.retryable) == (
        "http_502",
        "the provider answered 502 without a reason",
        True,
    )


# --- Google -------------------------------------------------------------------------------------------------------


def gemini(finish: str | None = "STOP", parts: Any = None, **response: Any) -> dict[str, Any]:
    value = google_answer("a-1", "calm")
    candidate = value["response"]["candidates"][0]
    candidate["finishReason"] = finish
    if parts is not None:
        candidate["content"]["parts"] = parts
    value["response"] |= response
    return value


def test_google_answer_without_its_thoughts() -> None:
    usage = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "cachedContentTokenCount": 60,
        "totalTokenCount": 150,
    }
    parts = [{"text": "hmm", "thought": True}, {"text": "cal"}, {"text": "m"}, {"inlineData": {}}]
    assert google(gemini(parts=parts, usageMetadata=usage, responseId="r-1")) == Result(
        custom_id="a-1",
        fate="answered",
        text="calm",
        usage=Usage(100, 50, cached_input_tokens=60, reasoning_tokens=30),
        served_model="gemini-2.5-flash-lite",
        stop_reason="STOP",
        request_id="r-1",
    )


BLOCKED = {"key": "a-1", "response": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}}


@pytest.mark.parametrize(
    ("value", "fate", "code", "retryable"),
    [
        (BLOCKED, "refused", "PROHIBITED_CONTENT", False),
        (gemini("SAFETY", []), "refused", "SAFETY", False),
        (gemini("RECITATION"), "refused", "RECITATION", False),
        (gemini("MAX_TOKENS", []), "truncated", "MAX_TOKENS", False),
        (gemini("OTHER"), "errored", "OTHER", True),
        (gemini("STOP", [{"text": "hmm", "thought": True}]), "errored", "empty_answer", True),
        (gemini(candidates=[]), "errored", "empty_answer", True),
        ({"key": "b", "error": {"code": 3, "message": "bad"}}, "errored", "3", False),
        ({"key": "b", "error": {"code": 9, "message": "bad", "status": "INVALID"}}, "errored", "INVALID", False),
        ({"key": "b", "error": {"code": 13, "message": "internal"}}, "errored", "13", True),
        ({"key": "b", "error": {"code": 503, "message": "overloaded"}}, "errored", "503", True),
        ({"key": "b", "error": {"code": 8, "message": "quota"}}, "errored", "8", True),
        ({"key": "b", "error": {"code": 1, "message": "cancelled"}}, "cancelled", "1", False),
        ({"key": "b", "error": {"code": "odd", "message": "m"}}, "errored", "unknown_error", False),
    ],
)  # fmt: skip
def test_google_fates(value: Any, fate: str, code: str, retryable: bool) -> None:
    result = google(value)
    assert (result.fate, result.error_code, result.retryable) == (fate, code, retryable)
    assert result.error


@pytest.mark.parametrize("word", ["stop", "FINISH_REASON_STOP", "FINISH_REASON_UNSPECIFIED", "COMPLETE", "END_TURN"])
def test_a_text_that_ended_in_a_gateways_own_word_is_an_answer(word: str) -> None:
    assert (google(gemini(word)).fate, google(gemini(word)).text) == ("answered", "calm")
    assert google(gemini(word, [])).fate == "errored"


def test_an_error_that_says_ok_beside_a_response_is_none() -> None:
    for error in ({"code": 0}, {"code": 0, "message": ""}, {"code": "OK"}):
        assert google({**gemini(), "error": error}).fate == "answered"
    assert google({**gemini(), "error": {"code": 13, "message": "internal"}}).fate == "errored"
    assert google({"key": "a-1", "error": {"code": 0}}).fate == "errored"


@pytest.mark.parametrize("status", [201, 202, 206])
def test_any_success_holds_an_answer(status: int) -> None:
    value = choice()
    value["response"]["status_code"] = status
    assert (chat(value).fate, chat(value).text) == ("answered", "calm")


# --- all ----------------------------------------------------------------------------------------------------------

READERS = {
    "anthropic": anthropic_lines.read_line,
    "openai": lambda line: openai_lines.read_line(line, "openai"),
    "groq": lambda line: openai_lines.read_line(line, "groq"),
    "google": google_lines.read_line,
}

BAD = {
    "no JSON": b'{"custom_id": ',
    "no object": b"[]",
    "null": b"null",
    "not UTF-8": b"\xff\xfe{}",
    "nothing in it": b'{"custom_id": "a", "key": "a"}',
    "unknown kind": b'{"custom_id": "a", "key": "a", "result": {"type": "paused"}, "response": [], "error": null}',
    "hollow": b'{"custom_id": "a", "result": {"type": "succeeded"}, "response": {"status_code": 200}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", READERS)
def test_a_line_that_cannot_be_read(name: str, case: str) -> None:
    with pytest.raises(ResultsError, match=f"A result line of {name} cannot be read") as caught:
        READERS[name](BAD[case])
    assert caught.value.provider == name


@pytest.mark.parametrize("named", ["absent", "", 7, None, {"id": "a"}])
def test_a_line_that_does_not_say_whose_it_is_is_read_all_the_same(named: object, face: Face) -> None:
    value = json.loads(face.answer_line("a-1", "calm"))
    field = "key" if face.name == "google" else "custom_id"
    value[field] = named
    if named == "absent":
        del value[field]
    result = READERS[face.name](json.dumps(value).encode())
    assert (result.custom_id, result.fate, result.text, result.usage) == (None, "answered", "calm", Usage(10, 5))


@pytest.mark.parametrize("count", [-1, "7", 1.5, True, [1]])
def test_token_counts_that_are_none(face: Face, count: Any) -> None:
    value = json.loads(face.answer_line("a"))
    usage = {"input_tokens": count, "prompt_tokens": count, "promptTokenCount": count}
    usage |= {"output_tokens": 1, "completion_tokens": 1, "candidatesTokenCount": 1}
    if face.name == "google":
        value["response"]["usageMetadata"] = usage
    elif face.name == "anthropic":
        value["result"]["message"]["usage"] = usage
    else:
        value["response"]["body"]["usage"] = usage
    read = READERS[face.name](json.dumps(value).encode())
    assert (read.fate, read.usage) == ("answered", None)  # paid for: it is kept, and its cost estimated


def test_a_part_larger_than_its_whole_raises_the_whole() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    usage |= {"prompt_tokens_details": {"cached_tokens": 12}, "completion_tokens_details": {"reasoning_tokens": 9}}
    assert chat(choice(usage=usage)).usage == Usage(12, 9, cached_input_tokens=12, reasoning_tokens=9)


def test_no_usage_is_no_usage(face: Face) -> None:
    value = json.loads(face.answer_line("a"))
    for holder in (
        value.get("response"),
        value.get("result", {}).get("message"),
        (value.get("response") or {}).get("body"),
    ):
        if isinstance(holder, dict):
            holder.pop("usage", None)
            holder.pop("usageMetadata", None)
    result = READERS[face.name](json.dumps(value).encode())
    assert (result.fate, result.usage) == ("answered", None)


WHOLE = {
    "anthropic": {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 5},
    "chat": {"prompt_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens": 5},
    "google": {
        "promptTokenCount": 14,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 1,
    },
}


def answer_with(kind: str, usage: dict[str, Any]) -> Result:
    """An answer with text and these counts."""
    match kind:
        case "anthropic":
            return anthropic(claude(usage=usage))
        case "chat":
            return chat(choice(usage=usage))
        case _:
            return google(gemini(usageMetadata=usage))


@pytest.mark.parametrize(
    ("kind", "count"),
    [(kind, name) for kind, whole in WHOLE.items() for name in whole if "cache" not in name and "details" not in name],
)
def test_half_a_receipt_is_none(kind: str, count: str) -> None:
    """An answer without its input or output count would be booked too low: nothing is believed, the cost estimated."""
    whole = answer_with(kind, WHOLE[kind])
    assert whole.usage is not None and (whole.usage.input_tokens, whole.usage.cached_input_tokens) == (14, 4)
    without = answer_with(kind, {name: value for name, value in WHOLE[kind].items() if name != count})
    nothing = answer_with(kind, {**WHOLE[kind], count: 0})
    optional = {("google", "thoughtsTokenCount"): Usage(14, 5, 4)}
    assert without.fate == nothing.fate == "answered"
    expected = optional.get((kind, count))
    assert without.usage == expected
    cached_whole = Usage(4, 5, 4)  # Anthropic counts what it read from the cache beside the rest: there may be no rest
    assert nothing.usage == (cached_whole if (kind, count) == ("anthropic", "input_tokens") else expected)


def test_what_said_nothing_needs_no_output() -> None:
    assert google(
        gemini(None, promptFeedback={"blockReason": "SAFETY"}, candidates=[], usageMetadata={"promptTokenCount": 7})
    ).usage == Usage(7, 0)
    assert chat(choice("stop", {"prompt_tokens": 7}, content=None, refusal="I cannot.")).usage == Usage(7, 0)
    # cut before the first word: it was thinking, and that is counted, or else the receipt is half
    thought = {"promptTokenCount": 7, "thoughtsTokenCount": 9}
    assert google(gemini("MAX_TOKENS", [], usageMetadata=thought)).usage == Usage(7, 9, reasoning_tokens=9)
    assert google(gemini("MAX_TOKENS", [], usageMetadata={"promptTokenCount": 7})).usage is None
    assert chat(choice("length", {"prompt_tokens": 7}, content=None)).usage is None
    assert anthropic(claude(content=[], stop_reason="max_tokens", usage={"input_tokens": 7})).usage is None


@pytest.mark.parametrize("secret", [KEY, "sk-ant-api03-abcdefghij"])
def test_no_key_in_an_error_text(secret: str, open_at: Open) -> None:
    provider: BatchProvider = open_at(ANTHROPIC, "http://localhost:1")
    error = {"type": "error", "error": {"type": "authentication_error", "message": f"bad key {secret}"}}
    line = json.dumps({"custom_id": "b", "result": {"type": "errored", "error": error}}).encode()
    assert provider.read_line(line).error == "bad key [key]"
    answer = OPENAI.answer_line("a", f"I say {KEY}")
    assert open_at(OPENAI, "http://localhost:1").read_line(answer).text == f"I say {KEY}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    ("result",), ("result", "message"), ("result", "message", "content"), ("result", "message", "usage"),
    ("result", "message", "content", 0), ("result", "message", "content", 0, "text"), ("response",),
    ("response", "body"), ("response", "body", "choices"), ("response", "body", "choices", 0),
    ("response", "body", "choices", 0, "message"), ("response", "body", "choices", 0, "message", "content"),
    ("response", "body", "usage"), ("response", "status_code"), ("error",), ("response", "candidates"),
    ("response", "candidates", 0), ("response", "candidates", 0, "content"), ("response", "usageMetadata"),
    ("response", "candidates", 0, "content", "parts"), ("response", "candidates", 0, "finishReason"),
]  # fmt: skip


@given(st.sampled_from(sorted(READERS)), st.sampled_from(PATHS), JSON)
def test_whatever_stands_in_a_line_it_is_read_or_refused(name: str, path: tuple[Any, ...], put: Any) -> None:
    """A valid line with one place replaced: never another error than ResultsError."""
    makers = {"anthropic": anthropic_answer, "google": google_answer}
    value: Any = makers.get(name, chat_answer)("a-1", "calm")
    holder = value
    for step in path[:-1]:
        try:
            holder = holder[step]
        except (KeyError, IndexError):
            return
    holder[path[-1]] = put
    try:
        result = READERS[name](json.dumps(value).encode())
    except ResultsError:
        return
    assert result.custom_id == "a-1"
    assert (result.error is None) == (result.fate == "answered")


# --- What else is reported ------------------------------------------------------------------------------------------


CHAT = {"prompt_tokens": 2006, "completion_tokens": 431}
GEMINI = {"promptTokenCount": 100, "candidatesTokenCount": 20}
HEARD = [{"modality": "AUDIO", "tokenCount": 3}]
MADE = [{"modality": "IMAGE", "tokenCount": 3}]
CLAUDE = {"input_tokens": 100, "output_tokens": 20}


@pytest.mark.parametrize(
    ("read", "usage"),
    [
        # OpenAI and Groq: what is written to the cache is told apart, pictures and text are parts of the prompt,
        # reasoning and predictions, taken or not, parts of the completion
        (chat(choice(usage=CHAT | {"prompt_tokens_details": {"cache_write_tokens": 1408}})), Usage(2006, 431, 0, 1408)),
        (
            chat(
                choice(
                    usage=CHAT
                    | {
                        "total_tokens": 2437,
                        "prompt_tokens_details": {"image_tokens": 85, "text_tokens": 1921, "audio_tokens": 0},
                        "completion_tokens_details": {
                            "reasoning_tokens": 300,
                            "accepted_prediction_tokens": 10,
                            "rejected_prediction_tokens": 20,
                            "text_tokens": 101,
                            "audio_tokens": 0,
                        },
                    }
                )
            ),
            Usage(2006, 431, reasoning_tokens=300),
        ),
        # Anthropic: reads and writes lie beside the input, thinking in the output, fetched pages in the input
        (
            anthropic(
                claude(
                    usage=CLAUDE
                    | {
                        "cache_creation_input_tokens": 50,
                        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
                        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 2},
                        "service_tier": "batch",
                        "inference_geo": "not_available",
                        "speed": "standard",
                    }
                )
            ),
            Usage(150, 20, cache_write_tokens=50, cache_write_5m_tokens=20),
        ),
        (
            anthropic(claude(usage=CLAUDE | {"cache_creation": {"ephemeral_1h_input_tokens": 30}})),
            Usage(130, 20, cache_write_tokens=30),
        ),
        # Gemini: results of tools beside the prompt, thoughts beside the candidates
        (
            google(
                gemini(
                    usageMetadata=GEMINI
                    | {
                        "toolUsePromptTokenCount": 7,
                        "thoughtsTokenCount": 5,
                        "totalTokenCount": 132,
                        "promptTokensDetails": [
                            {"modality": "TEXT", "tokenCount": 42},
                            {"modality": "IMAGE", "tokenCount": 58},
                        ],
                        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
                    }
                )
            ),
            Usage(107, 25, reasoning_tokens=5, input_image_tokens=58),
        ),
        (
            google(gemini(usageMetadata=GEMINI | {"candidatesTokensDetails": MADE})),
            Usage(100, 20, output_image_tokens=3),
        ),
    ],
)
def test_every_count_is_priced_or_part_of_one_that_is(read: Result, usage: Usage) -> None:
    assert (read.fate, read.usage) == ("answered", usage)


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (chat(choice(usage=CHAT | {"total_tokens": 2500})), "63 tokens of its total that are neither input nor output"),
        (chat(choice(usage=CHAT | {"prompt_tokens_details": {"audio_tokens": 9}})), "9 tokens of sound heard"),
        (chat(choice(usage=CHAT | {"completion_tokens_details": {"audio_tokens": 9}})), "9 tokens of sound made"),
        (
            anthropic(claude(usage=CLAUDE | {"server_tool_use": {"web_search_requests": 2}, "speed": "fast"})),
            "2 web_search_requests, the speed 'fast'",
        ),
        (anthropic(claude(usage=CLAUDE | {"service_tier": "standard"})), "the service tier 'standard'"),
        (anthropic(claude(usage=CLAUDE | {"inference_geo": "us"})), "the inference region 'us'"),
        (anthropic(claude(usage=CLAUDE | {"speed": "fast"})), "the speed 'fast'"),
        (google(gemini(usageMetadata=GEMINI | {"totalTokenCount": 150})), "30 tokens of its total"),
        (
            google(gemini(usageMetadata=GEMINI | {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}]})),
            "3 tokens of AUDIO in promptTokensDetails",
        ),
        (
            google(gemini(usageMetadata=GEMINI | {"candidatesTokensDetails": HEARD})),
            "3 tokens of AUDIO in candidatesTokensDetails",
        ),
    ],
)
def test_what_has_a_price_of_its_own_is_named(read: Result, named: str) -> None:
    assert read.fate == "answered" and read.usage is not None and read.usage.unpriced.startswith(named)


def test_a_tier_that_costs_more_is_named() -> None:
    value = choice(usage=CHAT)
    value["response"]["body"]["service_tier"] = "priority"
    read = chat(value)
    assert read.usage is not None and read.usage.unpriced == "the service tier 'priority'"
    value["response"]["body"]["service_tier"] = "default"
    assert chat(value).usage == Usage(2006, 431)
