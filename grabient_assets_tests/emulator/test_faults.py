"""Every action of a fault script, met by a real SDK; and scripts that are refused."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import anthropic
import groq
import httpx2
import openai
import pytest
from google.genai import errors, types

from grabient_assets.emulator.fault_script import load_rules
from grabient_assets.errors import EmulatorError
from grabient_assets_tests.emulator.running import (
    HAIKU,
    MINI,
    OSS,
    QWEN,
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

KEYS = [f"k{number}" for number in range(10)]


def rule(do: str, match: dict[str, Any] | None = None, **action: Any) -> dict[str, Any]:
    return {"match": match or {}, "action": {"do": do, **action}}


def openai_done(emulator: Running, keys: list[str] = KEYS) -> Any:
    client = emulator.openai()
    return polled(client, chat_batch(client, [chat_line(key, MINI) for key in keys]))


# on calls -----------------------------------------------------------------------------------------------------------


def test_status_speaks_each_providers_language(emulator: Running) -> None:
    emulator.faults(rule("status", {"route": "list"}, status=429, message="slow down", retry_after=7))
    with pytest.raises(anthropic.RateLimitError) as one:
        emulator.anthropic().messages.batches.list()
    assert one.value.response.headers["retry-after"] == "7"
    assert one.value.body["error"] == {"type": "rate_limit_error", "message": "slow down"}  # type: ignore[index]
    with pytest.raises(openai.RateLimitError) as two:
        emulator.openai().batches.list()
    assert two.value.type == "rate_limit_error" and two.value.response.headers["retry-after"] == "7"
    with pytest.raises(groq.RateLimitError):
        emulator.groq().batches.list()
    with pytest.raises(errors.ClientError) as four:
        emulator.google().batches.list()
    assert (four.value.code, four.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_nth_range_times_and_model_choose_the_calls(emulator: Running) -> None:
    client = emulator.openai()

    def outcomes(count: int) -> str:
        found = ""
        for _ in range(count):
            try:
                client.batches.list()
                found += "."
            except openai.APIStatusError:
                found += "x"
        return found

    emulator.faults(rule("status", {"route": "list", "nth": [2, 4]}, status=503))
    assert outcomes(5) == ".x.x."
    emulator.faults(rule("status", {"route": "list", "from": 2, "to": 3}, status=503))
    assert outcomes(5) == ".xx.."
    emulator.faults(rule("status", {"route": "list", "times": 1}, status=503))
    assert outcomes(3) == "x.."
    shown = emulator.control("GET", "faults")["rules"][0]
    assert (shown["seen"], shown["fired"]) == (3, 1)
    emulator.faults(rule("status", {"route": "create", "model": "gpt-5-nano"}, status=503))
    chat_batch(client, [chat_line("a", MINI)])
    with pytest.raises(openai.InternalServerError):
        chat_batch(client, [chat_line("a", "gpt-5-nano")])


@pytest.mark.parametrize(("do", "kept"), [("drop_before", 0), ("drop_after_accept", 1)])
def test_dropped_creates(emulator: Running, do: str, kept: int) -> None:
    emulator.faults(rule(do, {"route": "create"}))
    with pytest.raises(anthropic.APIConnectionError):
        emulator.anthropic().messages.batches.create(requests=[anthropic_request("a")])
    assert len(emulator.anthropic().messages.batches.list().data) == kept
    with pytest.raises(openai.APIConnectionError):
        chat_batch(emulator.openai(), [chat_line("b", MINI)])
    with pytest.raises(groq.APIConnectionError):
        chat_batch(emulator.groq(), [chat_line("c", OSS)])
    with pytest.raises(httpx2.RemoteProtocolError):
        gemini_batch(emulator.google(), [gemini_request("d")])
    creates = emulator.control("GET", "calls")["creates"]
    assert [made["custom_ids"] for made in creates] == [["a"], ["b"], ["c"], ["d"]][: 4 * kept]


def test_sdk_retries_after_an_accepted_create_make_a_second_batch(emulator: Running) -> None:
    emulator.faults(rule("status", {"route": "create", "nth": 1}, status=500, after_accept=True))
    emulator.anthropic(max_retries=1).messages.batches.create(requests=[anthropic_request("a")])
    assert emulator.calls("anthropic")["create"] == 2
    assert [made["custom_ids"] for made in emulator.control("GET", "calls")["creates"]] == [["a"], ["a"]]


def test_html_delay_and_hold(emulator: Running) -> None:
    emulator.faults(
        rule("html", {"route": "list", "provider": "openai"}, status=502),
        rule("delay", {"route": "models"}, seconds=0.01),
        rule("hold", {"route": "list", "provider": "anthropic"}),
        rule("hold", {"route": "create"}, after_accept=True, seconds=5),
    )
    with pytest.raises(openai.InternalServerError) as page:
        emulator.openai().batches.list()
    assert page.value.response.text.startswith("<!DOCTYPE html>")
    assert emulator.openai().models.list().data
    with pytest.raises(anthropic.APITimeoutError):
        emulator.anthropic(timeout=0.2).messages.batches.create(requests=[anthropic_request("a")])
    assert len(emulator.control("GET", "calls")["creates"]) == 1
    found: list[Any] = []
    caller = threading.Thread(target=lambda: found.append(emulator.anthropic().messages.batches.list()))
    caller.start()
    while emulator.calls("anthropic").get("list", 0) < 1 or not found:
        emulator.control("POST", "release")
    caller.join(5)
    assert len(found[0].data) == 1


def test_cut_results(emulator: Running) -> None:
    client = emulator.anthropic()
    batch = anthropic_batch(client, [anthropic_request(key) for key in KEYS])
    emulator.faults(
        rule("cut", {"route": "results", "nth": 1}, share=0.5),
        rule("cut", {"route": "results", "nth": 2}, share=0.55, clean=True),
    )
    with pytest.raises(httpx2.RemoteProtocolError):
        list(client.messages.batches.results(batch.id))
    with pytest.raises(json.JSONDecodeError):
        list(client.messages.batches.results(batch.id))
    assert len(anthropic_results(client, batch)) == 10


# on batches ---------------------------------------------------------------------------------------------------------


def test_expired_batches_keep_the_finished_share(emulator: Running) -> None:
    emulator.faults(rule("expire", share=0.6))
    client = emulator.anthropic()
    ended = anthropic_batch(client, [anthropic_request(key) for key in KEYS])
    assert (ended.request_counts.succeeded, ended.request_counts.expired) == (6, 4)
    assert sum(result.type == "expired" for result in anthropic_results(client, ended).values()) == 4
    for name, model in (("openai", MINI), ("groq", OSS)):
        chat = getattr(emulator, name)()
        batch = polled(chat, chat_batch(chat, [chat_line(key, model) for key in KEYS]))
        assert (batch.status, batch.request_counts.completed) == ("expired", 6)
        late = [row for row in chat_results(chat, batch).values() if row["response"] is None]
        assert [row["error"]["code"] for row in late] == ["batch_expired"] * 4
    job = gemini_batch(emulator.google(), [gemini_request(key) for key in KEYS])
    assert job.state == types.JobState.JOB_STATE_EXPIRED and job.dest is None


def test_failed_batches(emulator: Running) -> None:
    emulator.faults(rule("fail", code="token_limit_exceeded", message="queue full"))
    batch = openai_done(emulator)
    assert batch.status == "failed" and batch.errors.data[0].code == "token_limit_exceeded"
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    client = emulator.google()
    job = gemini_batch(client, [gemini_request("a")])
    assert job.state == types.JobState.JOB_STATE_FAILED
    ended = anthropic_batch(emulator.anthropic(), [anthropic_request("a")])
    assert ended.request_counts.errored == 1


def test_pending_batches_wait_for_their_polls(emulator: Running) -> None:
    emulator.faults(rule("pending", {"nth": 1}, polls=5), rule("pending", {"nth": 2}))
    client = emulator.openai()
    first, second = (chat_batch(client, [chat_line("a", MINI)]) for _ in range(2))
    assert [polled(client, first, 4).status, polled(client, first, 1).status] == ["finalizing", "completed"]
    assert polled(client, second, 30).status == "in_progress"


def test_unusable_answers_look_as_each_provider_shows_them(emulator: Running) -> None:
    emulator.faults(
        rule("refuse", custom_ids=["k0"]),
        rule("truncate", custom_ids=["k1"]),
        rule("garbage", custom_ids=["k2"]),
        rule("empty", custom_ids=["k3"]),
        rule("errored", custom_ids=["k4"], status=500, message="crashed"),
    )
    client = emulator.anthropic()
    said = anthropic_results(client, anthropic_batch(client, [anthropic_request(key) for key in KEYS[:5]]))
    assert (said["k0"].message.stop_reason, said["k0"].message.content) == ("refusal", [])
    assert said["k1"].message.stop_reason == "max_tokens"
    assert said["k3"].message.content == []
    assert said["k4"].error.error.message == "crashed"
    openai_client = emulator.openai()
    results = chat_results(openai_client, openai_done(emulator, KEYS[:5]))
    choices = {key: row["response"]["body"]["choices"][0] for key, row in results.items() if key != "k4"}
    assert choices["k0"]["message"]["content"] is None and choices["k0"]["message"]["refusal"]
    assert choices["k1"]["finish_reason"] == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(choices["k2"]["message"]["content"])
    assert choices["k3"]["message"]["content"] == ""
    assert results["k4"]["response"]["status_code"] == 500
    job = gemini_batch(emulator.google(), [gemini_request(key) for key in KEYS[:5]])
    answers = {answer.metadata["key"]: answer for answer in job.dest.inlined_responses}
    assert answers["k0"].response.candidates is None
    assert answers["k0"].response.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert answers["k1"].response.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answers["k3"].response.text is None
    assert answers["k4"].error.message == "crashed"


def test_groq_cannot_write_garbage_in_json_mode(emulator: Running) -> None:
    emulator.faults(rule("garbage"))
    client = emulator.groq()
    row = chat_line("a", QWEN, response_format={"type": "json_object"})
    error = chat_results(client, polled(client, chat_batch(client, [row])))["a"]["response"]["body"]["error"]
    assert error["code"] == "json_validate_failed"


def test_results_missing_doubled_and_exchanged(emulator: Running) -> None:
    client = emulator.openai()
    emulator.faults(
        rule("missing", custom_ids=["k0"]),
        rule("duplicate", custom_ids=["k1"]),
        rule("swap", custom_ids=["k2", "k3"]),
    )
    batch = openai_done(emulator)
    rows = rows_of(client.files.content(batch.output_file_id).read())
    keys = [row["custom_id"] for row in rows]
    assert sorted(keys) == sorted([key for key in KEYS if key != "k0"] + ["k1"])
    said = {row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in rows}
    assert '"ref": "k3"' in said["k2"] and '"ref": "k2"' in said["k3"]


def test_shuffle_gives_another_order(emulator: Running) -> None:
    client = emulator.openai()
    orders = []
    for seed in (1, 2):
        emulator.faults(rule("shuffle", seed=seed))
        content = client.files.content(openai_done(emulator).output_file_id).read()
        orders.append([row["custom_id"] for row in rows_of(content)])
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]) == KEYS


@pytest.mark.parametrize(
    ("do", "of", "output", "error"),
    [
        ("null_file_ids", "output", None, None),
        ("empty_file_ids", "missing", "file-", ""),
        ("empty_file_ids", "both", "", ""),
        ("object_file_ids", "error", "file-", {}),
    ],
)
def test_file_ids_in_odd_spellings(emulator: Running, do: str, of: str, output: Any, error: Any) -> None:
    emulator.faults(rule(do, of=of))
    batch = openai_done(emulator)
    assert batch.status == "completed" and batch.error_file_id == error
    assert batch.output_file_id == output or (output and batch.output_file_id.startswith(output))


def test_results_url_may_name_another_host(emulator: Running) -> None:
    emulator.faults(rule("results_host", url="https://elsewhere.example.com"))
    ended = anthropic_batch(emulator.anthropic(), [anthropic_request("a")])
    assert ended.results_url == f"https://elsewhere.example.com/v1/messages/batches/{ended.id}/results"


def test_gemini_results_may_lack_their_keys(emulator: Running) -> None:
    emulator.faults(rule("no_keys"))
    job = gemini_batch(emulator.google(), [gemini_request(key) for key in KEYS])
    assert [answer.metadata for answer in job.dest.inlined_responses] == [None] * 10


# scripts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[rules]]\naction = { do = "explode" }',
            "rule 1: action.do is missing or unknown; actions are age_restricted, blocked",
        ),
        ("[[rules]]\nmatch = {}", "rule 1: action"),
        (
            '[[rules]]\nmatch = { colour = 1 }\naction = { do = "html" }',
            "match takes provider, model, route, video, path",
        ),
        ('[[rules]]\naction = { do = "html", code = 1 }', "action html takes status"),
        ('[[rules]]\nwhen = 1\naction = { do = "html" }', "a rule takes match and action"),
        ('[[rules]]\nmatch = { route = "poll" }\naction = { do = "html" }', "route 'poll' is unknown"),
        ('[[rules]]\nmatch = { provider = "azure" }\naction = { do = "html" }', "match.provider"),
        ('[[rules]]\nmatch = { route = "list" }\naction = { do = "expire" }', "laid on a batch when it is created"),
        ('[[rules]]\nmatch = { provider = "openai" }\naction = { do = "no_keys" }', "exists only at google"),
        ('[[rules]]\naction = { do = "cut" }', "cut needs route results or file_content"),
        ('[[rules]]\naction = { do = "html" }\n[[rules]]\naction = { do = "status" }', "rule 2: action.status.status"),
        ('[[rules]]\naction = { do = "leak" }', "action.leak.share"),
        ('[[rules]]\naction = { do = "leak", share = 1.5 }', "action.leak.share"),
        ('[[rules]]\naction = { do = "leak", share = 1, count = 1 }', "action leak takes custom_ids, share"),
        ('[[rules]]\nmatch = { provider = "groq" }\naction = { do = "leak", share = 1 }', "only at openai and google"),
        ('[[rules]]\naction = { do = "resize" }', "resize needs a factor other than 1, or a size"),
        ('[[rules]]\naction = { do = "resize", factor = 2, size = "800x600" }', "and not both"),
        ('[[rules]]\naction = { do = "resize", size = "large" }', "action.resize.size"),
        ("rules = 3", "must hold one list"),
        ("[[rules", "is not valid TOML"),
    ],
)
def test_scripts_are_checked_strictly(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EmulatorError) as refused:
        load_rules(path)
    assert str(path) in str(refused.value) and message in str(refused.value)


def test_missing_and_broken_scripts(tmp_path: Path, emulator: Running) -> None:
    with pytest.raises(EmulatorError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
    (tmp_path / "faults.yaml").write_text("rules: [", encoding="utf-8")
    with pytest.raises(EmulatorError, match="is not valid YAML"):
        load_rules(tmp_path / "faults.yaml")


def test_a_script_given_at_the_start_is_in_force_again_after_a_reset(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[rules]]\nmatch = { route = "list" }\naction = { do = "html" }', encoding="utf-8")
    with running(folder, faults=path) as emulator:
        emulator.faults()
        assert emulator.openai().batches.list().data == []
        emulator.control("POST", "reset")
        with pytest.raises(openai.InternalServerError):
            emulator.openai().batches.list()


def test_anthropic_model_is_seen_by_rules(emulator: Running) -> None:
    emulator.faults(rule("status", {"route": "retrieve", "model": HAIKU}, status=404))
    client = emulator.anthropic()
    batch = client.messages.batches.create(requests=[anthropic_request("a")])
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)
