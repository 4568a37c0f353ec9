"""Names come from the palette file, so anybody may have written them: no model ever reads one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from grabient_assets.groups.palettes.loading import load_palettes, palette_record
from grabient_assets.groups.palettes.palette_file import read_palette_file
from grabient_assets.groups.palettes.pictures import draw_palettes
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.asking import ask_for_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import Spec
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.groups.hostile import NAME
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


class Writing(ScriptedProvider):
    """Its request lines are those of the real client."""

    def request_line(self, spec: Spec, model: Model) -> bytes:
        client = connect(self.name, "a-key", None)
        try:
            return client.request_line(spec, model)
        finally:
            client.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One palette, whose name is an order to the model."""
    house = House(tmp_path)
    file = tmp_path / "palettes.jsonl"
    file.write_text(json.dumps({"seed": palette(1).canonical, "name": NAME}))
    load_palettes(house.warehouse, read_palette_file(file), "file", house.clock())
    assert house.rows("SELECT name FROM palettes") == [(NAME,)]
    return house


def lines(provider: ScriptedProvider) -> bytes:
    return b"\n".join(line for held in provider.held.values() for line in held.file.lines)


def check_nameless(sent: bytes) -> None:
    assert b'"ref' in sent and palette(1).canonical.encode() in sent, "the requests are about this palette"
    for part in (b"OWNED", b"Ignore all", b"{{user}}"):
        assert part not in sent


def test_no_name_reaches_a_request_line(house: House) -> None:
    wanted = [SubjectVersion("v1", palette(1).canonical)]
    record = palette_record(palette(1), palette(1).canonical, house.clock(), NAME)
    draw_palettes([record], house.warehouse, house.store, house.clock())
    house.ask(wanted, providers=PROVIDERS)
    for name in PROVIDERS:
        provider = Writing(name=name, clock=house.clock)
        submit_due(
            TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock), "run"
        )
        check_nameless(lines(provider))
        provider.end_all()
        ids = [row[0] for row in house.rows("SELECT batch_id FROM batches WHERE status = 'submitted'")]
        done = collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        assert len(done.collected) == len(ids) > 0
    complete_palettes(house.warehouse, PROVIDERS, house.clock)
    ask_for_refinement(wanted, "emulator", house.warehouse, house.clock())
    refiner = Writing(name="anthropic", clock=house.clock)
    submit_due(REFINEMENT, Submission(refiner.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert len(refiner.sent) == 1
    check_nameless(lines(refiner))
    archived = b"".join(gzip.decompress(path.read_bytes()) for path in house.folder.rglob("requests.jsonl.gz"))
    check_nameless(archived)
