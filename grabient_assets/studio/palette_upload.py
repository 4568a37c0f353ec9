"""A palette file that somebody gave the studio: what it holds is loaded, as `grabient load` does, and the report kept.

The report and the seeds stand below the data folder, so that the page of a new run can show the one and choose the
others.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from grabient_assets.errors import AmbiguousPaletteError, PaletteFileError, UsageError

if TYPE_CHECKING:
    from grabient_assets.groups.palettes.palette_line import Sixteen
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

MOST_BYTES = 20_000_000
"""A palette takes some 60 to 600 bytes: this is a hundred thousand of them at least in most formats."""
KEPT_REJECTED = 500
UPLOAD_ID = re.compile(r"[0-9a-f]{12}")
_STRANGE = re.compile(r"[^\w.,()+ -]")


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry of the file that is no palette, and why."""

    line: int
    entry: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of a file: palettes that are new, and those that were known; `duplicates` of these stand in the file
    twice. `rejected` holds the first lines that are no palettes, and `rejected_lines` is how many there are."""

    upload_id: str
    name: str
    accepted: int
    known: int
    duplicates: int
    rejected_lines: int
    rejected: tuple[RejectedEntry, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The same in a line."""
        return f"{self.name}: {self.accepted} accepted, {self.known} known already, {self.rejected_lines} rejected."


def load_upload(
    file: BinaryIO, name: str, sixteen: Sixteen | None, warehouse: Warehouse, settings: Settings, now: datetime
) -> Upload:
    """Store the palettes of the file. Raises UsageError when it cannot be read, or leaves open what it means."""
    from grabient_assets.groups.palettes.loading import load_palettes
    from grabient_assets.groups.palettes.palette_file import read_palette_file
    from grabient_assets.partitions import add_partitions
    from grabient_assets.resources.home import dagster_instance

    shown = harmless_name(name)
    with tempfile.TemporaryDirectory(prefix="grabient-upload-") as folder:
        path = Path(folder) / f"palettes{PurePosixPath(shown).suffix.lower()}"
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        try:
            found = read_palette_file(path, sixteen)
        except AmbiguousPaletteError as error:
            reason = str(error).replace(str(path), shown).partition(" Say which")[0]
            raise UsageError(f"{reason} Say below what 16 numbers are, and give the file again.") from None
        except PaletteFileError as error:
            raise UsageError(str(error).replace(str(path), shown).replace("The palette file ", "The file ")) from None
    report = load_palettes(warehouse, found, f"studio: {shown}", now)
    seeds = [row.palette.canonical for row in found.rows]
    add_partitions(dagster_instance(settings), seeds)
    upload = Upload(
        secrets.token_hex(6),
        shown,
        len(report.accepted),
        len(report.known),
        len(found.duplicates),
        len(found.rejected),
        tuple(RejectedEntry(one.line, one.entry, one.text, one.reason) for one in found.rejected[:KEPT_REJECTED]),
        tuple(f"line {row.line}: {row.note}" for row in found.rows if row.note)[:KEPT_REJECTED],
    )
    _keep(settings, upload, seeds)
    return upload


def upload_of(settings: Settings, upload_id: str) -> Upload | None:
    """The report of an earlier file; None when there is none of that id."""
    if not UPLOAD_ID.fullmatch(upload_id):
        return None
    try:
        found: dict[str, Any] = json.loads((_folder(settings) / f"{upload_id}.json").read_text(encoding="utf-8"))
        rejected = tuple(RejectedEntry(**one) for one in found.pop("rejected"))
        return Upload(**{**found, "notes": tuple(found["notes"])}, rejected=rejected)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def seeds_of_upload(settings: Settings, upload_id: str) -> list[str]:
    """Its palettes, the new and the known ones. Raises UsageError when there is no such file any more."""
    if upload_of(settings, upload_id) is None:
        raise UsageError(f"There is no file {upload_id[:20]!r} any more. Give the file again, or choose all palettes.")
    return (_folder(settings) / f"{upload_id}.txt").read_text(encoding="utf-8").split()


def _keep(settings: Settings, upload: Upload, seeds: list[str]) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{upload.upload_id}.txt").write_text("".join(f"{seed}\n" for seed in seeds), encoding="utf-8")
    text = json.dumps(asdict(upload), ensure_ascii=False)
    (folder / f"{upload.upload_id}.json").write_text(text, encoding="utf-8")


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "studio" / "palettes"


def harmless_name(name: str) -> str:
    """The last part of the name, as people may read it."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return _STRANGE.sub("_", last)[-80:].strip() or "palettes"
