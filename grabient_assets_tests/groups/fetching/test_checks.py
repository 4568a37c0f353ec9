"""The check of sources names every stored text that stands in for another one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from grabient_assets.groups.fetching.checks import source_checks
from grabient_assets.groups.fetching.tables import ChunkRecord, Source, record_source
from grabient_assets.sources.reference import SourceKind
from grabient_assets.thresholds import Finding
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows
from grabient_assets_tests.warehouse.results import NOON

TEXT = "When the price is too high for a customer, ask what it is compared with. " * 5
GONE = "404 Not Found. The page that you are looking for is not here any more."


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A page, a file, and a talk that speaks of a page that was not found."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    keep(warehouse, "url_price", "https://sales.example/price", TEXT, title="Price")
    keep(warehouse, "doc_notes", "/files/notes.md", f"Notes. {TEXT}", "document", title="Notes")
    keep(warehouse, "yt_gone", "https://youtu.be/gone", GONE, "youtube", title="404 Not Found")
    return warehouse


def keep(
    warehouse: Warehouse, source_id: str, locator: str, text: str, kind: SourceKind = "url", *, title: str
) -> None:
    """The source with its text, in chunks of 200 characters."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    got = {"title": title, "object_key": f"sources/{digest}", "content_sha256": digest, "characters": len(text)}
    chunks = [
        ChunkRecord(f"{source_id} {at}", source_id, place, at, at + len(part), None, None, 50, part, digest, "c1:200/0")
        for place, at in enumerate(range(0, len(text), 200))
        if (part := text[at : at + 200])
    ]
    with warehouse.write() as connection:
        record_source(connection, Source(source_id, kind, locator, NOON, fetched_at=NOON, **got))
        insert_rows(connection, "chunks", chunks)


def found(warehouse: Warehouse) -> Finding:
    [check] = source_checks
    assert check.spec.name == "no_error_page_became_text"
    with warehouse.read() as connection:
        return check.find(connection)


def test_pages_files_and_talks_pass(warehouse: Warehouse) -> None:
    assert found(warehouse).found == 0


@pytest.mark.parametrize(
    ("source_id", "kind", "title", "text"),
    [
        ("url_gone", "url", "404 Not Found", TEXT + "The title says it."),
        ("url_gone", "url", "Price | Page not found", TEXT + "A part of the title says it."),
        ("url_gone", "url", "Sales", GONE),
        ("doc_gone", "document", "gone", GONE),
    ],
)
def test_a_page_that_says_that_it_is_an_error_is_named(
    warehouse: Warehouse, source_id: str, kind: SourceKind, title: str, text: str
) -> None:
    keep(warehouse, source_id, "https://sales.example/gone", text, kind, title=title)
    finding = found(warehouse)
    assert (finding.found, finding.examples) == (1, [source_id])


def test_a_long_text_may_begin_with_the_words_of_an_error_page(warehouse: Warehouse) -> None:
    keep(warehouse, "url_story", "https://sales.example/story", f"{GONE} {TEXT * 10}", title="A story of a lost page")
    assert found(warehouse).found == 0


def test_one_text_at_two_addresses_of_a_host_is_named_and_at_two_hosts_it_is_not(warehouse: Warehouse) -> None:
    keep(warehouse, "url_mirror", "https://mirror.example/price", TEXT, title="Price")
    keep(warehouse, "doc_price", "https://sales.example/price.md", TEXT, "document", title="Price")
    assert found(warehouse).found == 0
    keep(warehouse, "url_other", "https://sales.example/other?page=2", TEXT, title="Other")
    finding = found(warehouse)
    assert (finding.found, finding.examples) == (1, ["the same text: url_other url_price"])
    with warehouse.write() as connection:
        connection.execute("UPDATE sources SET object_key = NULL WHERE source_id = 'url_other'")
    assert found(warehouse).found == 0
