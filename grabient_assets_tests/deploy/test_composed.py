"""The deployment as compose.yaml starts it, process for process: a backfill is launched in the web server, the code
location is killed while a provider takes a batch, and a second machine works on the same ledger meanwhile. Everything
ends, and once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from grabient_assets.emulator.endpoint import EmulatorEndpoint, ensure_emulator
from grabient_assets.registry.load import load_registry
from grabient_assets.resources.dead_runs import PID_TAG
from grabient_assets_tests.deploy.composed import PATIENCE_SECONDS, Composed, composed
from grabient_assets_tests.pipeline.dev import Dev
from grabient_assets_tests.pipeline.driven import TAG_BATCHES
from grabient_assets_tests.pipeline.place import control, creates, emulator_ended_after, samples

pytestmark = pytest.mark.slow
"""Minutes of two cores. Quicker are, each by itself: the files (test_files.py), Dagster's records and the tables in
PostgreSQL, leases, and two machines on one ledger (ledger/test_race.py)."""

PALETTES, CHOSEN = 5, (0, 3)
PANEL = [(model.provider, model.id) for model in load_registry().panel("tagger")]
[REFINER] = [(model.provider, model.id) for model in load_registry().panel("refiner")]
ANALYSES = 1
HOLD = {"match": {"provider": "openai", "route": "create", "times": 1}, "action": {"do": "hold", "after_accept": True}}
UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}


@dataclass
class Ended:
    """What is left when all is done. `before` are the batches that the providers had when the first machine was killed,
    `created` all of them; `killed` the runs that were under way there; `second` what the second machine said."""

    stack: Composed
    web: Dev
    seeds: list[str]
    before: list[dict[str, Any]]
    created: list[dict[str, Any]]
    killed: set[str]
    second: str

    def rows(self, query: str) -> list[str]:
        """The rows of the warehouse, as psql prints them."""
        return self.stack.database.psql(query, "warehouse").splitlines()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("compose")
    with composed(folder, TAG_ANALYSIS_COUNT=str(ANALYSES)) as stack:
        data = stack.machine("one").data
        with emulator_ended_after(data):
            emulator = ensure_emulator(data)
            for service in ("web", "daemon", "studio"):
                stack.up(service)
            web = Dev(data, stack.url(3000), stack.log("daemon"), psutil.Process(stack.running["web"].pid))
            seeds = _loaded(stack, folder, web)
            before, killed, second = _killed_while_a_provider_takes_a_batch(stack, folder, web, emulator, seeds)
            stack.until(
                "every palette to its embed text",
                lambda: web.green("embed_text") == set(seeds),
                lambda: (sorted(set(seeds) - web.green("embed_text")), second.read_text(errors="replace")[-2000:]),
            )
            stack.until("the runs", lambda: not _unfinished(web), lambda: _unfinished(web))
            yield Ended(stack, web, seeds, before, creates(emulator), killed, second.read_text(errors="replace"))


def _loaded(stack: Composed, folder: Path, web: Dev) -> list[str]:
    """Load palettes as `docker compose exec code grabient load` does; their seeds, once their pictures are drawn."""
    file, rows = folder / "palettes.txt", samples(PALETTES).rows
    file.write_text("".join(f"{row.source_seed}\n" for row in rows), encoding="utf-8")
    stack.run("code", "grabient", "load", str(file))
    seeds = [row.palette.canonical for row in rows]
    stack.until("pictures", lambda: web.green("palette_images") == set(seeds), lambda: web.green("palette_images"))
    return seeds


def _killed_while_a_provider_takes_a_batch(
    stack: Composed, folder: Path, web: Dev, emulator: EmulatorEndpoint, seeds: list[str]
) -> tuple[list[dict[str, Any]], set[str], Path]:
    """Ask for a few palettes in the web server. When openai has taken a batch and has not said so, every process of the
    code location is killed. `grabient run` starts on a second machine, for all palettes, and the code location starts
    again, as Docker does it. What there was at that moment, and the file of what the second machine says."""
    control(emulator, "faults", {"rules": [HOLD]})
    web.backfill(list(TAG_BATCHES), [f"v1|{seeds[one]}" for one in CHOSEN])

    def taken() -> bool:
        return any(one["provider"] == "openai" for one in creates(emulator))

    stack.until("the create call", taken, lambda: creates(emulator))
    before, said = creates(emulator), folder / "second-machine.txt"
    stack.kill("code")
    killed = {run["runId"] for run in web.runs() if run["status"] in ("STARTING", "STARTED")}
    command = ["grabient", "run", "--timeout", str(int(PATIENCE_SECONDS))]
    stack.running["second machine"] = second = stack.process("code", command, "two", said)
    control(emulator, "faults", {"rules": []})
    control(emulator, "release", {})
    stack.start("code")
    assert second.wait(PATIENCE_SECONDS) == 0, stack.log("code").read_text(errors="replace")[-4000:]
    return before, killed, said


def _unfinished(web: Dev) -> list[tuple[str, str]]:
    return [(run["jobName"], run["status"]) for run in web.runs() if run["status"] in UNFINISHED]


def test_no_request_was_sent_twice_and_none_is_missing(ended: Ended) -> None:
    sent = [custom_id for one in ended.created for custom_id in one["custom_ids"]]
    assert len(sent) == len(set(sent)) == (ANALYSES * len(PANEL) + 1) * PALETTES
    requests = Counter((one["provider"], one["model"]) for one in ended.created for _ in one["custom_ids"])
    assert requests == {**dict.fromkeys(PANEL, ANALYSES * PALETTES), REFINER: PALETTES}
    assert ended.rows("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests") == [f"{len(sent)}|{len(sent)}"]


def test_every_answer_is_stored_once(ended: Ended) -> None:
    answers = ANALYSES * len(PANEL) * PALETTES
    counted = "count(*), count(DISTINCT (seed, model, analysis_index))"
    assert ended.rows(f"SELECT {counted} FROM palette_tags") == [f"{answers}|{answers}"]
    assert ended.rows("SELECT count(*), count(DISTINCT seed) FROM palette_tag_refined") == [f"{PALETTES}|{PALETTES}"]


def test_both_machines_worked(ended: Ended) -> None:
    """Otherwise nothing was shown. The runs of the second are executed by `grabient run`, which they name; who of the
    two sends what is left to chance."""
    first = {custom_id for one in ended.before for custom_id in one["custom_ids"]}
    assert 0 < len(first) <= ANALYSES * len(PANEL) * len(CHOSEN)
    sent_by = set(ended.rows("SELECT DISTINCT submit_run_id FROM batches"))
    tagged = f"SELECT DISTINCT run_id FROM run_tags WHERE key = '{PID_TAG}'"  # the UI shows no tag of this prefix
    of_second = set(ended.stack.database.psql(tagged, "dagster").splitlines())
    assert of_second and sent_by - of_second


def test_the_runs_that_were_killed_are_marked_as_failed(ended: Ended) -> None:
    """Besides them only one can fail: what the daemon launched while no code location was there."""
    failed = {run["runId"]: run["tags"].get("reason", "") for run in ended.web.runs() if run["status"] == "FAILURE"}
    assert ended.killed and ended.killed <= set(failed)
    assert {run for run in set(failed) - ended.killed if failed[run]} == set()


def test_every_service_is_healthy(ended: Ended) -> None:
    for service in ("code", "web", "daemon", "studio"):
        assert (service, ended.stack.is_healthy(service)) == (service, True)
    ended.stack.kill("studio")
    assert not ended.stack.is_healthy("studio")


def test_a_dump_is_restored_as_the_recipe_says(ended: Ended, tmp_path: Path) -> None:
    """docs/how-to/deploy.md, Backup and restore."""
    stack, dump = ended.stack, str(tmp_path / "warehouse.dump")
    role = {name: stack.services["code"]["environment"][name] for name in ("PGUSER", "PGPASSWORD")}
    for service in ("web", "daemon", "studio", "code"):
        if service in stack.running:
            stack.kill(service)
    whole = stack.run("code", "grabient", "status", "--json")
    stack.database.run("pg_dump", "-Fc", "-f", dump, "warehouse", **role)
    stack.database.run("dropdb", "--force", "warehouse", **role)
    stack.database.run("createdb", "warehouse", **role)
    stack.database.run("pg_restore", "-d", "warehouse", "--exit-on-error", dump, **role)
    assert json.loads(stack.run("code", "grabient", "status", "--json")) == json.loads(whole)
