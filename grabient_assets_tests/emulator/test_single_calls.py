"""One request, one answer, at once: through the four real SDKs, through our own clients, and under faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import groq
import openai
import pytest
from google.genai import errors, types

from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderBusyError,
    ProviderUnreachableError,
)
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchProvider, RequestSpec, Result
from grabient_assets_tests.emulator.running import (
    FLASH,
    MINI,
    OSS,
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
    gemini_request,
    polled,
)
from grabient_assets_tests.providers.faces import FACES, KEY, Face


@pytest.fixture(params=FACES, ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Face:
    return request.param


@pytest.fixture
def provider(face: Face, emulator: Running) -> Iterator[BatchProvider]:
    opened = connect(face.name, KEY, emulator.bases[face.name])
    yield opened
    opened.close()


def sent(provider: BatchProvider, face: Face, key: str = "a-1", **more: Any) -> Result:
    spec = RequestSpec(key, "Answer in JSON.", asked(key), 2000, **more)
    return provider.read_line(provider.send_directly(provider.request_line(spec, face.model), face.model))


def rule(do: str, route: str | None = "answer", **more: Any) -> dict[str, Any]:
    times = {"times": more.pop("times")} if "times" in more else {}
    return {"match": {**({"route": route} if route else {}), **times}, "action": {"do": do, **more}}


# the SDKs ---------------------------------------------------------------------------------------------------------


def test_a_chat_completion_is_that_of_a_batch(emulator: Running) -> None:
    for client, model in ((emulator.openai(), MINI), (emulator.groq(), OSS)):
        line = chat_line("k", model)
        alone = client.chat.completions.create(**line["body"]).model_dump()
        row = chat_results(client, polled(client, chat_batch(client, [line])))["k"]["response"]["body"]
        assert alone["choices"][0]["message"]["content"] == row["choices"][0]["message"]["content"]
        assert alone["usage"]["total_tokens"] == row["usage"]["total_tokens"] > 0


def test_a_message_is_that_of_a_batch_and_of_the_standard_tier(emulator: Running) -> None:
    client, request = emulator.anthropic(), anthropic_request("k")
    alone = client.messages.create(**request["params"])
    of_batch = anthropic_results(client, anthropic_batch(client, [request]))["k"].message
    assert alone.content[0].text == of_batch.content[0].text
    assert (alone.usage.service_tier, of_batch.usage.service_tier) == ("standard", "batch")
    assert alone.usage.output_tokens == of_batch.usage.output_tokens


def test_generated_content_is_that_of_a_batch(emulator: Running) -> None:
    client = emulator.google()
    config = types.GenerateContentConfig(system_instruction="Tag.", response_mime_type="application/json")
    alone = client.models.generate_content(model=FLASH, contents=asked("k"), config=config)
    job = gemini_batch(client, [gemini_request("k")])
    of_batch = job.dest.inlined_responses[0].response
    assert alone.text == of_batch.text and alone.text
    assert alone.usage_metadata.total_token_count == of_batch.usage_metadata.total_token_count  # type: ignore[union-attr]


def test_what_a_batch_refuses_line_by_line_is_refused_at_once(emulator: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument"):
        emulator.openai().chat.completions.create(**chat_line("k", MINI)["body"], extra_body={"speed": 1})
    with pytest.raises(groq.BadRequestError, match="reasoning_effort"):
        emulator.groq().chat.completions.create(**chat_line("k", OSS)["body"], reasoning_effort="none")
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        emulator.anthropic().messages.create(**anthropic_request("k", max_tokens=0)["params"])
    with pytest.raises(errors.ClientError, match="candidate_count"):
        emulator.google().models.generate_content(
            model=FLASH, contents="a", config=types.GenerateContentConfig(candidate_count=2)
        )


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_retired_models_and_wrong_keys_are_refused(emulator: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        emulator.openai().chat.completions.create(**chat_line("k", RETIRED["openai"])["body"])
    with pytest.raises(anthropic.NotFoundError):
        emulator.anthropic().messages.create(**anthropic_request("k", RETIRED["anthropic"])["params"])
    with pytest.raises(errors.ClientError, match="404"):
        emulator.google().models.generate_content(model=RETIRED["google"], contents="a")
    with pytest.raises(anthropic.AuthenticationError):
        emulator.anthropic("wrong").messages.create(**anthropic_request("k")["params"])


def test_nothing_is_streamed(emulator: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="stream"):
        emulator.openai().chat.completions.create(**chat_line("k", MINI)["body"], stream=True)
    with pytest.raises(anthropic.BadRequestError, match="stream"):
        emulator.anthropic().messages.create(**anthropic_request("k")["params"], stream=True)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages": []}', b'{"model": 3}'])
def test_a_body_that_is_no_request_is_refused(emulator: Running, body: bytes) -> None:
    for client in (emulator.openai(), emulator.groq()):
        path = "/chat/completions" if isinstance(client, openai.OpenAI) else "/openai/v1/chat/completions"
        headers = {"content-type": "application/json", "authorization": "Bearer k"}
        response = client._client.post(str(client.base_url).rstrip("/") + path, content=body, headers=headers)
        assert response.status_code == 400 and response.json()["error"]["type"] == "invalid_request_error"


# our own clients --------------------------------------------------------------------------------------------------


def test_our_client_reads_the_answer(provider: BatchProvider, face: Face, emulator: Running) -> None:
    result = sent(provider, face)
    assert (result.custom_id, result.fate, result.served_model) == ("a-1", "answered", face.model_id)
    assert '"a-1"' in (result.text or "")
    assert result.usage is not None and not result.usage.unpriced and result.usage.input_tokens > 0
    assert emulator.calls(face.name) == {"answer": 1}


def test_busy_and_unreachable(provider: BatchProvider, face: Face, emulator: Running) -> None:
    emulator.faults(rule("status", status=429, retry_after=3))
    with pytest.raises(ProviderBusyError):
        sent(provider, face)
    emulator.faults(rule("status", status=503))
    with pytest.raises((ProviderBusyError, ProviderUnreachableError, AmbiguousSubmissionError)):
        sent(provider, face)
    emulator.faults(rule("drop_after_accept"))
    with pytest.raises((ProviderUnreachableError, AmbiguousSubmissionError)):
        sent(provider, face)
    assert emulator.calls(face.name) == {"answer": 3}


def test_an_answer_that_breaks_off(provider: BatchProvider, face: Face, emulator: Running) -> None:
    emulator.faults(rule("cut"))
    with pytest.raises((ProviderUnreachableError, AmbiguousSubmissionError)):
        sent(provider, face)


def test_a_wrong_key_and_a_retired_model(face: Face, emulator: Running) -> None:
    provider = connect(face.name, "wrong-key", emulator.bases[face.name])
    with pytest.raises(CredentialsError):
        sent(provider, face)
    provider.close()
    emulator.faults(rule("status", status=404, code="model_not_found"))
    provider = connect(face.name, KEY, emulator.bases[face.name])
    if face.name in ("openai", "groq"):
        with pytest.raises(ModelUnavailableError):
            sent(provider, face)
    provider.close()


@pytest.mark.parametrize("do", ["refuse", "truncate", "refuse_input", "refuse_output"])
def test_a_spoilt_answer_is_a_good_one_the_next_time(
    provider: BatchProvider, face: Face, emulator: Running, do: str
) -> None:
    emulator.faults(rule(do, times=1))
    first, second = sent(provider, face), sent(provider, face)
    wanted = "truncated" if do == "truncate" else "refused"
    # Groq has no place for a refusal: it is an answer that says no.
    assert first.fate == ("answered" if face.name == "groq" and wanted == "refused" else wanted)
    assert first.text is None or not first.text.endswith("}")
    assert second.fate == "answered" and json.loads(second.text or "")["ref"] == "a-1"


def test_a_fault_without_a_route_is_laid_on_batches_and_on_calls(
    provider: BatchProvider, face: Face, emulator: Running
) -> None:
    emulator.faults(rule("truncate", None))
    assert sent(provider, face).fate == "truncated"
    emulator.faults(rule("truncate", "create"))
    assert sent(provider, face, "a-2").fate == "answered"
    emulator.faults(rule("truncate", None, custom_ids=["a-3"]))
    assert sent(provider, face, "a-3").fate == "answered"


def test_an_errored_request_is_one_of_this_request_alone(
    provider: BatchProvider, face: Face, emulator: Running
) -> None:
    emulator.faults(rule("errored", status=400, message="No."))
    result = sent(provider, face)
    assert (result.fate, result.error) == ("errored", "No.")


def test_a_share_takes_some_calls(provider: BatchProvider, face: Face, emulator: Running) -> None:
    emulator.faults(rule("truncate", share=0.5))
    fates = [sent(provider, face, f"a-{number}").fate for number in range(12)]
    assert {"truncated", "answered"} == set(fates)


def test_the_model_of_a_call_is_known_to_the_fault_script(
    provider: BatchProvider, face: Face, emulator: Running
) -> None:
    emulator.faults({"match": {"route": "answer", "model": face.model_id}, "action": {"do": "status", "status": 429}})
    with pytest.raises(ProviderBusyError):
        sent(provider, face)
    emulator.faults({"match": {"route": "answer", "model": "another"}, "action": {"do": "status", "status": 429}})
    assert sent(provider, face).fate == "answered"
