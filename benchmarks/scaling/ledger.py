"""A ledger in which many palettes are asked, answered and refined under two prompt versions, and nothing is reported.

A few palettes go through the whole program, with the emulator answering. Their rows are then copied for the others,
each under its own seed and key, so that what Dagster is told is as long as it really is. What follows from the answers
(the consensus, the vectors) is left out: the measured runs make it, as they do after a process was killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

VERSIONS = ("v1", "v2")
PATTERNS = 20
"""Palettes that go through the program."""
RANGES = ((0.3, 0.7), (0.2, 0.5), (0.4, 1.2), (0.0, 1.0))
"""Of a, b, c and d in a + b cos(2 pi (c t + d)): colours that fill much of the cube."""
LINKS = 30_000
"""Names of one picture: ext4 takes 65,000, and the copy that is measured doubles them."""
SEED = 1
"""Of the made palettes: the same number gives the same palettes."""


def make_ledger(data: Path, count: int) -> None:
    """Fill the empty folder `data` with `count` palettes."""
    lines = _palettes(count)
    file = data / "patterns.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"seed": line}) + "\n" for line in lines[:PATTERNS]), encoding="utf-8")
    _command(data, "load", str(file))
    for version in VERSIONS:
        _command(data, "run", GRABIENT_PROMPT_VERSION=version)
    _copy(data, lines)


def _palettes(count: int) -> list[str]:
    chance = random.Random(SEED)
    numbers = ([round(chance.uniform(low, high), 3) for low, high in RANGES for _ in "rgb"] for _ in range(count))
    return [",".join(map(str, row)) for row in numbers]


def _command(data: Path, *arguments: str, **more: str) -> None:
    environment = {**os.environ, **more, "DAGSTER_HOME": str(data / "made-with")}
    command = [sys.executable, "-m", "grabient_assets.cli.main", *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1 if arguments[0] == "run" else 0):  # the emulator breaks off some refinements
        sys.exit(done.stderr)


def _copy(data: Path, lines: Sequence[str]) -> None:
    from grabient_assets.gradient.seed import decode_seed
    from grabient_assets.groups.palettes.loading import ensure_palettes
    from grabient_assets.warehouse.connection import Warehouse

    warehouse, now = Warehouse(data / "grabient.duckdb"), datetime.now(UTC)
    seeds = list(dict.fromkeys(decode_seed(line).canonical for line in lines))
    ensure_palettes(warehouse, seeds, now)
    _draw(warehouse, seeds, data / "objects")
    with warehouse.write() as connection:
        connection.execute(_COPIES, [seeds, len(VERSIONS)])
        for statement in _ROWS:
            connection.execute(statement)


def _draw(warehouse: object, seeds: Sequence[str], objects: Path) -> None:
    """One picture for all: drawing each is not what is measured."""
    import hashlib

    from grabient_assets.gradient.svg import render_svg
    from grabient_assets.groups.palettes.pictures import ANGLE, HEIGHT, STYLE, WIDTH
    from grabient_assets.groups.palettes.tables import ImageRecord, images, palettes, record_images
    from grabient_assets.warehouse.connection import Warehouse

    assert isinstance(warehouse, Warehouse)
    with warehouse.read() as connection:
        known, records = images(connection, seeds), palettes(connection, seeds)
    pattern = next(iter(known.values()))
    first = objects / pattern.object_key
    made: list[ImageRecord] = []
    for record in records:
        if record.seed not in known:
            svg = render_svg(record.hex, STYLE, ANGLE, WIDTH, HEIGHT, record.seed)
            key = f"palettes/{record.seed}.png"
            if len(made) % LINKS == 0:
                shutil.copyfile(first, objects / key)
                first = objects / key
            else:
                (objects / key).hardlink_to(first)
            digest = hashlib.sha256(svg.encode()).hexdigest()
            made.append(
                ImageRecord(**{**_fields(pattern), "seed": record.seed, "object_key": key, "svg_sha256": digest})
            )
    with warehouse.write() as connection:
        record_images(connection, made)


def _fields(record: object) -> dict[str, object]:
    from dataclasses import fields

    return {field.name: getattr(record, field.name) for field in fields(record)}  # pyright: ignore[reportArgumentType]


_COPIES = """
    CREATE TEMP TABLE copies AS
    WITH known AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest(range(len($1::VARCHAR[]))) AS n),
    patterns AS (
        SELECT k.seed, p.palette_key, row_number() OVER (ORDER BY k.n) - 1 AS n
        FROM known k JOIN palettes p USING (seed)
        WHERE (SELECT count(*) FROM palette_tag_refined r WHERE r.seed = k.seed AND r.error IS NULL) = $2
    )
    SELECT p.seed, p.palette_key, o.seed AS old_seed, o.palette_key AS old_key
    FROM known k JOIN palettes p USING (seed) JOIN patterns o ON o.n = k.n % (SELECT count(*) FROM patterns)
    WHERE k.seed NOT IN (SELECT subject FROM asks)
"""
_ROWS = (
    """
    INSERT INTO asks BY NAME
    SELECT a.* REPLACE (c.seed AS subject, c.palette_key AS subject_key,
                        replace(a.stem, c.old_key, c.palette_key) AS stem)
    FROM asks a JOIN copies c ON c.old_seed = a.subject WHERE a.purpose IN ('tagging', 'refinement')
    """,
    """
    INSERT INTO batch_requests BY NAME
    SELECT r.* REPLACE (c.seed AS subject, replace(r.custom_id, c.old_key, c.palette_key) AS custom_id)
    FROM batch_requests r JOIN copies c ON c.old_seed = r.subject
    """,
    """
    INSERT INTO palette_tags BY NAME
    SELECT t.* REPLACE (c.seed AS seed, replace(t.custom_id, c.old_key, c.palette_key) AS custom_id)
    FROM palette_tags t JOIN copies c ON c.old_seed = t.seed
    """,
    """
    INSERT INTO palette_tag_refined BY NAME
    SELECT t.* REPLACE (c.seed AS seed, replace(t.custom_id, c.old_key, c.palette_key) AS custom_id)
    FROM palette_tag_refined t JOIN copies c ON c.old_seed = t.seed
    """,
    """
    UPDATE batches SET reported_at = NULL, request_count = n, cost_usd = usd
    FROM (SELECT batch_id, count(*) AS n, sum(cost_usd) AS usd FROM batch_requests GROUP BY ALL) AS counted
    WHERE counted.batch_id = batches.batch_id
    """,
    "DELETE FROM tag_consensus",
    "DELETE FROM palette_embeddings",
)
