"""Refined palettes find their way into the index by sensors alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from grabient_assets.groups.search import assets, jobs, sensors
from grabient_assets.headless.driver import Driver, FinishedRun, quiet_dagster
from grabient_assets.resources.home import dagster_instance
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf
from grabient_assets_tests.pipeline.place import samples, settings_of

SEEDS = [row.palette.canonical for row in samples(len(TEXTS)).rows]
NAMED = dict(zip(TEXTS, SEEDS, strict=True))


def definitions() -> dg.Definitions:
    """The search group alone."""
    stopped = dg.DefaultSensorStatus.STOPPED
    return dg.Definitions(
        assets=[assets.palette_embeddings, assets.palette_index, assets.search_reports],
        jobs=[jobs.embed_texts, jobs.sync_indexes, jobs.measure_search],
        sensors=[sensors.texts_waiting(5, stopped), sensors.vectors_changed(5, stopped)],
        resources={
            "warehouse": WarehouseResource(),
            "objects": ObjectsResource(),
            "providers": ProvidersResource(),
        },
        executor=dg.in_process_executor,
    )


class Unattended:
    """A folder with four refined palettes, and the sensors over it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.shelf = Shelf(folder, {NAMED[name]: text for name, text in TEXTS.items()})
        self.instance = instance
        self.driver = Driver(definitions(), instance)

    def tick(self) -> list[str]:
        """The jobs that the sensors asked for; every run succeeded."""
        with quiet_dagster():
            finished: list[FinishedRun] = list(self.driver.tick())
        assert all(run.success for run in finished), finished
        return [run.job for run in finished]

    def ticks(self, most: int = 12) -> list[str]:
        """The jobs until a tick asks for none."""
        found: list[str] = []
        for _ in range(most):
            asked = self.tick()
            if not asked:
                return found
            found += asked
        raise AssertionError(f"it never came to rest: {found}")

    def green(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def said(self, asset: str) -> Mapping[str, Any]:
        found = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        event = found[0].asset_materialization
        assert event is not None
        return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in settings_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def place(tmp_path: Path, settings: pytest.MonkeyPatch) -> Iterator[Unattended]:
    with dagster_instance(load_settings()) as instance:
        yield Unattended(tmp_path, instance)


def test_refined_palettes_are_embedded_indexed_and_measured_once(place: Unattended) -> None:
    assert place.ticks() == ["embed_texts", "sync_indexes", "measure_search"]
    assert place.green("palette_embeddings") == {f"v1|{seed}" for seed in SEEDS}
    assert place.shelf.versions() == [(1, "live")]
    assert place.shelf.find("fog in the woods").hits[0].seed == NAMED["mist"]
    said = place.said("palette_index")
    assert (said["dagster/row_count"], said["added"], said["state"]) == (4, 4, "version 1 is live")
    assert place.tick() == []
    assert place.driver.waiting == {
        "texts_waiting": "Every refined text has its vector.",
        "vectors_changed": "Nothing has changed since the index held what it should.",
    }


def test_a_text_that_changes_is_embedded_and_replaced_and_nothing_else(place: Unattended) -> None:
    place.ticks()
    before = dict(place.shelf.rows("SELECT subject, custom_id FROM embeddings"))
    place.shelf.text(NAMED["sea"], "A volcano at night, red and black.")
    assert place.ticks() == ["embed_texts", "sync_indexes", "measure_search"]
    said = place.said("palette_index")
    assert (said["added"], said["replaced"], said["removed"]) == (0, 1, 0)
    after = dict(place.shelf.rows("SELECT subject, custom_id FROM embeddings"))
    assert len(after) == 5 and before.items() <= after.items()
    assert place.shelf.find("volcano").hits[0].seed == NAMED["sea"]


def test_a_person_embeds_one_palette(place: Unattended) -> None:
    seed = NAMED["fire"]
    place.instance.add_dynamic_partitions("seeds", SEEDS)
    with quiet_dagster():
        done = (
            definitions()
            .resolve_job_def("embed_texts")
            .execute_in_process(instance=place.instance, partition_key=f"v1|{seed}")
        )
    assert done.success and place.shelf.rows("SELECT seed FROM palette_embeddings") == [(seed,)]


def test_a_planted_orphan_is_healed_after_the_next_change(place: Unattended) -> None:
    place.ticks()
    with place.shelf.write() as connection:
        connection.execute(
            "INSERT INTO index_entries BY NAME SELECT * REPLACE ('stray' AS vector_id) FROM index_entries LIMIT 1"
        )
    assert place.tick() == [], "nothing that the sensor looks at has changed; `grabient index verify` finds it"
    place.shelf.text(NAMED["sea"], "A volcano at night, red and black.")
    place.ticks()
    assert place.said("palette_index")["removed"] == 1


def test_vectors_of_a_provider_kept_at_cloudflare(place: Unattended, settings: pytest.MonkeyPatch) -> None:
    """The embedder has a batch API, so the vectors come by a collection; Cloudflare shows them some rounds later."""
    from grabient_assets.definitions import grabient

    for name, value in {
        "GRABIENT_EMBEDDER": "text-embedding-3-small",
        "VECTORIZE_INDEX": "palettes",
        "CLOUDFLARE_ACCOUNT_ID": "an-account",
        "CLOUDFLARE_API_TOKEN": "a-token",
    }.items():
        settings.setenv(name, value)
    place.driver = Driver(grabient(), place.instance, asked_only=True)
    ran: list[str] = []
    for _ in range(15):
        asked = place.tick()
        ran += asked
        if ran[-1:] == ["measure_search"] and not asked:
            break
    assert ran == [
        "export_palettes",
        *("embed_texts", "collect_batch", "embed_texts", "sync_indexes"),
        "collect_batch",  # the sample queries were direct calls, and are reported as collected
        "measure_search",
    ]
    deliveries = "SELECT task, delivery, count(*) FROM embeddings JOIN batches USING (batch_id) GROUP BY ALL ORDER BY 1"
    assert place.shelf.rows(deliveries) == [
        ("document", "batch", 4),
        ("query", "direct", 10),
    ]
    assert place.shelf.rows("SELECT backend, dimensions, wanted, present, state FROM index_versions") == [
        ("vectorize", 1536, 4, 4, "live")
    ]
    assert place.green("palette_embeddings") == {f"v1|{seed}" for seed in SEEDS}
