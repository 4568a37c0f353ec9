"""Vectors of texts: asked for in batches and directly, each text once, checked before they are stored."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.errors import RegistryError, SettingsError, UsageError
from grabient_assets.groups.embedding.embeddings import (
    EmbeddingRecord,
    checked,
    content_in_sql,
    content_of,
    folded,
    not_empty_in_sql,
    record_embeddings,
)
from grabient_assets.groups.embedding.purpose import EMBEDDING, ask_for_embeddings, recipe
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.accounts import costs
from grabient_assets.ledger.archive import archived_requests
from grabient_assets.ledger.asks import stopped_asks
from grabient_assets.ledger.batches import RequestRecord
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.closing import finish_batch
from grabient_assets.ledger.estimates import Measured, RequestShape, token_estimate
from grabient_assets.ledger.reparse import reparse_batches
from grabient_assets.ledger.result_lines import read_results
from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets.providers.connect import line_reader
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets_tests.groups.search.place import NOMIC, ONE, SMALL, TEXTS, TWO, ask, collect, submit, wait_out
from grabient_assets_tests.ledger.place_at_emulator import Place

BATCHES = (SMALL, TWO)
DIRECT = (SMALL, TWO, ONE, NOMIC)
WAYS = [(model, "batch") for model in BATCHES] + [(model, "direct") for model in DIRECT]


def name(value: Any) -> str:
    return value.id if isinstance(value, Model) else str(value)


def bring(place: Place, model: Model, delivery: str) -> None:
    """Send what is due, and collect it."""
    [sent] = submit(place, model.provider).batches
    assert (sent.error, sent.batch.delivery) == (None, delivery)
    if delivery == "batch":
        collect(place)


def failures(place: Place) -> list[Any]:
    return [row[0] for row in place.house.rows("SELECT error FROM embeddings WHERE error IS NOT NULL")]


@pytest.mark.parametrize(("model", "delivery"), WAYS, ids=name)
def test_every_text_gets_its_vector(model: Model, delivery: Any, place: Place) -> None:
    asked = ask(place, model, delivery=delivery)
    assert (asked.asked, list(asked.contents)) == (4, [content_of(text) for text in TEXTS])
    bring(place, model, delivery)
    rows = place.house.rows(
        "SELECT content_sha256, embedder, task, subject, dimensions, vector, norm, error, fate FROM embeddings"
    )
    assert sorted(row[0] for row in rows) == sorted(asked.contents)
    assert model.vectors is not None
    for content, embedder, task, subject, dimensions, vector, norm, error, fate in rows:
        assert (embedder, task, subject, error, fate) == (model.id, "document", f"t_{content[:32]}", None, "succeeded")
        assert len(vector) == dimensions == model.vectors.default
        assert math.sqrt(sum(number * number for number in vector)) == pytest.approx(1, abs=1e-6)
        assert (abs(norm - 1) < 1e-6) == model.vectors.unit_length, "as long as it came"
    [(custom_id, key)] = place.house.rows("SELECT min(custom_id), min(left(content_sha256, 24)) FROM embeddings")
    assert custom_id.startswith(f"{key}-") and len(custom_id) == 24 + 1 + 20 + 3
    assert place.house.rows("SELECT DISTINCT state, delivery FROM asks") == [("closed", delivery)]
    assert submit(place, model.provider).batches == ()


def test_each_text_is_asked_once_whoever_wants_it(place: Place) -> None:
    assert ask(place, SMALL, ["a  quiet\n harbour ", "a quiet harbour", "neon rain"]).asked == 2
    bring(place, SMALL, "batch")
    again = ask(place, SMALL, ["a quiet harbour", "first snow"])
    assert again.asked == 1
    [sent] = submit(place, "openai").batches
    assert sent.batch.request_count == 1
    collect(place)
    assert ask(place, SMALL, ["cafe\u0301", "caf\u00e9"]).asked == 1, "one text in two spellings of Unicode"
    with pytest.raises(UsageError, match="empty text"):
        ask(place, SMALL, ["  \n "])


def test_a_model_that_knows_no_tasks_is_asked_once_for_both(place: Place) -> None:
    ask(place, SMALL)
    bring(place, SMALL, "batch")
    ask(place, SMALL, task="query")
    assert submit(place, "openai").batches == ()
    assert place.house.rows("SELECT task, count(vector), sum(cost_usd) > 0 FROM embeddings GROUP BY 1 ORDER BY 1") == [
        ("document", 4, True),
        ("query", 4, False),
    ]
    assert recipe("document", SMALL).digest == recipe("query", SMALL).digest
    for model in (ONE, TWO, NOMIC):
        assert recipe("document", model).digest != recipe("query", model).digest


def test_the_task_is_told_as_the_model_knows_it(place: Place) -> None:
    for model in (ONE, TWO):
        ask(place, model, ["neon rain"], task="query", delivery="direct")
        submit(place, "google")
    by_model = {}
    for model in (ONE, TWO):
        [(known,)] = place.house.rows("SELECT batch_id FROM batches WHERE model = ?", model.id)
        [line] = archived_requests(place.house.store, place.ledger(known))
        by_model[model.id] = json.loads(line)["request"]
    assert by_model[ONE.id]["taskType"] == "RETRIEVAL_QUERY"
    assert by_model[ONE.id]["content"]["parts"] == [{"text": "neon rain"}]
    assert by_model[TWO.id]["content"]["parts"] == [{"text": "task: search result | query: neon rain"}]


@pytest.mark.parametrize(("model", "delivery"), [(SMALL, "batch"), (TWO, "batch"), (NOMIC, "direct")], ids=name)
@pytest.mark.parametrize(
    ("fault", "said"), [("wrong_dimensions", r"has \d+ dimensions instead of"), ("short_vectors", "0.5 long")]
)
def test_a_wrong_vector_is_a_failure_and_is_not_bought_again(
    fault: str, said: str, model: Model, delivery: Any, place: Place
) -> None:
    ask(place, model, delivery=delivery)
    times = {"times": 1} if delivery == "direct" else {}
    place.emulator.faults({"match": {"provider": model.provider, **times}, "action": {"do": fault}})
    bring(place, model, delivery)
    place.emulator.faults()
    [error] = failures(place)
    assert place.house.rows("SELECT regexp_matches(?, ?)", error, said) == [(True,)], error
    assert place.house.rows("SELECT count(*), count(vector) FROM embeddings") == [(4, 3)]
    wait_out(place)
    assert submit(place, model.provider).batches == ()
    ask(place, model, delivery=delivery, retry=True)
    bring(place, model, delivery)
    assert place.house.rows("SELECT count(*), count(vector) FROM embeddings") == [(4, 4)]


@pytest.mark.parametrize("delivery", ["batch", "direct"])
def test_a_vector_that_cannot_be_read_is_a_failure_too(delivery: Any, place: Place) -> None:
    ask(place, SMALL, delivery=delivery)
    times = {"times": 1} if delivery == "direct" else {}
    place.emulator.faults({"match": {"provider": "openai", **times}, "action": {"do": "empty"}})
    bring(place, SMALL, delivery)
    assert place.house.rows("SELECT count(*), count(vector) FROM embeddings") == [(4, 3)]
    assert place.house.rows("SELECT fate, error_code FROM batch_requests WHERE error IS NOT NULL") == [
        ("errored", "bad_vector")
    ]


def test_what_is_checked() -> None:
    good = checked(array("f", [0.6, 0.8]), 2, True)
    assert not isinstance(good, str) and (list(good.numbers), round(good.norm, 6)) == (
        [pytest.approx(0.6), pytest.approx(0.8)],
        1,
    )
    scaled = checked(array("f", [3, 4]), 2, False)
    assert not isinstance(scaled, str) and scaled.norm == 5 and scaled.numbers[1] == pytest.approx(0.8)
    assert "3 dimensions instead of 2" in str(checked(array("f", [1, 0, 0]), 2, True))
    assert "not finite" in str(checked(array("f", [math.nan, 1]), 2, False))
    assert "not finite" in str(checked(array("f", [math.inf, 1]), 2, True))
    assert "5 long" in str(checked(array("f", [3, 4]), 2, True))
    assert "are 0" in str(checked(array("f", [0, 0]), 2, False))
    assert folded(" a\t b\n") == "a b"


def test_the_budget_and_the_accounts_know_it(place: Place) -> None:
    ask(place, SMALL, [f"text number {n}" for n in range(12)], allow_unpriced=False)
    place.budget_usd = Decimal("0.000003")
    first = submit(place, "openai")
    assert 0 < first.batches[0].batch.request_count < 12 and "Over budget" in first.held[0]
    for _ in range(20):
        collect(place)
        submit(place, "openai")
    assert place.house.rows("SELECT count(vector) FROM embeddings") == [(12,)]
    with place.house.warehouse.read() as connection:
        [row] = costs(connection, "purpose")
    assert (row.what, row.requests, row.output_tokens, row.unknown) == (("embedding",), 12, 0, 0)
    assert 0 < row.cost_usd < place.budget_usd
    assert place.house.rows("SELECT purpose, delivery, requests FROM cost_by_purpose") == [("embedding", "batch", 12)]


def test_without_a_price_nothing_is_sent_unless_it_is_allowed(place: Place) -> None:
    ask(place, ONE, ["neon rain"], allow_unpriced=False)
    assert "No batch price of gemini-embedding-001" in " ".join(submit(place, "google").complaints)
    assert place.house.rows("SELECT state, delivery FROM asks") == [("stopped", "batch")]
    with place.house.warehouse.read() as connection:
        [stopped] = stopped_asks(connection, PURPOSES)
    assert stopped.sentence.startswith("Stopped: gemini-embedding-001 of google, 1 text.")
    ask(place, ONE, ["neon rain"], allow_unpriced=False, delivery="direct")
    bring(place, ONE, "direct")
    ask(place, NOMIC, ["neon rain"], allow_unpriced=False)
    assert "nomic-embed-text-v1_5" in " ".join(submit(place, "groq").complaints)
    assert place.house.rows("SELECT count(vector) FROM embeddings") == [(1,)]


def test_what_cannot_be_asked_says_so(place: Place) -> None:
    house = place.house
    with pytest.raises(RegistryError, match="makes no vectors"):
        ask(place, load_registry().model("openai", "gpt-4o-mini"))
    ask(place, NOMIC, delivery="batch")
    assert "not asked in batches" in " ".join(submit(place, "groq").complaints)
    ask(place, NOMIC)  # the only way that it takes
    bring(place, NOMIC, "direct")
    with pytest.raises(SettingsError, match="must not mix"):
        ask_for_embeddings(TEXTS, SMALL, "live", house.warehouse, house.clock())


def test_a_batch_is_cancelled_and_read_again(place: Place) -> None:
    house = place.house
    reader = reader_of(house.warehouse, house.store)
    ask(place, SMALL)
    bring(place, SMALL, "batch")
    ask(place, TWO)
    place.emulator.faults({"match": {"provider": "google"}, "action": {"do": "pending"}})
    [sent] = submit(place, "google").batches
    patience = WaitLimit(30)
    stopped = stop_batch(sent.batch.batch_id, place.connect, house.warehouse, reader, house.clock, patience)
    finish_batch(stopped.batch, place.connect, house.warehouse, house.store, reader, house.clock, patience)
    assert place.fates(sent.batch.batch_id) == {"cancelled": 4}
    before = house.rows("FROM embeddings ORDER BY ALL")
    assert len(before) == 8
    house.write("DELETE FROM embeddings WHERE error IS NULL")
    done = reparse_batches([], None, house.warehouse, house.store, PURPOSES, reader, line_reader, ())
    assert (done.batches, done.answers, done.troubles) == (2, 8, ())
    assert house.rows("FROM embeddings ORDER BY ALL") == before


def test_it_is_one_of_the_purposes() -> None:
    assert PURPOSES["embedding"] is EMBEDDING
    assert (EMBEDDING.kind, EMBEDDING.delivery) == ("vector", "batch")


def test_of_two_different_vectors_for_one_request_neither_is_taken() -> None:
    def line(*numbers: float) -> bytes:
        body = {"object": "list", "data": [{"embedding": numbers}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        return json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": body}}).encode()

    requests, read = {"a": RequestRecord("b", "a", "t_1", 0)}, line_reader("openai")
    assert read_results([line(0.6, 0.8), line(0.8, 0.6)], read, requests, "openai").contradicted == {"a"}
    assert read_results([line(0.6, 0.8), line(0.6, 0.8)], read, requests, "openai").contradicted == set()


def test_a_vector_is_stored_behind_a_thousand_failures(place: Place) -> None:
    now = place.house.clock()
    rows = [
        EmbeddingRecord(f"{n:064}", "m", "document", f"t_{n}", "openai", f"{n}-00", "invalid", now, error="none")
        for n in range(1_200)
    ]
    rows.append(replace(rows[0], subject="t_x", error=None, vector=array("f", [0.6, 0.8]), norm=1.0))
    with place.house.warehouse.write() as connection:
        record_embeddings(connection, rows)
    assert place.house.rows("SELECT count(*), count(vector) FROM embeddings") == [(1_201, 1)]
    [(vector,)] = place.house.rows("SELECT vector FROM embeddings WHERE subject = 't_x'")
    assert vector == [pytest.approx(0.6), pytest.approx(0.8)]


def test_what_others_took_says_nothing_of_a_text() -> None:
    measured = Measured(100, 5, 0, 0, 0)
    short, long = (token_estimate(RequestShape(size, 0), SMALL, measured) for size in (100, 10_000))
    assert short.input_high < long.input_high / 50


def test_sql_folds_as_python_does() -> None:
    spaces = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    odd = [*(f"{one}a{one}{one}b" for one in spaces), *spaces, "e\u0301", "\u1e9b\u0323", "\u200b"]

    with duckdb.connect() as connection:

        @settings(deadline=None)
        @given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0")), max_size=20))
        def check(texts: list[str]) -> None:
            texts = [*texts, *odd]
            found = connection.execute(
                f"SELECT {content_in_sql('t')}, {not_empty_in_sql('t')} FROM (SELECT unnest($1::VARCHAR[]) AS t)",
                [texts],
            ).fetchall()
            for text, (content, holds) in zip(texts, found, strict=True):
                assert holds == bool(text.split()), text
                assert not holds or content == content_of(folded(text)), text

        check()
