"""Entries get vectors, and the index `knowledge` holds those of the workflows that there are: no more and no fewer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grabient_assets.groups.indexes.keeping import index_finding
from grabient_assets.groups.indexes.versions import Build
from grabient_assets.groups.retrieval.entry_index import (
    KNOWLEDGE,
    MOST_CONTENT_BYTES,
    index_is_due,
    knowledge_differences,
    knowledge_state,
)
from grabient_assets.settings import load_settings
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.retrieval.planted import Planted, RemotePlanted
from grabient_assets_tests.pipeline.place import settings_of

PRICE = "Ask what the price is compared to."
COFFEE = "Break the fee down to a cup of coffee."


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    planted = Planted(tmp_path)
    planted.workflow("wf_a", "yt_one", "doc_two")
    return planted


@pytest.fixture
def remote(tmp_path: Path, emulator: Running) -> RemotePlanted:
    return RemotePlanted(tmp_path, emulator)


def entries(planted: Planted) -> list[tuple[str, ...]]:
    return planted.rows("SELECT namespace, subject, metadata ->> 'content' FROM index_entries ORDER BY ALL")


def twice(planted: Planted) -> None:
    """The same text in two videos, each in a workflow of its own."""
    planted.workflow("wf_a", "yt_one")
    planted.workflow("wf_b", "yt_two")
    for source in ("yt_one", "yt_two"):
        planted.entry(source, 4, PRICE)


def test_the_same_text_twice_is_one_embedding_and_two_vectors(planted: Planted, tmp_path: Path) -> None:
    planted = Planted(tmp_path / "other")
    twice(planted)
    assert len(planted.embed()) == 2 and planted.rows("SELECT count(*) FROM embeddings") == [(1,)]
    planted.sync()
    assert entries(planted) == [("wf_a", "yt_one", PRICE), ("wf_b", "yt_two", PRICE)]
    planted.execute("UPDATE workflows SET deleted_at = now() WHERE workflow_id = 'wf_a'")
    assert planted.find(PRICE)[0].workflow_id == "wf_b", "before the sync already"
    planted.sync()
    assert entries(planted) == [("wf_b", "yt_two", PRICE)]
    planted.execute("UPDATE workflows SET deleted_at = now()")
    done = planted.sync()
    assert done and (done.removed, done.version.present, done.version.state) == (1, 0, "live")
    assert entries(planted) == [] and planted.find(PRICE) == []
    assert planted.rows("SELECT count(*) FROM embeddings") == [(1,)], "another workflow may want it"


def test_of_two_workflows_at_cloudflare_only_the_vectors_of_the_deleted_one_leave(remote: RemotePlanted) -> None:
    twice(remote)
    remote.embed()
    remote.rounds()
    found = remote.vectors()
    assert sorted(namespace for namespace, _ in found.values()) == ["wf_a", "wf_b"]
    [metadata] = [metadata for namespace, metadata in found.values() if namespace == "wf_a"]
    assert metadata == {
        "workflowId": "wf_a",
        "sourceId": "yt_one",
        "focusArea": 4,
        "entryType": "technique",
        "content": PRICE,
    }
    remote.execute("UPDATE workflows SET deleted_at = now() WHERE workflow_id = 'wf_a'")
    remote.rounds()
    assert [namespace for namespace, _ in remote.vectors().values()] == ["wf_b"]
    remote.execute("UPDATE workflows SET deleted_at = now()")
    remote.rounds()
    assert remote.there() == [] and entries(remote) == []


def test_a_folder_whose_workflows_are_all_deleted_is_emptied_under_another_embedder_too(planted: Planted) -> None:
    planted.entry("yt_one", 4, PRICE)
    planted.build()
    planted.execute("UPDATE workflows SET deleted_at = now()")
    with planted.warehouse.read() as connection:
        assert index_is_due(connection, planted.embedder, Build("other", 256))
    planted.sync()
    assert entries(planted) == []


def test_the_second_time_nothing_is_written(planted: Planted) -> None:
    planted.entry("yt_one", 4, PRICE, t_start=83.4)
    planted.build()
    with planted.warehouse.read() as connection:
        state = knowledge_state(connection)
        assert not index_is_due(connection, planted.embedder, Build(planted.embedder.id, 256))
    before = planted.warehouse.path.read_bytes()
    assert planted.embed() == [] and (done := planted.sync()) and not done.changed
    assert planted.warehouse.path.read_bytes() == before
    [(metadata,)] = planted.rows("SELECT metadata FROM index_entries")
    assert json.loads(metadata) == {
        "workflowId": "wf_a",
        "sourceId": "yt_one",
        "focusArea": 4,
        "entryType": "technique",
        "content": PRICE,
        "timestamp": 83.4,
    }
    for change in (
        "UPDATE knowledge_entries SET state = 'quarantined'",
        "DELETE FROM entry_embeddings",
        "UPDATE workflows SET deleted_at = now()",
    ):
        planted.execute(change)
        with planted.warehouse.read() as connection:
            after = knowledge_state(connection)
        assert after != state, change
        state = after


def test_nothing_is_sent_to_cloudflare_twice(remote: RemotePlanted) -> None:
    twice(remote)
    remote.embed()
    remote.rounds()
    before = remote.rows("SELECT seq, op, vectors FROM index_mutations")
    assert before == [(1, "upsert", 2)]
    remote.embed()
    remote.rounds()
    assert remote.rows("SELECT seq, op, vectors FROM index_mutations") == before


def read_anew(planted: Planted, content: str) -> None:
    """The source has changed: a new request gives another entry, and the old one is in no answer any more."""
    planted.execute("UPDATE source_windows SET window_sha256 = sha256('new') WHERE source_id = 'yt_one'")
    planted.execute("UPDATE extractions SET custom_id = left(sha256('fa4|' || sha256('new')), 24) || '-recipe'")
    planted.entry("yt_one", 4, content)
    planted.execute(
        f"UPDATE knowledge_entries SET custom_id = (SELECT custom_id FROM extractions) WHERE content = '{content}'"
    )


def test_the_old_entry_is_found_until_the_new_one_is_there(planted: Planted) -> None:
    planted.entry("yt_one", 4, PRICE)
    planted.build()
    read_anew(planted, COFFEE)
    done = planted.sync()
    assert done and not done.changed, "the new entry has no vector yet"
    [old] = planted.find(PRICE)
    assert (old.content, old.quote) == (PRICE, PRICE)
    planted.build()
    assert [hit.content for hit in planted.find(PRICE)] == [COFFEE]


def test_at_cloudflare_the_old_one_leaves_when_the_new_one_is_visible(remote: RemotePlanted) -> None:
    remote.workflow("wf_a", "yt_one")
    remote.entry("yt_one", 4, PRICE)
    remote.embed()
    remote.rounds()
    [old] = remote.there()
    read_anew(remote, COFFEE)
    remote.embed()
    late = {"match": {"provider": "cloudflare", "route": "vectors"}, "action": {"do": "visible_after", "polls": 3}}
    remote.emulator.faults(late)
    remote.round()
    assert remote.there() == [old] and remote.rows("SELECT state FROM index_entries ORDER BY 1") == [
        ("leaving",),
        ("sent",),
    ]
    assert PRICE in [hit.content for hit in remote.find(PRICE)]
    remote.rounds()
    assert remote.there() != [old] and [hit.content for hit in remote.find(PRICE)] == [COFFEE]


def test_of_two_sources_the_oldest_entry_gives_the_vector(planted: Planted) -> None:
    planted.entry("doc_two", 4, PRICE)
    planted.entry("yt_one", 4, PRICE)
    planted.build()
    assert entries(planted) == [("wf_a", "doc_two", PRICE)]
    planted.entry("yt_one", 7, PRICE)
    planted.build()
    assert len(entries(planted)) == 2, "another area is another vector"


def test_only_what_a_workflow_holds_is_embedded(planted: Planted) -> None:
    planted.workflow("wf_narrow", "url_three", areas=[1])
    planted.entry("url_three", 4, "Of an area that nobody wants.")
    planted.entry("yt_one", 4, "It was invented.", state="quarantined", reason="Its quote does not stand in the text.")
    kept = planted.entry("url_three", 1, PRICE)
    assert planted.embed() == [kept]


def test_what_an_index_cannot_take_is_refused_with_its_reason(remote: RemotePlanted) -> None:
    remote.workflow("wf_a", "yt_one")
    long = remote.entry("yt_one", 4, "ä" * (MOST_CONTENT_BYTES // 2))
    empty = remote.entry("yt_one", 5, " \n ")
    most = remote.entry("yt_one", 6, "ä" * (MOST_CONTENT_BYTES // 2 - 1))
    assert sorted(remote.embed()) == sorted([long, empty, most])
    assert dict(remote.rows("SELECT entry_id, error FROM entry_embeddings")) == {
        long: f"Its content has {MOST_CONTENT_BYTES + 2} bytes; an index takes {MOST_CONTENT_BYTES}.",
        empty: "Its content is empty.",
        most: remote.rows("SELECT error FROM embeddings")[0][0],
    }
    remote.entry("yt_one", 4, PRICE)
    remote.embed()
    remote.rounds()
    assert PRICE in [metadata["content"] for _, metadata in remote.vectors().values()]
    assert remote.embed() == []


def test_the_finding_and_the_command_name_what_differs(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = planted.warehouse.path.parent
    for name, value in settings_of(folder).items():
        monkeypatch.setenv(name, value)
    planted.entry("yt_one", 4, PRICE)
    first = typed(folder, "index", "sync", "--index", "knowledge", "--json")
    assert (first.code, first.json["embedded"], first.json["added"]) == (0, 1, 1), first.err
    assert typed(folder, "index", "verify", "--index", "knowledge").code == 0
    planted.entry("yt_one", 5, COFFEE)
    _, found = knowledge_differences(load_settings(), planted.warehouse)
    assert len(found.missing) == 1 and not found.stale and not found.orphaned
    assert typed(folder, "index", "verify", "--index", "knowledge").code == 1
    planted.embed()
    planted.execute("UPDATE index_entries SET vector_id = 'planted'")
    with planted.warehouse.read() as connection:
        finding = index_finding(connection, KNOWLEDGE)
    assert (finding.found, finding.figures) == (3, {"missing": 2, "stale": 0, "orphaned": 1})
    healed = typed(folder, "index", "sync", "--index", "knowledge", "--json")
    assert (healed.json["added"], healed.json["removed"]) == (2, 1)
    status = typed(folder, "index", "status", "--index", "knowledge", "--json")
    assert [one["state"] for one in status.json["versions"]] == ["live"]
    refused = typed(folder, "index", "rollback", "--index", "knowledge")
    assert refused.code == 2 and "no way back" in refused.err
