"""A request that says the same is paid for once, as a person sees it: seeds, prompt sets, palettes and models."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.docs.project_copy import Copy
from grabient_assets_tests.ledger.house import palette, twins
from grabient_assets_tests.pipeline.place import emulator_ended_after, end_emulator

PANEL = 10


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    made = Copy(tmp_path)
    with emulator_ended_after(made.data):
        yield made


def rows(copy: Copy, query: str) -> list[tuple[Any, ...]]:
    with Warehouse(copy.data / "grabient.duckdb").read() as connection:
        return connection.execute(query).fetchall()


def load(copy: Copy, *seeds: str) -> None:
    (copy.root / "seeds.txt").write_text("".join(f"{seed}\n" for seed in seeds), encoding="utf-8")
    loaded = copy.grabient("load", "seeds.txt")
    assert loaded.code == 0, loaded.err


def run(copy: Copy, *more: str) -> list[tuple[str, str]]:
    """Model and palette of every request that the run had to send."""
    said = "SELECT batch_id, model, subject FROM batch_requests JOIN batches USING (batch_id) ORDER BY ALL"
    before = set(rows(copy, said))
    done = copy.grabient("run", "--until", "consensus", "--analyses", "1", *more)
    assert done.code == 0, done.err
    return [(model, seed) for batch, model, seed in rows(copy, said) if (batch, model, seed) not in before]


def spent(copy: Copy) -> Decimal:
    return rows(copy, "SELECT coalesce(sum(cost_usd), 0) FROM cost_by_request")[0][0]


def green(copy: Copy, asset: str) -> set[str]:
    """The partitions of the asset that have a materialization."""
    script = (
        "import dagster as dg; from grabient_assets.resources.home import dagster_instance; "
        "from grabient_assets.settings import load_settings; "
        f"print(*dagster_instance(load_settings()).get_materialized_partitions(dg.AssetKey('{asset}')), sep='\\n')"
    )
    done = copy.run(".venv/bin/python", "-c", script)
    assert done.code == 0, done.err
    return set(done.out.split())


@pytest.mark.slow
def test_what_says_the_same_is_paid_for_once(copy: Copy) -> None:
    one, twin = (found.canonical for found in twins())
    load(copy, one, twin)

    # The same colours under two seeds: each model is asked once, both palettes have its answer.
    sent = run(copy)
    (asked,) = {seed for _, seed in sent}
    assert len(sent) == len({model for model, _ in sent}) == PANEL
    shared = dict(rows(copy, "SELECT seed, sum(cost_usd) FROM palette_tags GROUP BY ALL"))
    assert shared == {asked: spent(copy), ({one, twin} - {asked}).pop(): 0} and spent(copy) > 0

    # A new prompt set in which tagging.md did not change: nothing is sent, nothing is paid.
    before = spent(copy)
    assert copy.run("cp", "-r", "prompts/v1", "prompts/v3").code == 0
    planned = copy.grabient("plan", "--prompt-version", "v3", "--analyses", "1", "--json").json
    assert (planned["models"][0]["cached"], planned["models"][0]["missing"]) == (2, 0)
    refiner = planned["refinement"]
    assert (refiner["why"], refiner["equal"], refiner["expected"]) == ({"new_palette": 1}, 1, 0)
    refinement = copy.root / "prompts" / "v3" / "refinement.md"
    refinement.write_text(refinement.read_text(encoding="utf-8") + "\nBe brief.\n", encoding="utf-8")
    assert run(copy, "--prompt-version", "v3") == []
    assert spent(copy) == before
    kept = "SELECT purpose, prompt_version FROM prompt_versions ORDER BY ALL"
    assert rows(copy, kept) == [("tagging", "v1"), ("tagging", "v3")], "although no batch carries the second"
    again = rows(copy, "SELECT sum(cost_usd), count(*) FROM palette_tags WHERE prompt_version = 'v3'")
    assert again == [(0, 2 * PANEL)]

    # Another palette and another model: the palette's requests, and the model's for each of the two colourings.
    third = palette(3).canonical
    load(copy, third)
    data = copy.root / "grabient_assets" / "registry" / "data" / "groq.toml"
    text = data.read_text(encoding="utf-8")
    start, end = (text.index("[[models]]", text.index(f'id = "openai/gpt-oss-{size}"')) for size in ("120b", "20b"))
    entry = text[start:end].replace("openai/gpt-oss-20b", "openai/gpt-oss-40b")
    data.write_text(text[:end] + entry + text[end:], encoding="utf-8")
    end_emulator(copy.data)  # the next one serves the models that the registry has then
    new = run(copy)
    assert sorted(new) == sorted(
        [*((model, third) for model, _ in sent), *(("openai/gpt-oss-40b", s) for s in (asked, third))]
    )

    # Whether an answer was paid for or taken over, its partition is green.
    partitions = {f"v1|{one}", f"v1|{twin}", f"v3|{one}", f"v3|{twin}", f"v1|{third}"}
    assert green(copy, "tag_consensus") == partitions
