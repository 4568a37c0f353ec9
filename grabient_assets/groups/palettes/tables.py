"""The tables palettes, rejected_palettes and palette_images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from grabient_assets.ledger.asks import SubjectVersion, chosen, named
from grabient_assets.warehouse.parameters import is_one_of
from grabient_assets.warehouse.rows import columns_of, insert_rows, replacing, with_rows
from grabient_assets.wording import folded

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection

Triple = tuple[int, int, int]
Record = TypeVar("Record", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class PaletteRecord:
    """One row of `palettes`. Eleven colours; rgb 0-255, hsl degrees and percent, lch CIE L, C, h with D65."""

    seed: str
    source_seed: str
    palette_key: str
    name: str | None
    style: str
    steps: int
    angle: float
    coeffs: tuple[tuple[float, ...], ...]
    globals: tuple[float, ...]
    hex: tuple[str, ...]
    rgb: tuple[Triple, ...]
    hsl: tuple[Triple, ...]
    lch: tuple[Triple, ...]
    color_names: tuple[str, ...]
    harmonies: tuple[str, ...]
    temperature: str
    contrast: str
    brightness: str
    saturation: str
    clear_cut: tuple[str, ...]
    created_at: datetime

    def colours(self) -> dict[str, Sequence[object]]:
        """The part of a prompt about the palette."""
        return {"hex": self.hex, "rgb": self.rgb, "hsl": self.hsl, "lch": self.lch, "color_names": self.color_names}


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """An entry of a palette file that is not a palette; `entry` counts those of its line, from 1."""

    source: str
    line: int
    entry: int
    text: str
    reason: str
    rejected_at: datetime


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row of `palette_images`. `svg_sha256` is what was drawn, `sha256` the PNG."""

    seed: str
    object_key: str
    url: str | None
    sha256: str
    width: int
    height: int
    bytes: int
    svg_sha256: str
    store: str
    created_at: datetime


_PALETTE_COLUMNS = ", ".join(PaletteRecord.__dataclass_fields__)
_NEXT_PLACE = "(SELECT coalesce(max(place), 0) FROM palettes) + row_number() OVER ()"
_IMAGE_COLUMNS = ", ".join(ImageRecord.__dataclass_fields__)


def add_palettes(connection: DuckDBPyConnection, records: Sequence[PaletteRecord]) -> set[str]:
    """Insert the palettes that are new and return their seeds.

    A known seed keeps its first row. Only what is clear-cut follows the rules of today: the words themselves do not
    change with the rules for that.
    """
    seeds = [record.seed for record in records]
    query = "SELECT seed FROM palettes WHERE seed IN (SELECT unnest($1::VARCHAR[]))"
    there = {row[0] for row in connection.execute(query, [seeds]).fetchall()}
    new = {record.seed: record for record in reversed(records) if record.seed not in there}
    insert_rows(connection, "palettes", list(reversed(new.values())), place=_NEXT_PLACE)
    if known := [record for record in records if record.seed not in new]:
        with_rows(
            connection,
            "palettes",
            known,
            "UPDATE palettes SET clear_cut = n.clear_cut FROM new_rows n "
            "WHERE palettes.seed = n.seed AND palettes.clear_cut IS DISTINCT FROM n.clear_cut",
        )
    return set(new)


def palettes(connection: DuckDBPyConnection, seeds: Iterable[str] | None = None) -> list[PaletteRecord]:
    """The named palettes in order of arrival, or all. A seed that is not loaded is simply not in the result."""
    query = f"SELECT {_PALETTE_COLUMNS} FROM palettes"
    order = " ORDER BY created_at, place"
    if seeds is None:
        rows = connection.execute(query + order).fetchall()
    else:
        rows = connection.execute(f"{query} WHERE {is_one_of(connection, 'seed', seeds)}{order}").fetchall()
    return [PaletteRecord(*map(_tuples, row[:-1]), created_at=row[-1].astimezone(UTC)) for row in rows]


def _tuples(value: Any) -> Any:
    """The value with tuples for lists: those of a fixed length are tuples in a DuckDB file and lists in PostgreSQL."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def asked_versions(connection: DuckDBPyConnection) -> list[str]:
    """The prompt versions under which a model was asked about some palette."""
    rows = connection.execute(
        "SELECT DISTINCT prompt_version FROM asks WHERE subject IN (SELECT seed FROM palettes) ORDER BY ALL"
    ).fetchall()
    return [row[0] for row in rows]


def palette_seeds(connection: DuckDBPyConnection) -> list[str]:
    """Every loaded seed in order of arrival."""
    return [row[0] for row in connection.execute("SELECT seed FROM palettes ORDER BY created_at, place").fetchall()]


def palette_rows(connection: DuckDBPyConnection, seeds: Sequence[str]) -> list[int]:
    """The places of these palettes, as `DueLines` names them."""
    import pandas

    connection.register("new_seeds", pandas.DataFrame({"seed": pandas.Series(seeds, dtype="object")}))
    rows = connection.execute(
        "SELECT place FROM palettes WHERE seed IN (SELECT seed::VARCHAR FROM new_seeds)"
    ).fetchnumpy()
    connection.unregister("new_seeds")
    return rows["place"].tolist()


def palettes_named(connection: DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    """Seed and name of the palettes of this name, or of those that have it in theirs when none has just it; in order of
    arrival. Capitals do not matter."""
    wanted = folded(name.strip())
    rows = connection.execute(
        "SELECT seed, name FROM palettes WHERE name IS NOT NULL ORDER BY created_at, place"
    ).fetchall()
    named = [(seed, one, folded(one.strip())) for seed, one in rows] if wanted else []
    exactly = [(seed, one) for seed, one, folded_name in named if folded_name == wanted]
    return exactly or [(seed, one) for seed, one, folded_name in named if wanted in folded_name]


def palettes_of_key(connection: DuckDBPyConnection, palette_key: str) -> list[tuple[str, str | None]]:
    """Seed and name of the palettes with this palette_key, in order of arrival."""
    return connection.execute(
        "SELECT seed, name FROM palettes WHERE palette_key = $1 ORDER BY created_at, place", [palette_key]
    ).fetchall()


def any_palette(connection: DuckDBPyConnection) -> bool:
    """Whether a palette is loaded."""
    return bool(connection.execute("SELECT 1 FROM palettes LIMIT 1").fetchall())


def record_rejected(connection: DuckDBPyConnection, source: str, records: Sequence[RejectedRecord]) -> None:
    """Keep the rejected lines of `source`; those of an earlier load of the same file are replaced."""
    connection.execute("DELETE FROM rejected_palettes WHERE source = ?", [source])
    insert_rows(connection, "rejected_palettes", records)


def images(connection: DuckDBPyConnection, seeds: Iterable[str]) -> dict[str, ImageRecord]:
    """The recorded pictures of these seeds."""
    rows = connection.execute(
        f"SELECT {_IMAGE_COLUMNS} FROM palette_images WHERE {is_one_of(connection, 'seed', seeds)}"
    ).fetchall()
    return {row[0]: ImageRecord(*row[:-1], created_at=row[-1].astimezone(UTC)) for row in rows}


def record_images(connection: DuckDBPyConnection, records: Sequence[ImageRecord]) -> None:
    """Insert or replace the rows of these pictures."""
    insert_rows(connection, "palette_images", records, replacing(ImageRecord, ("seed",)))


def records_of(
    connection: DuckDBPyConnection,
    record: type[Record],
    table: str,
    among: Iterable[SubjectVersion],
) -> list[Record]:
    """The rows about these palettes, whose columns are the fields of `record`."""
    parameters = named(among)
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}
        SELECT {columns_of(record)} FROM {table} JOIN chosen USING (seed, prompt_version)
        WHERE {is_one_of(connection, "seed", parameters["subjects"])} ORDER BY prompt_version, seed
        """,
        parameters,
    ).fetchall()
    return [record(*row) for row in rows]


def palettes_without_image(connection: DuckDBPyConnection) -> list[str]:
    """Seeds that have no picture yet, in order of arrival."""
    rows = connection.execute(
        "SELECT seed FROM palettes ANTI JOIN palette_images USING (seed) ORDER BY created_at, seed"
    ).fetchall()
    return [row[0] for row in rows]


_COLOURS = "to_json({hex: hex, rgb: rgb, hsl: hsl, lch: lch, color_names: color_names})::VARCHAR"
COLOUR_BYTES = f"(strlen({_COLOURS}) + strlen({_COLOURS}) - strlen(replace({_COLOURS}, '\"', '')))"
"""SQL: what the colours of a palette take in a request line, JSON inside a JSON string, so every quote is two bytes."""

COLOUR_SIZES = f"SELECT seed AS subject, place, {COLOUR_BYTES} AS bytes FROM palettes"
"""Relation of all palettes: their rows, and what their colours take."""
