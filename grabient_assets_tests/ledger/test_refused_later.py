"""What a provider says no to after it took the batch, and files and pictures that it does not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.errors import InputFileUnseenError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.headless.status import counts
from grabient_assets.ledger.asks import stopped_asks
from grabient_assets.ledger.backoff import FILES_UNSEEN_AT_MOST
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.anthropic_lines import read_line as claude_says
from grabient_assets.providers.connect import connect, line_reader
from grabient_assets.providers.contract import PICTURE_NOT_FETCHED, BatchState
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.providers.error_table import means_unseen_file
from grabient_assets.providers.openai_lines import read_line as chat_says
from grabient_assets.providers.refusals import refused_later
from grabient_assets_tests.groups.refinement.refining import ANSWER, Pipeline
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.reparsing import ask, collect, retry, send, send_if_due
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered, result_line
from grabient_assets_tests.providers.faces import GROQ, KEY, OPENAI, Face


def reasons(house: House) -> list[str]:
    with house.warehouse.read() as connection:
        return [one.reason for one in stopped_asks(connection, PURPOSES)]


NOT_SERVED = "The model is not served to this key; choose another in the registry."
USELESS = "Sending the same again is useless."


@pytest.mark.parametrize(
    ("code", "message", "end"),
    [
        ("model_not_found", "The model `gpt-9` does not exist.", NOT_SERVED),
        ("model_not_found", "Line 1 of the file: the model does not exist.", NOT_SERVED),
        ("model_decommissioned", "It is gone", NOT_SERVED),
        *((code, "No.", USELESS) for code in ("invalid_request", "invalid_url", "mismatched_model", "url_mismatch")),
        *((code, "No.", USELESS) for code in ("duplicate_custom_id", "streaming_unsupported", "invalid_json_line")),
        *(
            (code, "No.", USELESS)
            for code in ("unsupported_parameter", "empty_file", "invalid_method", "too_many_tasks")
        ),
        ("billing_hard_limit_reached", "No money.", "The account has no credit left; add some at openai."),
        ("INVALID_ARGUMENT", "Field is wrong.", USELESS),
        ("3", "Field is wrong.", USELESS),
        ("FAILED_PRECONDITION", "User location is not supported.", USELESS),
        ("NOT_FOUND", "models/gemini-9 is not found.", NOT_SERVED),
        ("PERMISSION_DENIED", "Not yours.", "Check the API key of openai and what it is allowed to do."),
        ("400", "No.", USELESS),
        *((code, "No.", NOT_SERVED) for code in ("model_permission_blocked_org", "model_terms_required")),
        *((code, "No.", USELESS) for code in ("bad_request", "validation_error", "file_too_large")),
        ("access_denied", "No.", "Check the API key of openai and what it is allowed to do."),
        ("batch_creation_failed", "The model `gpt-9` does not exist or you do not have access to it.", NOT_SERVED),
        ("failed", "Model gemini-9-flash is no longer available.", NOT_SERVED),
    ],
)
def test_what_says_that_a_batch_failed_for_good(code: str, message: str, end: str) -> None:
    state = BatchState("openai-1", "ended", "failed", "failed", error_code=code, error=message)
    dot = "" if message.endswith(".") else "."
    said = f"While working on batch b-1, openai said {code}: {message}{dot} {end}"
    assert refused_later(state, {}, 2, "openai", "b-1") == said


def test_a_batch_that_fails_for_good_stops_the_model(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1), palette(2)))
    batch = send(house, provider)
    provider.end("openai-1", [], outcome="failed", error_code="model_not_found", error="No gpt-9.")
    collect(house, provider, batch)
    said = f"While working on batch {batch.batch_id}, openai said model_not_found: No gpt-9. {NOT_SERVED}"
    assert reasons(house) == [said]
    assert house.rows("SELECT error, cost_usd FROM batches") == [(said, 0)]
    house.clock.wind(days=1)
    assert send_if_due(house, provider) is None and len(provider.held) == 1
    retry(house)
    assert send(house, provider).request_count == 2, "a person decides"


@pytest.mark.parametrize("code", ["server_error", "internal_error", "13", "UNAVAILABLE", "unknown_error", "429", None])
def test_what_says_that_it_failed_for_now(code: str | None) -> None:
    state = BatchState("openai-1", "ended", "failed", "failed", error_code=code, error="It broke.")
    assert refused_later(state, {}, 1, "openai", "b-1") is None


def test_a_batch_that_fails_for_now_is_sent_again(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    batch = send(house, provider)
    provider.end("openai-1", [], outcome="failed", error_code="server_error", error="It broke.")
    collect(house, provider, batch)
    assert reasons(house) == [] and send_if_due(house, provider) is not None


def chat_error(custom_id: str, status: int, code: str | None, kind: str = "invalid_request_error") -> bytes:
    error = {"message": "No.", "type": kind, "code": code}
    response = {"status_code": status, "request_id": "r", "body": {"error": error}}
    return json.dumps({"custom_id": custom_id, "response": response, "error": None}).encode()


def claude_error(custom_id: str, kind: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": "No."}}
    return json.dumps({"custom_id": custom_id, "result": {"type": "errored", "error": error}}).encode()


def google_error(custom_id: str, number: int) -> bytes:
    return json.dumps({"key": custom_id, "error": {"code": number, "message": "No."}}).encode()


LINES = [
    ("openai", lambda i: chat_error(i, 404, "model_not_found"), NOT_SERVED),
    ("openai", lambda i: chat_error(i, 400, "unsupported_parameter"), USELESS),
    ("openai", lambda i: chat_error(i, 400, None), USELESS),
    ("anthropic", lambda i: claude_error(i, "invalid_request_error"), USELESS),
    ("anthropic", lambda i: claude_error(i, "not_found_error"), USELESS),
    ("anthropic", lambda i: claude_error(i, "permission_error"), "what it is allowed to do."),
    ("google", lambda i: google_error(i, 3), USELESS),
    ("google", lambda i: google_error(i, 7), "what it is allowed to do."),
]


@pytest.mark.parametrize(("name", "line", "end"), LINES)
def test_what_says_line_by_line_that_all_is_refused(name: str, line: Callable[[str], bytes], end: str) -> None:
    read = line_reader(name)
    results = {i: read(line(i)) for i in ("a", "b")}
    state = BatchState("openai-1", "ended", "completed", "completed")
    said = refused_later(state, results, 2, name, "b-1")
    assert said is not None and said.startswith(f"While working on batch b-1, {name} said ") and said.endswith(end)
    assert refused_later(state, results, 3, name, "b-1") is None, "of one nothing is known"


def test_refused_line_by_line_it_stops_as_well(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1), palette(2)))
    batch = send(house, provider)
    ids = provider.held["openai-1"].file.custom_ids
    lines = [result_line(i, "errored", error="No gpt-9.", error_code="model_not_found") for i in ids]
    provider.end("openai-1", lines)
    collect(house, provider, batch)
    said = f"While working on batch {batch.batch_id}, openai said model_not_found: No gpt-9. {NOT_SERVED}"
    assert reasons(house) == [said]
    assert send_if_due(house, provider) is None and len(provider.held) == 1


def test_one_request_that_is_refused_says_nothing_about_the_others(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1), palette(2)))
    batch = send(house, provider)
    first, second = provider.held["openai-1"].file.custom_ids
    refused = result_line(first, "errored", error="No.", error_code="invalid_request_error")
    provider.end("openai-1", [refused, answered(second)])
    collect(house, provider, batch)
    assert reasons(house) == []
    assert house.rows("SELECT fate, error_code FROM batch_requests ORDER BY fate") == [
        ("errored", "invalid_request_error"),
        ("succeeded", None),
    ]


def test_of_what_only_one_request_can_be_blamed_for_nothing_stops(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    batch = send(house, provider)
    [custom_id] = provider.held["openai-1"].file.custom_ids
    provider.end("openai-1", [result_line(custom_id, "errored", error="No.", error_code="content_policy_violation")])
    collect(house, provider, batch)
    assert reasons(house) == []


# --- The file that was uploaded just before ---------------------------------------------------------------------------

UNSEEN = "Input file not found: file-1."


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_input_file_id", "Invalid input_file_id: file-1"),
        (None, "No such File object: file-1"),
        (None, "The file is still being processed"),
        (None, "File file-1 is in state PROCESSING"),
        (None, "File is pending"),
        (None, "unknown file id"),
        (None, "Failed to fetch input file"),
        (None, "Cannot access input file file-1"),
        (None, "input file has not been uploaded"),
        (None, "You do not have permission to access the File files/abc or it may not exist."),
    ],
)
def test_how_providers_say_that_they_do_not_see_a_file_yet(code: str | None, message: str) -> None:
    assert means_unseen_file(code, message)


@pytest.mark.parametrize(
    "message", ["file is empty", "line 3 of the file is no JSON", "model file not found", "bad key"]
)
def test_what_is_wrong_with_a_file_that_was_seen(message: str) -> None:
    assert not means_unseen_file("invalid_request", message)


def test_a_file_that_is_not_seen_yet_is_put_off_and_not_for_ever(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    for number in range(1, FILES_UNSEEN_AT_MOST + 2):
        house.clock.wind(hours=1)
        batch = send(house, provider)
        provider.end(f"openai-{number}", [], outcome="failed", error_code="invalid_request", error=UNSEEN)
        collect(house, provider, batch)
        if number <= FILES_UNSEEN_AT_MOST:
            assert reasons(house) == [] and send_if_due(house, provider) is None, "not at once"
    [said] = reasons(house)
    assert UNSEEN in said and "So it was with one file after the other" in said
    statuses = house.rows("SELECT status, error_kind, count(*) FROM batches GROUP BY ALL ORDER BY 3")
    assert statuses == [("collected", None, 1), ("deferred", "InputFileUnseenError", 5)]


def test_the_same_at_the_create_call(house: House, provider: ScriptedProvider) -> None:
    def unseen(_: object) -> None:
        raise InputFileUnseenError("openai", UNSEEN)

    provider.before_submit = unseen
    ask(house, house.load(palette(1)))
    for _ in range(FILES_UNSEEN_AT_MOST + 1):
        house.clock.wind(hours=1)
        assert reasons(house) == [] and send_if_due(house, provider) is not None
    assert reasons(house) == [f"{UNSEEN} So it was with one file after the other."]
    assert house.rows("SELECT status, count(*) FROM batches GROUP BY ALL ORDER BY 2") == [
        ("refused", 1),
        ("deferred", 5),
    ]

    provider.before_submit = lambda _: None
    retry(house)
    house.clock.wind(hours=1)
    collect_ended = send(house, provider)
    provider.end_all()
    collect(house, provider, collect_ended)
    assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NULL") == [(1,)]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "No such File object: file-in"),
        (400, "Invalid 'input_file_id': file-in could not be found, or is not visible to your organization."),
        (400, "Cannot find file file-in, or organization org-1 does not have access to it."),
        (403, "You do not have permission to access the File in or it may not exist."),
        (400, "The File in is not in an ACTIVE state and usage is not allowed."),
    ],
)
@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"])
def test_how_a_provider_says_that_it_does_not_see_the_file(
    face: Face, status: int, message: str, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(face.create.replace("batches", "files")).respond_with_json({"id": "file-in"})
    httpserver.expect_request(face.create).respond_with_json(face.error(status, "invalid", message), status=status)
    provider = connect(face.name, KEY, httpserver.url_for("").rstrip("/") + face.suffix, Timeouts(attempts=1))
    with pytest.raises(InputFileUnseenError, match="uploaded just before"):
        provider.submit(face.file(provider))
    provider.close()


# --- A picture that is not fetched ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "Unable to download the file. Please verify the URL and try again.",
        "Error while downloading https://pub.example/p.png. Upstream status code: 403.",
        "Timeout while downloading https://pub.example/p.png.",
        "failed to retrieve media: 404",
        "The image could not be downloaded.",
        "This URL is disallowed by the website's robots.txt file so it cannot be used.",
        "Only HTTPS URLs are supported.",
        "received 404 status code when fetching image from URL",
        "The provided image URL returned a 403 error",
        "Image URL is not accessible",
    ],
)
def test_how_providers_say_that_they_could_not_fetch_a_picture(message: str) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    claude = claude_says(json.dumps({"custom_id": "a", "result": {"type": "errored", "error": error}}).encode())
    body = {"error": {"message": message, "type": "invalid_request_error"}}
    response = {"status_code": 400, "body": body}
    chat = chat_says(json.dumps({"custom_id": "a", "response": response, "error": None}).encode(), "openai")
    for result in (claude, chat):
        assert (result.error_code, result.retryable, result.error) == (PICTURE_NOT_FETCHED, False, message)
    assert line_reader("google")(google_error("a", 3)).error_code == "3"


def test_a_picture_that_cannot_be_fetched_is_sent_itself_once(tmp_path: Any) -> None:
    pipeline = Pipeline(tmp_path)
    house, refiner = pipeline.house, pipeline.refiner
    [first] = refiner.held  # sent with its bytes; once more by address, as live mode does
    refiner.end(first, [])
    pipeline.collect(refiner, [pipeline.batch])
    house.write("UPDATE palette_images SET url = 'https://pub.example/images/1.png'")
    refused = "Unable to download the file. Please verify the URL and try again."

    def submitted() -> Any:
        house.clock.wind(hours=1)
        done = submit_due(
            REFINEMENT,
            Submission(refiner.connection(), PURPOSES, house.warehouse, house.store, house.clock, images_by_url=True),
        )
        return done.batches[0].batch if done.batches else None

    line_of = refiner.request_line

    def as_anthropic(spec: Any, model: Any) -> bytes:
        [image] = spec.images
        source = {"type": "url", "url": image.url} if image.url else {"type": "base64"}
        return json.dumps({**json.loads(line_of(spec, model)), "source": source}, separators=(",", ":")).encode()

    refiner.request_line = as_anthropic
    batch = submitted()
    [custom_id] = refiner.held["anthropic-2"].file.custom_ids
    assert b"https://pub.example/images/1.png" in refiner.held["anthropic-2"].file.lines[0]
    line = result_line(custom_id, "errored", error=refused, error_code=PICTURE_NOT_FETCHED)
    refiner.end("anthropic-2", [line])
    pipeline.collect(refiner, [batch])
    [(error,)] = house.rows("SELECT error FROM batches WHERE batch_id = ?", batch.batch_id)
    assert error.startswith("anthropic could not fetch the picture https://pub.example/images/1.png (Unable to")
    assert "R2_PUBLIC_URL" in error and "The picture itself is sent instead of its address, once." in error

    batch = submitted()
    assert b"3 bytes" in refiner.held["anthropic-3"].file.lines[0], "the bytes this time"
    refiner.end("anthropic-3", [answered(custom_id, text=json.dumps({"ref": custom_id, **ANSWER}))])
    pipeline.collect(refiner, [batch])
    assert house.rows("SELECT fate FROM palette_tag_refined") == [("repaired",)]
    assert submitted() is None


def test_a_palette_that_failed_is_no_model_that_stopped(tmp_path: Any) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.refine(embed_text=7, mood=[], style=[], dominant_colors=[], associations=[], temperature=None)
    house = pipeline.house
    assert house.rows("SELECT error IS NULL FROM palette_tag_refined") == [(False,)]
    with house.warehouse.read() as connection:
        [stopped] = stopped_asks(connection, PURPOSES)
        counted = counts(connection, ["google"])
    assert (stopped.failed, stopped.subjects) == (True, 1)
    assert (counted.pending, counted.failed, counted.errors) == (0, 1, 1)
