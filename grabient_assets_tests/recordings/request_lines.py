"""The request lines of a run as they lie in the archive."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from grabient_assets.groups.palettes.tables import images
from grabient_assets.ledger.archive import archived_requests
from grabient_assets.ledger.batches import batches_of
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.recordings.tables import digest

SHORT = 8
"""Digits of a line's own digest: enough to tell which line differs when the digest of all of them does."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one purpose, provider and model, in the order of their custom_ids."""

    custom_ids: tuple[str, ...]
    texts: tuple[str, ...]

    def document(self) -> dict[str, object]:
        return {
            "count": len(self.texts),
            "sha256": digest("\n".join(self.texts)),
            "each": "".join(digest(text)[:SHORT] for text in self.texts),
        }

    def first_other(self, recorded: str) -> str:
        """The custom_id of the first line whose digest does not stand at its place in `recorded`, which is `each` of a
        document."""
        for place, (custom_id, text) in enumerate(zip(self.custom_ids, self.texts, strict=True)):
            if recorded[place * SHORT : (place + 1) * SHORT] != digest(text)[:SHORT]:
                return custom_id
        return "one that is recorded after all of them"


def read_lines(house: House) -> dict[str, Lines]:
    """Every archived request line by "purpose provider model". A request that was sent twice has two lines."""
    ids = [row[0] for row in house.rows("SELECT batch_id FROM batches ORDER BY batch_id")]
    seeds = [row[0] for row in house.rows("SELECT seed FROM palettes")]
    with house.warehouse.read() as connection:
        batches = batches_of(connection, ids)
        pictures = {
            base64.b64encode(house.store.get(image.object_key)): f"<PNG of SVG {image.svg_sha256}>".encode()
            for image in images(connection, seeds).values()
        }
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for batch in sorted(batches, key=lambda one: one.intended_at):
        for line in archived_requests(house.store, batch):
            value = json.loads(line)
            custom_id = value.get("custom_id") or value["key"]
            found[f"{batch.purpose} {batch.provider} {batch.model}"].append(
                (custom_id, _without_png(line, pictures).decode())
            )
    return {name: _lines(found[name]) for name in sorted(found)}


def _lines(said: list[tuple[str, str]]) -> Lines:
    said = sorted(said, key=lambda one: one[0])
    return Lines(tuple(one[0] for one in said), tuple(one[1] for one in said))


def _without_png(line: bytes, pictures: Mapping[bytes, bytes]) -> bytes:
    """The line with the digest of the SVG in the place of the PNG, whose compression differs between versions of the
    cairo library."""
    for png, svg in pictures.items():
        if png in line:
            return line.replace(png, svg)
    return line
