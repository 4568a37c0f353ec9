"""From sources to the index by the sensors alone, and back out again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.definitions import grabient
from grabient_assets.groups.knowledge.workflows import delete_workflow
from grabient_assets.groups.retrieval.searching import knowledge_query, knowledge_search
from grabient_assets_tests.groups.knowledge.place import Knowledge, knowledge_in

VIDEOS = ("https://youtu.be/price-talk1", "https://youtu.be/obj-mindset", "https://www.youtube.com/watch?v=man-talk-01")
PAGES = ("https://sales.example/articles/handling-price", "https://sales.example/articles/think-about-it")
TALK = Path(__file__).parents[3] / "grabient_assets/emulator/pages/not-interested.txt"
GUIDE = Path(__file__).parents[3] / "grabient_assets/emulator/pages/discovery.md"


@pytest.fixture
def knowledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Knowledge]:
    with knowledge_in(tmp_path, monkeypatch) as place:
        yield place


def search(knowledge: Knowledge, text: str, **how: object) -> list[tuple[float, int, str, str | None]]:
    found = knowledge_search(knowledge.settings, knowledge.warehouse, lambda: datetime.now(UTC)).find(
        knowledge_query(text, **how)  # pyright: ignore[reportArgumentType]
    )
    return [(hit.score, hit.focus_area, hit.source_id, hit.url) for hit in found.hits]


def vectors(knowledge: Knowledge) -> int:
    return knowledge.rows(
        "SELECT count(*) FROM index_entries i JOIN index_versions v USING (index_name, version) "
        "WHERE index_name = 'knowledge' AND v.state = 'live'"
    )[0][0]


def test_three_videos_two_files_and_two_pages_become_knowledge_one_can_search(knowledge: Knowledge) -> None:
    made = knowledge.make(*VIDEOS, *PAGES, str(TALK), str(GUIDE))
    knowledge.drive()
    status = knowledge.status(made)
    assert (status.status, status.progress, status.total_content, status.dead) == ("completed", 100, 7, 0)
    states = dict(knowledge.rows("SELECT state, count(*) FROM knowledge_coverage GROUP BY 1"))
    assert set(states) == {"ok", "empty"} and sum(states.values()) == 63
    [(distinct,)] = knowledge.rows(
        "SELECT count(DISTINCT (workflow_id, focus_area, type, content)) FROM workflow_entries"
    )
    assert vectors(knowledge) == distinct == status.index_size == status.entries > 40
    assert status.embeddings == knowledge.rows("SELECT count(DISTINCT content) FROM workflow_entries")[0][0]
    hits = search(knowledge, "price too high", areas=(4, 7, 8))
    assert len(hits) == 10 and {hit[1] for hit in hits} <= {4, 7, 8}
    assert [hit[0] for hit in hits] == sorted((hit[0] for hit in hits), reverse=True)
    assert any(url and "&t=" in url for _, _, _, url in hits)
    cells = {
        f"fa{area}|{source}" for source, area in knowledge.rows("SELECT source_id, focus_area FROM workflow_cells")
    }
    assert knowledge.green("knowledge_entries") == cells and len(cells) == 63
    sources = {row[0] for row in knowledge.rows("SELECT source_id FROM sources")}
    assert knowledge.green("sources") == knowledge.green("source_chunks") == sources
    assert {run.status for run in knowledge.finished} == {"SUCCESS"}

    before = (knowledge.emulator.control("GET", "calls"), knowledge.rows("SELECT count(*) FROM index_mutations"))
    runs = len(knowledge.finished)
    knowledge.drive()
    assert len(knowledge.finished) == runs
    after = (knowledge.emulator.control("GET", "calls"), knowledge.rows("SELECT count(*) FROM index_mutations"))
    assert after == before


def test_poison_dies_or_is_quarantined_and_the_others_complete(knowledge: Knowledge) -> None:
    base = "https://sales.example"
    poison = ("missing/page", "files/scan.pdf", "files/one-word.txt", "files/binary.txt")
    made = knowledge.make(f"{base}/injection", VIDEOS[0], *(f"{base}/{one}" for one in poison))
    knowledge.drive()
    status = knowledge.status(made)
    assert (status.status, status.progress, status.dead) == ("completed_with_dead", 100, 4)
    assert status.index_size == status.entries > 0
    dead = {row[0] for row in knowledge.rows("SELECT source_id FROM source_queue WHERE status = 'dead'")}
    held = {row[0] for row in knowledge.rows("SELECT DISTINCT subject FROM index_entries")}
    assert not dead & held
    texts = [row[0].lower() for row in knowledge.rows("SELECT metadata ->> 'content' FROM index_entries")]
    assert texts and not [text for text in texts if "ignore all previous" in text or "best course in the world" in text]
    failed = [run for run in knowledge.finished if run.status == "FAILURE"]
    assert {run.job for run in failed} == {"fetch_sources", "report_knowledge"}
    statuses = knowledge.instance.get_status_by_partition(
        dg.AssetKey("sources"), sorted(dead), dg.DynamicPartitionsDefinition(name="sources")
    )
    assert {one.value for one in (statuses or {}).values() if one} == {"FAILED"}


def test_deleting_takes_the_vectors_of_one_workflow_and_then_of_both(knowledge: Knowledge) -> None:
    one = knowledge.make(VIDEOS[0], areas=(4,))
    two = knowledge.make(VIDEOS[0], name="two", areas=(4,))
    knowledge.drive()
    [(embeddings,)] = knowledge.rows("SELECT count(*) FROM embeddings")
    assert vectors(knowledge) == knowledge.status(one).index_size + knowledge.status(two).index_size > 0
    assert embeddings == knowledge.status(one).index_size == knowledge.status(two).index_size
    job = grabient().resolve_job_def("delete_workflow")
    done = job.execute_in_process(
        instance=knowledge.instance,
        run_config={"ops": {"delete_one_workflow": {"config": {"workflow": one.workflow_id}}}},
    )
    assert done.success
    assert knowledge.rows("SELECT DISTINCT namespace FROM index_entries") == [(two.workflow_id,)]
    delete_workflow(knowledge.warehouse, two, knowledge.now)
    knowledge.drive()
    assert vectors(knowledge) == 0
    assert knowledge.rows("SELECT count(*) FROM embeddings") == [(embeddings,)]


def test_materializing_makes_a_workflow_and_refuses_what_cannot_be(knowledge: Knowledge) -> None:
    job = grabient().resolve_job_def("new_workflow")

    def run(**config: object) -> bool:
        ops = {"knowledge_workflows": {"config": {"name": "talks", "sources": [VIDEOS[0], "file:///etc/x"], **config}}}
        return job.execute_in_process(
            instance=knowledge.instance, run_config={"ops": ops}, raise_on_error=False
        ).success

    assert run(areas=[4], max_usd="0.5")
    assert not run(overlap=2000) and not run(chunk_size=0) and not run(type="films") and not run(max_usd="much")
    assert knowledge.rows("SELECT name, areas, cap_id IS NOT NULL FROM workflows") == [("talks", [4], True)]
    assert knowledge.rows("SELECT source_id FROM workflow_sources") == [("yt_price-talk1",)]
    knowledge.drive()
    assert knowledge.rows("SELECT status FROM workflow_status") == [("completed",)]
