"""The export into the object store: when it is due, what it says, and what a crash in the middle leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.errors import StoreError
from grabient_assets.groups.exports.assets import palette_exports, store_export
from grabient_assets.groups.exports.sensors import refinement_settled
from grabient_assets.groups.exports.tables import settled_without_export
from grabient_assets.resources.home import dagster_instance
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets.store.folder import FolderStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.pipeline.place import settings_of
from grabient_assets_tests.warehouse.results import NOON, batch, insert, refined, refined_palette


class Place:
    """A data folder with one refined palette."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.definitions = grabient()
        self.warehouse = Warehouse(folder / "grabient.duckdb")
        self.write(refined_palette, "one")

    def write(self, change: Any, *arguments: Any, **values: Any) -> None:
        with self.warehouse.write() as connection:
            change(connection, *arguments, **values)

    def look(self) -> list[dg.RunRequest] | str:
        """What the sensor asks for, or why nothing."""
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            resources={"warehouse": WarehouseResource()},
        )
        said = refinement_settled(30, dg.DefaultSensorStatus.STOPPED).evaluate_tick(context)
        return list(said.run_requests or ()) or str(said.skip_message)

    def export(self, request: dg.RunRequest) -> dict[str, Any]:
        assert request.partition_key is not None
        self.instance.add_dynamic_partitions("prompt_versions", [request.partition_key])
        done = dg.materialize(
            [palette_exports, dg.AssetSpec("refined_tags"), dg.AssetSpec("embed_text")],
            selection=[palette_exports],
            partition_key=request.partition_key,
            instance=self.instance,
            resources={"warehouse": WarehouseResource(), "objects": ObjectsResource()},
            tags=request.tags,
        )
        (event,) = done.asset_materializations_for_node("palette_exports")
        assert event.partition == request.partition_key
        return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name, value in settings_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    with dagster_instance(load_settings()) as instance:
        yield Place(tmp_path, instance)


def test_each_state_of_the_palettes_is_exported_once(place: Place) -> None:
    (first,) = place.look()
    assert isinstance(first, dg.RunRequest) and first.partition_key == "v1"
    assert place.look() == [first], "the key says what the palettes are, not when somebody looked"
    metadata = place.export(first)
    file = place.folder / "objects" / "exports" / "v1" / "palettes.parquet"
    assert (metadata["dagster/row_count"], metadata["dagster/uri"]) == (1, file.as_uri())
    assert metadata["bytes"] == file.stat().st_size
    assert place.look() == "Every settled version is exported as it is."

    place.write(refined, "one", created_at=NOON + timedelta(days=1))
    (again,) = place.look()
    assert isinstance(again, dg.RunRequest) and again.run_key != first.run_key
    place.export(again)
    place.write(refined, "one", error="unreadable now")
    (withdrawn,) = place.look()
    assert isinstance(withdrawn, dg.RunRequest)
    assert place.export(withdrawn)["dagster/row_count"] == 0
    assert duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall() == []
    assert place.look() == "Every settled version is exported as it is."


def test_nothing_is_exported_while_something_is_open(place: Place) -> None:
    ask = {"purpose": "refinement", "subject": "one", "prompt_version": "v1", "provider": "anthropic", "model": "opus"}
    rest = {"subject_key": "key-one", "request_digest": "d", "analyses": 1, "chained": False}
    rest |= {"state": "open", "asked_at": NOON}
    place.write(insert, "asks", **ask, **rest)
    assert place.look() == "Every settled version is exported as it is."
    place.write(lambda c: c.execute("UPDATE asks SET state = 'closed'"))
    assert len(place.look()) == 1
    place.write(batch, "open", [("one", None, None, None)], status="submitted")
    assert place.look() == "Every settled version is exported as it is."


def test_a_version_that_is_no_partition_becomes_one(place: Place) -> None:
    place.write(refined, "one", prompt_version="v0")
    requests = place.look()
    assert [one.partition_key for one in requests if isinstance(one, dg.RunRequest)] == ["v0", "v1"]


class FullStore(FolderStore):
    """A store that takes nothing."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        raise StoreError("full")


def test_what_the_store_did_not_take_is_due_again(place: Place) -> None:
    with pytest.raises(StoreError):
        store_export(place.warehouse, FullStore(place.folder), "v1", NOON)
    with place.warehouse.read() as connection:
        ((version, content),) = settled_without_export(connection)
    assert version == "v1" and content.startswith("1-")
    export, columns = store_export(place.warehouse, FolderStore(place.folder), "v1", NOON)
    assert (export.row_count, export.content, columns["tags"]) == (1, content, "VARCHAR[]")
    with place.warehouse.read() as connection:
        assert settled_without_export(connection) == []
