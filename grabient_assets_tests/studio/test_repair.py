"""The page Repair: the numbers of `grabient errors` and `grabient retry`, and buttons that ask and send nothing."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.groups.tagging.purpose import TAGGING, taggers
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.warehouse.results import answer, asked, batch, insert, palette, refined

NOW = datetime(2026, 11, 30, 14, 2, 11, tzinfo=UTC)
BAD = 'invalid: the answer is no JSON: "<script>alert(1)</script>"'
CUT, GONE = "truncated: the answer stops", "The model is not served to this account."
FIRST, SECOND = taggers(PROVIDERS)[:2]


def _asked(connection: Any, seed: str, model: Any, state: str = "closed", **more: Any) -> None:
    target = TAGGING.target("v1", model, "emulator")
    stem = f"key-{seed}-{target.request_digest}"
    values = {"provider": model.provider, "analyses": 1, "request_digest": target.request_digest, "stem": stem, **more}
    asked(connection, seed, state, model.id, **values)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of one model three answers failed, two of them alike; another one was stopped; a refinement failed, and a
    provider is paused."""
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        for seed in ("one", "two", "three", "four"):
            palette(connection, seed, f"The {seed} <i>one</i>")
        for seed, error in (("one", BAD), ("two", BAD), ("three", CUT)):
            _asked(connection, seed, FIRST, chained=seed == "one")
            answer(connection, seed, FIRST.id, error=error, provider=FIRST.provider)
        _asked(connection, "four", SECOND, "stopped", reason=GONE)
        asked(connection, "four", purpose="refinement", model=refiner().id, provider=refiner().provider, analyses=1)
        refined(connection, "four", error=CUT, model=refiner().id)
        connection.execute("INSERT INTO provider_pauses VALUES ('openai', ?)", [NOW + timedelta(minutes=7)])
    return tmp_path


@pytest.fixture
def studio(data: Path) -> Opened:
    return opened(data, clock=lambda: NOW)


def _group(document: Any, reason: str, model: str) -> Any:
    [found] = [one for one in document["groups"] if (one["reason"], one["model"]) == (reason, model)]
    return found


def _asks(data: Path) -> list[tuple[Any, ...]]:
    """What is open, which was asked again since, and how many batches there are."""
    with Warehouse(data / "grabient.duckdb").read() as connection:
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (0,), "nothing is sent"
        query = "SELECT purpose, subject FROM asks WHERE state = 'open' AND retry_from IS NOT NULL ORDER BY ALL"
        return connection.execute(query).fetchall()


def test_the_numbers_are_those_of_errors_and_retry(data: Path, studio: Opened) -> None:
    found = studio.json("/repair.json")
    errors = typed(data, "errors", "--json").json
    names = errors["groups"][0].keys()
    assert [{name: one[name] for name in names} for one in found["groups"]] == errors["groups"]
    assert len(found["groups"]) == 4
    assert found["total"] == errors["total"]
    assert found["retry"] == typed(data, "retry", "--dry-run", "--json").json
    again = found["again"]
    assert again["requests"] == sum(one["requests"] for one in found["retry"]["models"] if not one["follows"]) == 5
    assert float(again["usd"]) == pytest.approx(found["retry"]["usd"]["expected"], abs=1e-8)
    assert again["follow"] == 1
    assert found["groups"] == studio.client.get("/repair", headers={"Accept": "application/json"}).json()["groups"]


def test_waits_have_their_reason_and_time(data: Path) -> None:
    """A provider that asked for time, one that takes nothing, and requests that there is no money for."""
    later = NOW + timedelta(minutes=90)
    with Warehouse(data / "grabient.duckdb").write() as connection:
        late = {"status": "deferred", "retry_at": later, "error": "429: too many requests", "provider": "groq"}
        batch(connection, "b", [("one", None, None, None)], at=NOW - timedelta(hours=1), **late)
        _asked(connection, "two", SECOND, "open")
        kind = {"purpose": "tagging", "provider": SECOND.provider, "model": SECOND.id, "prompt_version": "v1"}
        size = {"text_bytes": 4000, "pictures": 0, "max_output_tokens": 512, "delivery": "batch"}
        insert(connection, "request_sizes", prompt_digest="d", follows=[], **kind, **size)
        insert(connection, "budget_holds", requests=1, reason="No money.", held_at=NOW, **kind)
    studio = opened(data, clock=lambda: NOW, GRABIENT_BUDGET_USD="0.0000001")
    waits = {one["kind"]: one for one in studio.json("/repair.json")["waits"]}
    assert {kind: (one["title"], one["seconds"]) for kind, one in waits.items()} == {
        "paused": ("provider paused", 420.0),
        "put_off": ("backoff", 5400.0),
        "over_budget": ("waits for money", None),
    }
    assert waits["paused"]["until"] == "2026-11-30T14:09:11+00:00"
    page = html.unescape(studio.html("/repair"))
    assert "in 7 min" in page and "in 1 h 30 min" in page
    for one in waits.values():
        assert one["why"] in page, one


def test_what_models_and_files_say_is_text(studio: Opened) -> None:
    page = studio.html("/repair")
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert "The one &lt;i&gt;one&lt;/i&gt;" in page and "<i>" not in page
    assert page.count('class="swatch"') == 5


def test_a_button_asks_its_group_again_and_sends_nothing(data: Path, studio: Opened) -> None:
    group = _group(studio.json("/repair.json"), BAD, FIRST.id)
    assert (group["again"]["requests"], group["again"]["follow"], group["again"]["waiting"]) == (2, 1, 0)
    assert f"Retry 2, about {float(group['again']['usd']):.4f} USD" in studio.html("/repair")
    assert _asks(data) == [], "looking asks nothing"
    answer = studio.client.post("/repair/retry", data={"token": studio.token, "group": group["group_id"]})
    assert answer.status_code == 200 and "Asked again: 2 requests about 2 palettes." in answer.text
    assert _asks(data) == [("tagging", "one"), ("tagging", "two")]
    after = studio.json("/repair.json")
    assert _group(after, BAD, FIRST.id)["again"] == {
        "palettes": 0, "requests": 0, "follow": 0, "waiting": 2, "usd": "0",
    }  # fmt: skip
    assert after["again"]["requests"] == 3, "the button for all leaves out what waits"
    repeated = studio.post("/repair/retry", data={"group": group["group_id"]}).json()
    assert repeated["notice"] == "Nothing was asked: it was asked again before, and waits."


def test_all_are_asked_again_at_once(data: Path, studio: Opened) -> None:
    assert studio.post("/repair/retry").json()["asked"]["requests"] == 5
    subjects = [("tagging", one) for one in ("four", "one", "three", "two")]
    assert _asks(data) == [("refinement", "four"), *subjects]


def test_a_group_that_is_gone_asks_nothing(data: Path, studio: Opened) -> None:
    done = studio.post("/repair/retry", data={"group": "abc"})
    assert "has an answer by now" in done.json()["notice"] and _asks(data) == []
    assert studio.client.post("/repair/retry", data={"group": ""}).status_code == 403
    assert _asks(data) == []


def test_where_nothing_is_nothing_failed(tmp_path: Path) -> None:
    nothing = opened(tmp_path / "data")
    assert "Nothing failed" in nothing.html("/repair")
    assert nothing.json("/repair.json")["total"]["requests"] == 0
    assert not (tmp_path / "data").exists()
