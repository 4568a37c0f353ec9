"""Keeping the index of palettes in one process: what the commands `grabient index` do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.search.embedding import chosen_embedder, embed_palettes
from grabient_assets.groups.search.indexes import (
    Build,
    Differences,
    IndexVersion,
    differences,
    index_versions,
    named_version,
    version_to_sync,
)
from grabient_assets.groups.search.palette_index import PALETTES
from grabient_assets.groups.search.quality import report_on
from grabient_assets.groups.search.sync import Synced, sync_index
from grabient_assets.headless.palette_search import Clock, query_embedder
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, vectorize_access
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.vectors.vectorize import VectorizeIndex


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round of keeping the index did. `failed` are the texts that could not be embedded, as sentences."""

    embedded: int
    failed: tuple[str, ...]
    synced: Synced | None


def keep_index(settings: Settings, warehouse: Warehouse, clock: Clock) -> Kept:
    """Give refined palettes their vectors, and bring the index to what it should hold.

    A provider's vectors are asked for, and are there when its batches were collected; Cloudflare shows what was written
    a while later. Then another round goes on.
    """
    chosen = chosen_embedder()
    build = _build(chosen, settings)
    with warehouse.read() as connection:
        kept = version_to_sync(connection, PALETTES.name, build)
    # After a rollback the version that is kept may be of another embedder than the chosen one: it goes on with its own.
    model = chosen if kept is None else next(m for m in load_registry().models if m.id == kept.embedder)
    rows = embed_palettes(warehouse, model, answers_from(settings), clock)
    failed = tuple(f"{one.prompt_version}|{one.seed}: {one.error}" for one in rows if one.error)

    def why_held(house: Warehouse, version: IndexVersion) -> str | None:
        report = report_on(house, version, query_embedder(settings, house, clock), clock())
        return report.why_worse if report and _is_replaced(house) else None

    synced = sync_index(warehouse, PALETTES, build, clock, why_held, partial(_open_remote, settings))
    return Kept(len(rows) - len(failed), failed, synced)


def index_differences(warehouse: Warehouse) -> tuple[IndexVersion, Differences]:
    """The live version, and how it differs from what it should hold. Raises UsageError when there is none."""
    with warehouse.read() as connection:
        version = named_version(connection, PALETTES.name, None)
        return version, differences(connection, PALETTES, version)


def _is_replaced(warehouse: Warehouse) -> bool:
    """Whether another version is live: the first one goes live however well it finds, for there is no better one."""
    with warehouse.read() as connection:
        return any(one.state == "live" for one in index_versions(connection, PALETTES.name))


def _build(model: Model, settings: Settings) -> Build:
    assert model.vectors is not None
    return Build(model.id, model.vectors.default, settings.vectorize.index if settings.vectorize else None)


def _open_remote(settings: Settings, name: str) -> VectorizeIndex:
    from grabient_assets.vectors.vectorize import VectorizeIndex

    access = vectorize_access(settings)
    assert access is not None
    return VectorizeIndex(access.account, access.token, name, access.base_url)
