"""Chunks: another cut embeds only what changed, and a question finds the place in a text."""

from __future__ import annotations

from datetime import UTC, datetime

from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.embedding.linked_texts import embed_linked
from grabient_assets.groups.embedding.queries import query_embedder
from grabient_assets.groups.knowledge.workflows import delete_workflow
from grabient_assets.groups.retrieval.passages import CHUNK_TEXTS, Passage, nearest_passages
from grabient_assets_tests.groups.knowledge.place import Knowledge

PRICE = "When the price is too high, ask what it is compared with, and name the cost of doing nothing."
GARDEN = "Water the roses in the evening, never in the midday sun, and cut them back in spring."
TEXT = f"{PRICE}\n\n{GARDEN}\n\n{'Bread needs flour, water, salt and a night of patience in a warm kitchen. ' * 2}"


def embed(knowledge: Knowledge) -> int:
    rows = embed_linked(CHUNK_TEXTS, knowledge.warehouse, chosen_embedder(), "emulator", lambda: datetime.now(UTC))
    assert all(one.error is None for one in rows)
    return knowledge.rows("SELECT count(*) FROM embeddings")[0][0]


def find(knowledge: Knowledge, text: str, workflow: str | None = None) -> tuple[Passage, ...]:
    model = chosen_embedder()
    vectors_of = query_embedder(knowledge.settings, knowledge.warehouse, lambda: datetime.now(UTC))
    [vector] = vectors_of([text], model.id, 256)
    with knowledge.warehouse.read() as connection:
        return nearest_passages(connection, vector, model.id, 3, workflow)


def test_another_cut_embeds_only_the_chunks_that_changed(knowledge: Knowledge) -> None:
    path = knowledge.file("notes.md", TEXT)
    knowledge.make(path, chunk_size=120, overlap=0)
    knowledge.fetch()
    before = embed(knowledge)
    first = {row[0] for row in knowledge.rows("SELECT text FROM chunks")}
    assert before == len(first) > 2 and embed(knowledge) == before
    knowledge.make(path, name="larger", chunk_size=121, overlap=0)
    knowledge.fetch()
    both = knowledge.rows("SELECT chunker, list(text) FROM chunks GROUP BY 1 ORDER BY 1")
    assert [row[0] for row in both] == ["c1:120/0", "c1:121/0"]
    fresh = set(both[1][1]) - first
    assert embed(knowledge) == before + len(fresh) and len(fresh) < len(both[1][1])


def test_a_question_finds_its_place_in_the_text_of_a_living_workflow(knowledge: Knowledge) -> None:
    made = knowledge.make(knowledge.file("notes.md", TEXT), chunk_size=120, overlap=0)
    knowledge.fetch()
    embed(knowledge)
    hits = find(knowledge, "the customer finds it too expensive", made.workflow_id)
    assert PRICE in hits[0].text and hits[0].url == str(knowledge.folder / "notes.md")
    assert [hit.rank for hit in hits] == [1, 2, 3] and hits[0].score > hits[1].score
    assert find(knowledge, "the price", "wf_other") == ()
    delete_workflow(knowledge.warehouse, made, knowledge.now)
    assert find(knowledge, "the price") == ()
