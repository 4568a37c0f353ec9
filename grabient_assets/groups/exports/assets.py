"""Exports: the refined palettes of a prompt version as one Parquet file in the object store."""

import hashlib
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from grabient_assets.groups.exports.files import FileKind, sayable, write_selection
from grabient_assets.groups.exports.tables import (
    EXPORT_COLUMNS,
    ObjectExport,
    Selection,
    content_of,
    described_columns,
    record_object_export,
)
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.partitions import prompt_versions
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

PARQUET = "application/vnd.apache.parquet"


@dg.asset(
    partitions_def=prompt_versions,
    group_name="exports",
    kinds={"parquet"},
    deps=["refined_tags", "embed_text"],
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="What a site needs of the refined palettes, one row a palette, as a Parquet file in the object store. "
    "Costs nothing. `grabient export` writes the same rows in other formats.",
    metadata={"dagster/table_name": "refined_palettes"},
)
def palette_exports(context: dg.AssetExecutionContext, warehouse: WarehouseResource, objects: ObjectsResource):
    database, store = warehouse.open(context), objects.open()
    for version in context.partition_keys:
        export, columns = store_export(database, store, version, datetime.now(UTC))
        context.log.info("%s: %d palettes in %s", version, export.row_count, store.uri(export.object_key))
        context.log_event(
            dg.AssetMaterialization("palette_exports", partition=version, metadata=_metadata(export, store, columns))
        )
    yield from ()


def store_export(
    warehouse: Warehouse, store: ObjectStore, version: str, now: datetime
) -> tuple[ObjectExport, Mapping[str, str]]:
    """Put the file of a version into the store and note it; with the types of its columns. The database is closed while
    the store is written to. Killed in between, it is noted nowhere and made again."""
    selection = Selection(version, tuple(EXPORT_COLUMNS), target="")  # the whole version, whatever was exported before
    key = f"exports/{version}/palettes.parquet"
    with tempfile.TemporaryDirectory(prefix="grabient-export-") as folder:
        path, marks = Path(folder) / "palettes.parquet", Path(folder) / "marks.parquet"
        with sayable(path), warehouse.read() as connection:
            content = content_of(connection, version)
            selected = write_selection(connection, selection, FileKind("parquet"), path, marks)
            columns = described_columns(connection, path)
        data = path.read_bytes()
    store.put(key, data, PARQUET)
    digest = hashlib.sha256(data).hexdigest()
    with warehouse.write() as connection:
        at = ledger_time(connection, now)
        export = ObjectExport(version, key, store.name, content, selected.rows, len(data), digest, at)
        record_object_export(connection, export)
    return export, columns


def _metadata(export: ObjectExport, store: ObjectStore, columns: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    found: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(export.row_count),
        "dagster/uri": dg.MetadataValue.text(store.uri(export.object_key)),
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
        "bytes": dg.MetadataValue.int(export.bytes),
        "sha256": dg.MetadataValue.text(export.sha256),
    }
    if url := store.public_url(export.object_key):
        found["url"] = dg.MetadataValue.url(url)
    return found
