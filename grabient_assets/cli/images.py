"""`grabient images`: what is stored, and where a downloaded picture comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_output
from grabient_assets.cli.options import AsJson, open_warehouse

images = typer.Typer(
    help="Stored images: list, show.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@images.command("list", epilog="Example: grabient images list --limit 20")
def list_images(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest N images.")] = 50, as_json: AsJson = False
) -> None:
    """List the stored images, the newest first."""
    from dataclasses import asdict

    from grabient_assets.groups.images.images import listed_images
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    found = []
    if warehouse.exists():
        with warehouse.read() as connection:
            found = listed_images(connection, limit)
    if as_json:
        print_json({"images": [{**asdict(one), "created_at": one.created_at.isoformat()} for one in found]})
        return
    for one in found:
        print_output(f"{one.image_id[:12]}  {one.width}x{one.height}  {one.media_type}  {one.made_by} {one.subject}")


@images.command(epilog="Example: grabient images show downloaded.png")
def show(
    image: Annotated[str, typer.Argument(metavar="IMAGE|FILE", help="A file, an image_id, or a run_id.")],
    as_json: AsJson = False,
) -> None:
    """Show where a picture comes from: its run, model and request, read from the picture itself where it is a file."""
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.images.images import CHUNK_PREFIX, named_image
    from grabient_assets.imaging.picture import read_picture
    from grabient_assets.imaging.text_chunks import text_chunks
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse, path = open_warehouse(settings), Path(image)
    known: dict[str, Any] = {}
    if path.is_file():
        content = path.read_bytes()
    elif warehouse.exists():
        with warehouse.read() as connection:
            stored = named_image(connection, image)
        content = open_store(settings).get(stored.object_key)
        known = {"object_key": stored.object_key, "made_by": stored.made_by, "subject": stored.subject}
    else:
        raise UsageError(f"There is no file {image}, and no image is stored yet.")
    picture = read_picture(content)
    chunks = text_chunks(content) if picture.media_type == "image/png" else {}
    origin = {name.removeprefix(CHUNK_PREFIX): text for name, text in chunks.items() if name.startswith(CHUNK_PREFIX)}
    document = {
        "image_id": picture.image_id,
        "media_type": picture.media_type,
        "bytes": picture.size,
        "width": picture.width,
        "height": picture.height,
        **known,
        **origin,
        "group": origin.get("run", "")[:29] or None,
    }
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if value is not None:
            print_output(f"{name:<14} {value}")
    if "run" in origin:
        print_output(f"Its group: grabient chorus show {origin['run'][:29]}")
