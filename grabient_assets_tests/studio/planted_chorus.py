"""A chorus with every kind of run, written into a data folder without any provider."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

from PIL import Image

from grabient_assets.groups.chorus.tables import (
    ARTWORKS,
    STATEMENTS,
    Artist,
    ArtworkRecord,
    ChorusGroup,
    StatementRecord,
    record_group,
)
from grabient_assets.groups.images.images import put_images, record_images, stored
from grabient_assets.imaging.picture import read_picture
from grabient_assets.store.folder import FolderStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
GROUP = "rg_" + "0" * 26
ARTISTS = tuple(
    Artist(*one) for one in (("openai", "gpt-6-luna"), ("anthropic", "claude-haiku-5-5"), ("groq", "oss/x"))
)
SCRIPT = "<script>alert('seen')</script> I paint the sea."


def png(colour: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "PNG")
    return file.getvalue()


def group(**changes: object) -> ChorusGroup:
    values: dict[str, object] = {
        "group_id": GROUP,
        "prompt_version": "chorus/v1",
        "prompt_digest": "d" * 64,
        "brush_provider": "openai",
        "brush": "gpt-image-2.5-flare",
        "size": "1024x1024",
        "quality": "medium",
        "iterations": 2,
        "artists": ARTISTS,
        "delivery": "batch",
        "made_at": NOW,
    }
    return ChorusGroup(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def plant_chorus(data: Path) -> None:
    """Two artists are done twice; of the third, one statement failed and one artwork was refused."""
    made = group()
    store = FolderStore(data / "objects")
    statements: list[StatementRecord] = []
    artworks: list[ArtworkRecord] = []
    with Warehouse(data / "grabient.duckdb").write() as connection:
        record_group(connection, made)
        for place, artist in enumerate(ARTISTS):
            for number in range(2):
                run_id, failed = made.run_id(artist, number), place == 2 and number == 0
                of = {"custom_id": f"{'a' * 24}-{place}-{number:02d}", "created_at": NOW, "cost_usd": Decimal("0.001")}
                asked = {"group_id": GROUP, "prompt_version": "chorus/v1", "provider": artist.provider}
                statements.append(
                    StatementRecord(
                        run_id=run_id,
                        **asked,
                        model=artist.model,
                        iteration=number,
                        fate="invalid" if failed else "succeeded",
                        error="The artist wrote a statement but no image prompt, so nothing was painted."
                        if failed
                        else None,
                        statement=SCRIPT,
                        image_prompt=None if failed else "The sea.",
                        **of,
                    )
                )
                if failed:
                    continue
                brush = {"group_id": GROUP, "recipe": made.recipe, "provider": "openai", "model": made.brush}
                if place == 2:
                    artworks.append(
                        ArtworkRecord(
                            run_id=run_id, **brush, fate="refused", error="Not this.", refused_at="input", **of
                        )
                    )
                    continue
                content = png(f"#{place}{number}8040")
                image = stored(read_picture(content), "artwork", run_id, NOW)
                put_images(store, {image: content})
                record_images(connection, [image])
                artworks.append(ArtworkRecord(run_id=run_id, **brush, fate="succeeded", image_id=image.image_id, **of))
        insert_rows(connection, STATEMENTS.name, statements)
        insert_rows(connection, ARTWORKS.name, artworks)
