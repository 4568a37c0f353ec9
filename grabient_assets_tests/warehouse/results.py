"""Rows as a run leaves them, put straight into the tables: palettes that are refined, tagged or failed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.settings import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def insert(connection: DuckDBPyConnection, table: str, **values: Any) -> None:
    """One row of these columns; the others are null."""
    names = ", ".join(values)
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in values)})", list(values.values())
    )


def palette(connection: DuckDBPyConnection, seed: str, name: str | None = "Harbour", at: datetime = NOON) -> None:
    """A loaded palette with its picture; all have the same colours."""
    triples = [[1, 2, 3]] * 11
    [(place,)] = connection.execute("SELECT coalesce(max(place), 0) + 1 FROM palettes").fetchall()
    insert(
        connection,
        "palettes",
        seed=seed,
        source_seed=f"source-{seed}",
        palette_key=f"key-{seed}",
        name=name,
        style="linearSwatches",
        steps=11,
        angle=90.0,
        globals=[0, 1, 1, 0],
        coeffs=[[0.5] * 3] * 4,
        hex=["#0000ff"] * 11,
        rgb=triples,
        hsl=triples,
        lch=triples,
        color_names=["blue"],
        harmonies=[],
        temperature="cool",
        contrast="low",
        brightness="dark",
        saturation="muted",
        clear_cut=[],
        created_at=at,
        place=place,
    )
    insert(
        connection,
        "palette_images",
        seed=seed,
        object_key=f"palettes/{seed}.png",
        url=f"https://images.example.com/{seed}.png",
        sha256="",
        width=440,
        height=100,
        bytes=300,
        svg_sha256="",
        store="local",
        created_at=at,
    )


def batch(
    connection: DuckDBPyConnection,
    batch_id: str,
    requests: Sequence[tuple[str, str | None, float | None, str | None]],
    purpose: str = "tagging",
    at: datetime = NOON,
    **values: Any,
) -> None:
    """A batch with requests of (seed, fate, dollars, cost basis); `values` are columns of `batches`."""
    cost = sum(usd for _, _, usd, _ in requests if usd)
    row = {
        "batch_id": batch_id,
        "purpose": purpose,
        "provider": "openai",
        "model": "m",
        "prompt_version": "v1",
        "prompt_digest": "d",
        "status": "collected",
        "request_count": len(requests),
        "succeeded": 0,
        "failed": 0,
        "bodies_sha256": "",
        "account": "emulator",
        "intended_at": at,
        "collect_attempts": 0,
        "cost_usd": cost,
    }
    insert(connection, "batches", **{**row, **values})
    for number, (seed, fate, usd, basis) in enumerate(requests):
        insert(
            connection,
            "batch_requests",
            batch_id=batch_id,
            custom_id=f"{batch_id}-{number}",
            subject=seed,
            analysis_index=0,
            fate=fate,
            input_tokens=1000,
            output_tokens=100,
            cost_usd=usd,
            cost_basis=basis,
        )


def answer(
    connection: DuckDBPyConnection, seed: str, model: str = "m", error: str | None = None, **values: Any
) -> None:
    """A stored answer, or with `error` a failure to get one."""
    row = {
        "seed": seed,
        "prompt_version": "v1",
        "provider": "openai",
        "model": model,
        "analysis_index": 0,
        "custom_id": f"{seed}-{model}",
        "fate": "invalid" if error else "succeeded",
        "error": error,
        "mood": None if error else ["calm"],
        "created_at": NOON,
    }
    insert(connection, "palette_tags", **{**row, **values})


def refined(connection: DuckDBPyConnection, seed: str, error: str | None = None, **values: Any) -> None:
    """The refinement of a palette, or with `error` a failure to get one; an earlier row is replaced."""
    words = {
        "temperature": "cool",
        "contrast": "low",
        "brightness": "dark",
        "saturation": "muted",
        "mood": ["calm"],
        "style": ["art deco", "calm"],
        "dominant_colors": ["navy"],
        "seasonal": [],
        "associations": ["boat"],
        "embed_text": "A calm harbour.",
    }
    version = values.get("prompt_version", "v1")
    row = {
        "seed": seed,
        "prompt_version": version,
        "source_prompt_version": version,
        "model": "opus",
        "custom_id": f"{seed}-r",
        "fate": "invalid" if error else "succeeded",
        "error": error,
        "consensus_digest": "c",
        "created_at": NOON,
        **({} if error else words),
    }
    connection.execute("DELETE FROM palette_tag_refined WHERE seed = ? AND prompt_version = ?", [seed, version])
    insert(connection, "palette_tag_refined", **{**row, **values})


def refined_palette(connection: DuckDBPyConnection, seed: str, name: str | None = "Harbour", **values: Any) -> None:
    """A palette that went all the way: one tag answer for 0.1 dollars, and a refinement for 0.4."""
    palette(connection, seed, name)
    batch(connection, f"t-{seed}", [(seed, "succeeded", 0.1, "reported")])
    batch(
        connection,
        f"r-{seed}",
        [(seed, "succeeded", 0.4, "reported")],
        "refinement",
        provider="anthropic",
        model="opus",
    )
    answer(connection, seed)
    refined(connection, seed, **values)


def consensus(connection: DuckDBPyConnection, seed: str, **values: Any) -> None:
    """A consensus; `values` are columns of `tag_consensus`."""
    row = {
        "seed": seed,
        "prompt_version": "v1",
        "models": 1,
        "answers": 1,
        "votes": json.dumps({}),
        "facts": "{}",
        "digest": "c",
        "created_at": NOON,
    }
    insert(connection, "tag_consensus", **{**row, **values})


def asked(connection: DuckDBPyConnection, seed: str, state: str = "closed", model: str = "m", **values: Any) -> None:
    row = {
        "purpose": "tagging",
        "subject": seed,
        "subject_key": f"key-{seed}",
        "prompt_version": "v1",
        "provider": "openai",
        "model": model,
        "request_digest": "d",
        "stem": f"key-{seed}-d",
        "analyses": 2,
        "chained": False,
        "state": state,
        "asked_at": NOON,
    }
    insert(connection, "asks", **{**row, **values})


def asked_of_all(connection: DuckDBPyConnection, seed: str) -> None:
    for provider in PROVIDERS:
        asked(connection, seed, provider=provider)
