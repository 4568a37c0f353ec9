"""What the code location holds: every asset with its group, dependencies and partitions, and when its sensors run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.groups.fetching.partitions import sources
from grabient_assets.groups.knowledge.partitions import cells
from grabient_assets.partitions import (
    PROMPT_VERSIONS,
    add_partitions,
    chorus_groups,
    chorus_runs,
    edits,
    palette_versions,
    prompt_versions,
    seeds,
)
from grabient_assets.prompting.released import load_released
from grabient_assets.settings import PROJECT_DIR, SHIPPED_PROMPTS
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import settings_of

BATCHES = ("anthropic_tag_batches", "openai_tag_batches", "groq_tag_batches", "google_tag_batches")
TABLE = {
    "palettes": ("palettes", ()),
    "palette_images": ("palettes", ("palettes",)),
    **dict.fromkeys(BATCHES, ("tagging", ("palette_images",))),
    "palette_tags": ("tagging", tuple(sorted(BATCHES))),
    "tag_consensus": ("tagging", ("palette_tags",)),
    "refinement_batches": ("refinement", ("palette_images", "tag_consensus")),
    "refined_tags": ("refinement", ("refinement_batches",)),
    "embed_text": ("refinement", ("refined_tags",)),
    "palette_embeddings": ("search", ("embed_text",)),
    "palette_index": ("search", ("palette_embeddings",)),
    "search_reports": ("search", ("palette_index",)),
    "statement_batches": ("chorus", ()),
    "artist_statements": ("chorus", ("statement_batches",)),
    "artwork_batches": ("chorus", ("artist_statements",)),
    "artworks": ("chorus", ("artwork_batches",)),
    "chorus_comparisons": ("comparisons", ("artworks",)),
    "artist_fingerprints": ("comparisons", ("chorus_comparisons",)),
    "edit_requests": ("edits", ()),
    "edited_images": ("edits", ("edit_requests",)),
    "image_chains": ("edits", ("edited_images",)),
    "knowledge_workflows": ("knowledge", ()),
    "sources": ("knowledge", ("knowledge_workflows",)),
    "source_chunks": ("knowledge", ("sources",)),
    "extraction_batches": ("knowledge", ("sources",)),
    "knowledge_entries": ("knowledge", ("extraction_batches",)),
    "entry_embeddings": ("knowledge", ("knowledge_entries",)),
    "knowledge_index": ("knowledge", ("entry_embeddings",)),
    "knowledge_reports": ("knowledge", ("knowledge_index",)),
    "model_reports": ("calibration", ("tag_consensus",)),
    "palette_exports": ("exports", ("embed_text", "refined_tags")),
}
SPACES = {
    "palettes": seeds,
    "palette_images": seeds,
    "palette_index": None,
    "search_reports": prompt_versions,
    **dict.fromkeys(("statement_batches", "artist_statements", "artwork_batches", "artworks"), chorus_runs),
    "chorus_comparisons": chorus_groups,
    **dict.fromkeys(("edit_requests", "edited_images"), edits),
    **dict.fromkeys(
        ("artist_fingerprints", "image_chains", "knowledge_workflows", "knowledge_index", "knowledge_reports")
    ),
    **dict.fromkeys(("sources", "source_chunks", "entry_embeddings"), sources),
    **dict.fromkeys(("extraction_batches", "knowledge_entries"), cells),
    "model_reports": prompt_versions,
    "palette_exports": prompt_versions,
}
JOBS = {
    "load_palettes": {"palettes", "palette_images"},
    "submit_tagging": set(BATCHES),
    "submit_refinement": {"refinement_batches"},
    "mark_failed": {"palette_tags", "tag_consensus", "refined_tags", "embed_text"},
    "embed_texts": {"palette_embeddings"},
    "sync_indexes": {"palette_index"},
    "measure_search": {"search_reports"},
    "submit_statements": {"statement_batches"},
    "submit_artworks": {"artwork_batches"},
    "report_chorus": {"artist_statements", "artworks"},
    "compare_artists": {"chorus_comparisons", "artist_fingerprints"},
    "submit_edits": {"edit_requests", "edited_images"},
    "report_edits": {"edited_images"},
    "report_chains": {"image_chains"},
    "new_workflow": {"knowledge_workflows"},
    "fetch_sources": {"sources", "source_chunks"},
    "submit_extraction": {"extraction_batches"},
    "report_knowledge": {"knowledge_entries"},
    "embed_entries": {"entry_embeddings"},
    "index_knowledge": {"knowledge_index", "knowledge_reports"},
    "report_models": {"model_reports"},
    "export_palettes": {"palette_exports"},
}
OP_JOBS = {
    "collect_batch": "collect_batches",
    "cancel_batch": "stop_and_collect",
    "ask_chorus": "record_chorus",
    "cancel_edit": "cancel_one_edit",
    "redrive_sources": "redrive_dead_letters",
    "delete_workflow": "delete_one_workflow",
}
"""By job, its op: none of them has a partition."""
SENSORS = {
    "palettes_loaded": "load_palettes",
    "tagging_due": "submit_tagging",
    "tagging_completed": "collect_batch, mark_failed",
    "batches_ended": "collect_batch",
    "refinement_due": "submit_refinement",
    "refinement_failed": "collect_batch, mark_failed",
    "texts_waiting": "embed_texts",
    "vectors_changed": "sync_indexes, measure_search",
    "chorus_due": "submit_statements, submit_artworks",
    "chorus_settled": "report_chorus, compare_artists",
    "edits_due": "submit_edits, report_edits, cancel_batch",
    "chains_grown": "report_chains",
    "sources_due": "fetch_sources",
    "extraction_due": "submit_extraction, report_knowledge",
    "entries_changed": "embed_entries, index_knowledge",
    "consensus_settled": "report_models",
    "refinement_settled": "export_palettes",
    "something_to_tell": "",
}


def definitions() -> dg.Definitions:
    found = grabient()
    assert isinstance(found, dg.Definitions)
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings_of(tmp_path / "data").items():
            environment.setenv(name, value)
        yield environment


@pytest.mark.usefixtures("environment")
def test_every_asset_has_its_group_its_dependencies_and_a_description():
    graph = definitions().resolve_asset_graph()
    found = {
        key.to_user_string(): (
            graph.get(key).group_name,
            tuple(sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)),
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == TABLE
    assert all(len(graph.get(key).description or "") > 40 for key in graph.get_all_asset_keys())


@pytest.mark.usefixtures("environment")
def test_palettes_are_partitioned_by_seed_their_answers_by_prompt_version_and_seed_knowledge_by_source_and_cell():
    graph = definitions().resolve_asset_graph()
    for name in TABLE:
        expected = SPACES.get(name, palette_versions)
        assert graph.get(dg.AssetKey(name)).partitions_def == expected
        policy = None if expected is None else dg.BackfillPolicy.single_run()
        assert graph.get(dg.AssetKey(name)).backfill_policy == policy


@pytest.mark.usefixtures("environment")
def test_a_partition_key_is_prompt_version_and_seed_and_what_nobody_asks_is_none(monkeypatch: pytest.MonkeyPatch):
    """Neither a draft nor another released version makes anything look missing before it is asked."""
    with dg.DagsterInstance.ephemeral() as instance:
        add_partitions(instance, ["b", "a"])
        in_use = list(palette_versions.get_partition_keys(dynamic_partitions_store=instance))
        add_partitions(instance, ["a", "c"], asked=["draft"])
        asked = list(palette_versions.get_partition_keys(dynamic_partitions_store=instance))
    assert {"v1", "v2"} <= set(load_released(SHIPPED_PROMPTS))
    assert in_use == [f"v1|{seed}" for seed in ("b", "a")]
    assert asked == [f"{version}|{seed}" for version in ("v1", "draft") for seed in ("b", "a", "c")]
    for version, expected in (("v2", ["v2"]), ("draft", [])):
        monkeypatch.setenv("GRABIENT_PROMPT_VERSION", version)
        with dg.DagsterInstance.ephemeral() as instance:
            add_partitions(instance, ["a"])
            assert instance.get_dynamic_partitions(PROMPT_VERSIONS) == expected


@pytest.mark.usefixtures("environment")
def test_every_job_holds_its_assets():
    found = definitions()
    jobs = {
        name: {key.to_user_string() for key in found.resolve_job_def(name).asset_layer.executable_asset_keys}
        for name in JOBS
    }
    assert jobs == JOBS


@pytest.mark.usefixtures("environment")
def test_a_job_without_partitions_can_be_started_by_anybody():
    found = definitions()
    every = {job.name for job in found.get_repository_def().get_all_jobs() if not job.name.startswith("__")}
    assert every == {*JOBS, *OP_JOBS}
    for name, op in OP_JOBS.items():
        job = found.resolve_job_def(name)
        assert job.partitions_def is None and [node.name for node in job.graph.nodes] == [op]


@pytest.mark.parametrize(("mode", "status", "seconds"), [("emulator", "RUNNING", 5), ("live", "STOPPED", 60)])
def test_sensors_run_by_themselves_only_where_it_costs_nothing(
    mode: str, status: str, seconds: int, environment: pytest.MonkeyPatch
):
    environment.setenv("GRABIENT_MODE", mode)
    found = definitions().get_repository_def().sensor_defs
    assert {one.name: ", ".join(target.job_name for target in one.targets) for one in found} == SENSORS
    assert {sensor.default_status.value for sensor in found} == {status}
    intervals = {sensor.name: sensor.minimum_interval_seconds for sensor in found}
    assert intervals.pop("edits_due") == 5, "a person waits for an edit"
    assert set(intervals.values()) == {seconds}


@pytest.mark.parametrize("mode", ["emulator", "live"])
def test_everything_loads_without_a_key_and_nothing_is_written(
    mode: str, tmp_path: Path, environment: pytest.MonkeyPatch
):
    environment.setenv("GRABIENT_MODE", mode)
    found = definitions()
    dg.Definitions.validate_loadable(found)
    assert list(tmp_path.iterdir()) == []


def test_importing_every_module_reads_no_key_and_makes_no_connection():
    """A process with nothing but PATH imports all modules, with an environment that notes who looks at what."""
    program = """
import importlib, os, pkgutil, socket
asked = set()
class Watched(type(os.environ)):
    def __getitem__(self, key): asked.add(key); return super().__getitem__(key)
    def __contains__(self, key): asked.add(key); return super().__contains__(key)
    def get(self, key, default=None): asked.add(key); return super().get(key, default)
os.environ.__class__ = Watched
def refuse(*args): raise RuntimeError("a connection at import")
socket.socket.connect = refuse
import grabient_assets
found = pkgutil.walk_packages(grabient_assets.__path__, "grabient_assets.")
names = [m.name for m in found if "__main__" not in m.name]
for name in names: importlib.import_module(name)
print(len(names), *sorted(name for name in asked if "GRABIENT" in name or "API_KEY" in name or name.startswith("R2_")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIR,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    count, *keys = done.stdout.split()
    assert int(count) > 100
    assert keys == []
