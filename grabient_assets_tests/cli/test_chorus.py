"""`grabient chorus` and `grabient images`, typed as a person types them."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from grabient_assets.groups.chorus.asking import Wish, ask_chorus, plan_group
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import command, emulator, environment, hear_signals, typed
from grabient_assets_tests.hanging import HANGING_SECONDS


def asked_with_a_fixed_id(data: Path) -> None:
    """What `chorus new` does. What the emulated artists write, and whether one fails, follows from the id."""
    warehouse = Warehouse(data / "grabient.duckdb")
    wish = Wish(artists=("gpt-6-luna", "claude-haiku-5-5"), size="1024x640")
    with warehouse.read() as connection:
        planned = plan_group(connection, wish, PROVIDERS, datetime.now(UTC))
    group = replace(planned.group, group_id=f"rg_{1:026d}")
    ask_chorus(warehouse, replace(planned, group=group), None, None, "emulator")


def test_a_group_from_the_price_to_the_folder(tmp_path: Path) -> None:
    wish = ("--artists", "gpt-6-luna,claude-haiku-5-5", "--size", "1024x640")
    with emulator(tmp_path, "--polls", "1") as values:
        planned = typed(tmp_path, "chorus", "new", *wish, "--plan", "--json", **values)
        assert planned.code == 0 and planned.json["runs"] == 2 and planned.json["usd"]["expected"] > 0
        assert typed(tmp_path, "chorus", "list", "--json", **values).json == {"groups": []}
        over = typed(tmp_path, "chorus", "new", *wish, "--max-usd", "0.001", **values)
        assert over.code == 1 and "Nothing was asked. Raise the cap" in over.err
        gone = typed(tmp_path, "chorus", "new", *wish, "--brush", "dall-e-3", **values)
        assert gone.code == 1 and "gpt-image-2.5-flare" in gone.err

        asked_with_a_fixed_id(tmp_path)
        made = typed(tmp_path, "chorus", "run", "--json", **values)
        assert made.code == 0, made.err
        document = made.json
        assert document["counts"] == {"queued": 0, "generating": 0, "done": 2, "failed": 0, "cancelled": 0}
        assert 0 < document["cost_usd"] < 0.2 and document["possible_usd"] == 0
        shown = typed(tmp_path, "chorus", "show", document["group"][:12], "--json", **values)
        assert shown.code == 0 and shown.json == document
        [listed] = typed(tmp_path, "chorus", "list", "--json", **values).json["groups"]
        assert (listed["group"], listed["counts"]["done"]) == (document["group"], 2)

        out = tmp_path / "out"
        assert typed(tmp_path, "chorus", "export", "latest", "--out", out, **values).code == 0
        runs = json.loads((out / "runs.json").read_text())["runs"]
        found = typed(tmp_path, "images", "show", out / runs[0]["file"], "--json", **values).json
        assert (found["run"], found["group"]) == (runs[0]["run_id"], document["group"])
        assert found["model"] == document["brush"] and found["image_id"] == runs[0]["image_id"]
        assert (
            typed(tmp_path, "images", "show", runs[0]["run_id"], "--json", **values).json["image_id"]
            == found["image_id"]
        )
        assert len(typed(tmp_path, "images", "list", "--json", **values).json["images"]) == 2

        ids = [run["run_id"] for run in document["runs"]]
        assert typed(tmp_path, "chorus", "vote", "latest", *ids, "left", **values).code == 0
        twice = typed(tmp_path, "chorus", "vote", "latest", *reversed(ids), "left", **values)
        assert twice.code == 2 and "The first vote stands" in twice.err
        nobody = typed(tmp_path, "chorus", "cancel", " ", **values)
        assert nobody.code == 2 and "The group is empty" in nobody.err
        wrong = typed(tmp_path, "chorus", "vote", "latest", ids[0], ids[0], "left", **values)
        assert wrong.code == 2 and "not with itself" in wrong.err
        again = typed(tmp_path, "chorus", "retry", "latest", "--json", **values)
        assert again.json["asked_again"] == []

        waiting = typed(tmp_path, "chorus", "new", *wish, "--json", **values).json
        assert waiting["counts"]["queued"] == 2
        cancelled = typed(tmp_path, "chorus", "cancel", waiting["group"], "--json", **values)
        assert cancelled.json["counts"]["cancelled"] == 2 and cancelled.json["cost_usd"] == 0


def test_a_plan_and_what_is_refused_write_nothing(tmp_path: Path) -> None:
    with emulator(tmp_path / "emulator") as values:
        for wish, code in (
            ((), 0),
            (("--iterations", "21"), 2),
            (("--size", "440x100"), 1),
            (("--quality", "superb"), 1),
        ):
            ended = typed(tmp_path / "data", "chorus", "new", "--plan", *wish, **values)
            assert ended.code == code and "000" not in ended.err.replace("0.000", ""), ended.err
            assert "--iterations" not in ended.err
    assert "cannot be asked of gpt-image-2.5-flare (openai): quality 'superb' is none of" in ended.err
    assert not (tmp_path / "data").exists()


def test_a_stopped_run_names_the_command_that_goes_on_and_no_other(tmp_path: Path) -> None:
    with emulator(tmp_path, "--polls", "1000") as values:
        process = subprocess.Popen(
            command("chorus", "new", "--artists", "gpt-6-luna", "--size", "1024x640", "--run"),
            env=environment(tmp_path, **values),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_signals,
        )
        assert process.stderr is not None
        said = [next(line for line in process.stderr if " is asked. " in line)]
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=HANGING_SECONDS)[1].splitlines()
        group = said[0].split()[0]
        assert process.returncode == 130 and f"`grabient chorus run {group}`" in said[-1], said
        assert "same command" not in " ".join(said) and "grabient run" not in " ".join(said)


def test_before_there_is_a_chorus_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    with emulator(tmp_path) as values:
        for command in (("show",), ("retry",), ("cancel", "latest"), ("export", "latest", "--out", tmp_path / "out")):
            ended = typed(tmp_path, "chorus", *command, **values)
            assert ended.code == 2 and "grabient chorus new --run" in ended.err
