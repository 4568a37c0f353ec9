"""What the webhook hears of `grabient run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import palettes, typed

PATH = "/services/T0/B0/hidden-token"


def heard(server: HTTPServer) -> list[dict[str, Any]]:
    found = [request.get_json() for request, _ in server.log]
    server.clear_log()
    return found


@pytest.mark.slow
def test_each_thing_is_told_once_and_trouble_harms_no_run(data: Path, tmp_path: Path) -> None:
    with HTTPServer() as server:
        server.expect_request(PATH).respond_with_data("ok")
        server.expect_request("/broken").respond_with_data("no", status=500)
        told = {"GRABIENT_NOTIFY_URL": server.url_for(PATH), "TAG_ANALYSIS_COUNT": "1"}
        assert typed(data, "load", palettes(tmp_path, 1)).code == 0

        stopped = typed(data, "run", GRABIENT_BUDGET_USD="0.0000001", **told)
        assert stopped.code == 1 and "hidden-token" not in stopped.err + stopped.out
        budget, failed = heard(server)
        assert (budget["kind"], failed["kind"]) == ("over_budget", "failed")
        assert budget["text"].startswith("Grabient (emulated), over budget: Over budget: 1 ")
        assert all(event["event"].startswith("over-budget:") for event in budget["events"])
        assert (len(budget["sentences"]), len(budget["events"])) == (1, 10), "ten models wait for one reason"
        assert failed["text"].startswith(
            "Grabient (emulated), failed: A run ended with 0 of 1 palette done. Over budget:"
        )
        (event,) = failed["events"]
        assert (event["palettes"], event["done"], event["problems"]) == (1, 0, 1)

        broken = {**told, "GRABIENT_NOTIFY_URL": server.url_for("/broken")}
        done = typed(data, "run", **broken)
        why = "The notification 'finished' was not delivered: the address in GRABIENT_NOTIFY_URL answered 500."
        assert done.code == 0 and done.err.splitlines().count(why) == 1, done.err
        assert [body["kind"] for body in heard(server)] == ["finished"]

        with Warehouse(data / "grabient.duckdb").write() as connection:
            connection.execute("DELETE FROM notices WHERE kind = 'finished'")
        assert typed(data, "run", **told).code == 0
        (finished,) = heard(server)
        assert finished["text"] == (
            "Grabient (emulated), finished: Nothing of v1 is open any more: 1 palette asked about, 1 tagged, 1 refined."
        )
        assert typed(data, "run", **told).code == 0
        assert heard(server) == []
        shown = typed(data, "settings", **told)
        assert "hidden-token" not in shown.out + shown.err and "(set)" in shown.out
