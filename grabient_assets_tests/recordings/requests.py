"""The request lines of a run as they lie in the archive, as digests."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from grabient_assets.batching.archive import archived_requests
from grabient_assets.warehouse.batches import batches_of
from grabient_assets.warehouse.palettes import images
from grabient_assets_tests.batching.house import House
from grabient_assets_tests.recordings.tables import digest

SHORT = 8
"""Digits of a line's own digest: enough to tell which line differs when the digest of all of them does."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one purpose, provider and model, in the order of their custom_ids."""

    custom_ids: tuple[str, ...]
    digests: tuple[str, ...]

    def document(self) -> dict[str, object]:
        return {
            "count": len(self.digests),
            "sha256": digest("".join(self.digests)),
            "each": "".join(one[:SHORT] for one in self.digests),
        }


def read_requests(house: House) -> dict[str, Lines]:
    """Every archived request line by "purpose provider model"."""
    ids = [row[0] for row in house.rows("SELECT batch_id FROM batches ORDER BY intended_at")]
    with house.warehouse.read() as connection:
        batches = batches_of(connection, ids)
        pictures = {
            base64.b64encode(house.store.get(image.object_key)): image.svg_sha256.encode()
            for image in images(connection, [row[0] for row in house.rows("SELECT seed FROM palettes")]).values()
        }
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for batch in batches:
        for line in archived_requests(house.store, batch):
            value = json.loads(line)
            text = _without_png(line, pictures).decode()
            said = (value.get("custom_id") or value["key"], batch.intended_at.isoformat(), digest(text))
            found[f"{batch.purpose} {batch.provider} {batch.model}"].append(said)
    return {
        name: Lines(tuple(one[0] for one in sorted(lines)), tuple(one[2] for one in sorted(lines)))
        for name, lines in sorted(found.items())
    }


def _without_png(line: bytes, pictures: Mapping[bytes, bytes]) -> bytes:
    """The line with the digest of the SVG in the place of the PNG: how a picture is compressed differs between versions
    of the cairo library."""
    for png, svg in pictures.items():
        if png in line:
            return line.replace(png, svg)
    return line
