"""What to embed: the embed_text of a palette, its refined tags, or both. How well each finds, beside words alone.

The palettes are the bundled ones, refined by the emulator, or those of a data folder with an index. All texts
get vectors of the local embedder. Which palettes are relevant is known without labels (groups/search/relevance.py). An
interval is a bootstrap over the queries: it says nothing about other palettes.

    .venv/bin/python benchmarks/search_quality.py [--data FOLDER]     print the table
    .venv/bin/python benchmarks/search_quality.py --write             and put it and the chart into docs/
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from grabient_assets.groups.indexes.quality import Figures, figures_by_kind, measure
from grabient_assets.groups.indexes.reports import COLUMNS, quality_chart, quality_rows
from grabient_assets.groups.indexes.versions import named_version
from grabient_assets.groups.search.relevance import judged
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER, embed_locally
from grabient_assets.warehouse.connection import Warehouse

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
GRABIENT = str(Path(sys.executable).parent / "grabient")
FORMS = ("embed_text", "embed_text and tags", "tags")
TAGS = """
    SELECT e.vector_id, concat_ws(', ', r.temperature, r.contrast || ' contrast', r.brightness, r.saturation,
        array_to_string(list_concat(r.mood, r.style, r.dominant_colors, r.seasonal, r.associations), ', '))
    FROM index_entries e
    JOIN palette_tag_refined r ON r.seed = e.subject AND r.prompt_version = (e.metadata ->> 'promptVersion')
    WHERE e.index_name = $1 AND e.version = $2
"""


def main() -> None:
    """Refine, measure, print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a data folder with an index, instead of the bundled palettes")
    options.add_argument("--write", action="store_true", help="write docs/search.md and docs/search-quality.svg")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.data is None:
            _refine_samples(folder)
        lines, figures = _measured(Warehouse((chosen.data or Path(folder)) / "grabient.duckdb"))
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        page = DOCS / "search.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        (DOCS / "search-quality.svg").write_text(quality_chart(figures) + "\n", encoding="utf-8")


def _refine_samples(folder: str) -> None:
    settings = {"GRABIENT_DATA_DIR": folder, "GRABIENT_MODE": "emulator", "GRABIENT_EMBEDDER": "local"}
    for command in (["demo", "--json"], ["index", "sync", "--json"]):
        subprocess.run([GRABIENT, *command], env=os.environ | settings, check=True, capture_output=True)


def _measured(warehouse: Warehouse) -> tuple[list[str], dict[str, Mapping[str, Figures]]]:
    with warehouse.read() as connection:
        version = named_version(connection, "palettes", None)
        found = judged(connection, version)
        rows = connection.execute(TAGS, [version.index_name, version.version]).fetchall()
    tags = dict(rows)
    of_palettes = [tags[vector_id] for vector_id in found.vector_ids]
    both = [f"{text} {own}" for text, own in zip(found.texts, of_palettes, strict=True)]
    queries = embed_locally([query.text for query in found.queries])
    figures: dict[str, Mapping[str, Figures]] = {}
    for form, texts in zip(FORMS, (found.texts, both, of_palettes), strict=True):
        scores = queries @ embed_locally(texts).T
        figures[form] = figures_by_kind(measure(replace(found, texts=tuple(texts)), scores), found.computed)
    table = [f"| {' | '.join(row)} |" for row in (COLUMNS, ["---"] * len(COLUMNS), *quality_rows(figures))]
    head = (
        f"{len(found.queries)} queries over {len(found.texts)} palettes of the index `{version.index_name}`, version "
        f"{version.version}; {LOCAL_EMBEDDER}, {queries.shape[1]} dimensions."
    )
    return ["", head, "", *table, ""], figures


if __name__ == "__main__":
    main()
