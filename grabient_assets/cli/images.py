"""`grabient images`: what is stored, where a downloaded picture comes from, adding and removing pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.images.removing import Doomed

images = typer.Typer(
    help="Stored images: list, show, add, remove.",
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


@images.command(epilog="Example: grabient images add photo.png")
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PNG, JPEG or WebP files.")],
    as_json: AsJson = False,
) -> None:
    """Store pictures of your own, to be edited or shown as references. The same bytes are stored once."""
    from datetime import UTC, datetime

    from grabient_assets.errors import GrabientError
    from grabient_assets.groups.images.images import StoredImage, added_image, images_by_id, record_images
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings

    settings = load_settings()
    store, now = open_store(settings), datetime.now(UTC)
    taken: list[tuple[Path, StoredImage]] = []
    refused: list[dict[str, str]] = []
    code = 0
    for path in files:
        try:
            taken.append((path, added_image(read_image_file(path), path.name, store, now)))
        except GrabientError as error:
            sentence = str(error) if path.name in str(error) else f"{path}: {error}"
            refused.append({"file": str(path), "error": sentence})
            print_note(sentence)
            code = max(code, error.exit_code)
    known: dict[str, StoredImage] = {}
    if taken:
        with open_warehouse(settings).write() as connection:
            known = images_by_id(connection, [image.image_id for _, image in taken])
            record_images(connection, [image for _, image in taken])
    rows: list[dict[str, Any]] = []
    for path, image in taken:
        existing = known.get(image.image_id)
        known.setdefault(image.image_id, image)
        row = {"file": str(path), "image_id": image.image_id, "existing": existing is not None}
        rows.append({**row, "media_type": image.media_type, "width": image.width, "height": image.height})
        if not as_json:
            there = f", stored already as {existing.made_by} {existing.subject}" if existing else ""
            print_output(f"{image.image_id}  {image.width}x{image.height}  {path.name}{there}")
    if as_json:
        print_json({"images": rows, "refused": refused})
    if code:
        raise typer.Exit(code)


@images.command(epilog="Example: grabient images remove 3f2a --cascade")
def remove(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image_id, run_id, edit_id, or a beginning of one.")],
    cascade: Annotated[bool, typer.Option("--cascade", help="Remove also everything that was made from it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --cascade: remove without asking first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the bytes of an image. Its row stays, as do images that were made from it; it cannot be edited again."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from grabient_assets.errors import UsageError
    from grabient_assets.groups.images.removing import doomed_images
    from grabient_assets.groups.images.removing import remove as remove_all
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError("No image is stored yet. Add one: grabient images add FILE")
    with warehouse.read() as connection:
        doomed = doomed_images(connection, image, cascade=cascade)
    if cascade and not yes:
        _agree_to_remove(doomed)
    remove_all(warehouse, open_store(settings), doomed, datetime.now(UTC))
    if as_json:
        print_json({"removed": [asdict(one) for one in doomed]})
        return
    for one in doomed:
        print_output(f"{_named(one)} is removed.")


def _named(one: Doomed) -> str:
    return f"{one.image_id[:12]}  {one.label or '-'}  {one.subject}"


def _agree_to_remove(doomed: list[Doomed]) -> None:
    """Show what goes, and ask a person. Raises UsageError where nobody can be asked; exits with 1 when they decline."""
    from grabient_assets.cli.stopping import asking
    from grabient_assets.errors import UsageError

    print_note(f"{counted(len(doomed), 'image')} would be removed:")
    for one in doomed:
        print_note(f"  {_named(one)}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Nothing was removed: what is removed does not come back, so this needs --yes.")
    with asking():
        typer.echo("Remove them? [y/N] ", err=True, nl=False)
        answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D ends no line
        typer.echo(err=True)
    if answer.strip().lower() not in ("y", "yes"):
        print_note("Nothing was removed.")
        raise typer.Exit(1)


def read_image_file(path: Path) -> bytes:
    """The bytes of a picture file. Raises UsageError when there is none, ImageError when it is too large to be taken;
    then it is not read."""
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.images.images import check_file_size

    if not path.is_file():
        raise UsageError(f"There is no file {path}." if not path.exists() else f"{path} is not a file.")
    try:
        check_file_size(path.stat().st_size, path.name)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error


@images.command(epilog="Example: grabient images show downloaded.png")
def show(
    image: Annotated[str, typer.Argument(metavar="IMAGE|FILE", help="A file, an image_id, a run_id or an edit_id.")],
    as_json: AsJson = False,
) -> None:
    """Show where a picture comes from: its run or edit, model and request, read from the picture where it is a file."""
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
    if "edit" in origin:
        print_output(f"Its edit: grabient edits show {origin['edit']}")
        print_output(f"Its chain: grabient edits list {origin['edit']}")
