"""How well questions find entries: a fixture of entries and questions with known answers, and the gate on its figures.

The fixture ships with the package, so the figures of two embedders, and of two releases, can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embedding import LOCAL
from grabient_assets.groups.embedding.embeddings import stored_vectors
from grabient_assets.groups.embedding.purpose import ask_for_embeddings
from grabient_assets.groups.indexes.quality import measure_needs
from grabient_assets.registry.model import Model, Task
from grabient_assets.thresholds import RETRIEVAL_MRR, RETRIEVAL_NDCG, RETRIEVAL_RECALL, Finding
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path(__file__).with_name("fixture")
LEVELS = {"recall@5": RETRIEVAL_RECALL, "MRR": RETRIEVAL_MRR, "nDCG@10": RETRIEVAL_NDCG}


@dataclass(frozen=True, slots=True)
class Fixture:
    """Contents of entries by their ids, and questions with their needs: one entry of each group."""

    entries: Mapping[str, str]
    questions: Mapping[str, Sequence[Sequence[str]]]

    def texts(self) -> dict[Task, list[str]]:
        """What is embedded, by task."""
        return {"document": list(self.entries.values()), "query": list(self.questions)}


def read_fixture() -> Fixture:
    """The fixture that ships with the package."""
    entries, questions = (
        [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]
        for name in ("entries.jsonl", "questions.jsonl")
    )
    return Fixture({e["id"]: e["content"] for e in entries}, {q["question"]: q["needs"] for q in questions})


def measure_retrieval(
    fixture: Fixture, entries: Sequence[Sequence[float]], questions: Sequence[Sequence[float]]
) -> dict[str, float]:
    """recall@5, MRR and nDCG@10. The vectors have length 1 and the order of the fixture."""
    import numpy

    scores = numpy.asarray(questions) @ numpy.asarray(entries).T
    return measure_needs(list(fixture.entries), list(fixture.questions.values()), scores)


def judged_retrieval(figures: Mapping[str, float], embedder: str) -> Finding:
    """One case for each figure that lies below its level."""
    low = [f"{name} is {figures[name]}, below {one.limit}" for name, one in LEVELS.items() if figures[name] < one.limit]
    return Finding(len(low), RETRIEVAL_RECALL.limit, low, figures, {"embedder": embedder})


def retrieval_finding(connection: DuckDBPyConnection, model: Model, *, emulated: bool) -> Finding:
    """Whether retrieval keeps its level with this embedder. The vectors of a provider come through the ledger; those of
    the emulator mean nothing and are not judged."""
    fixture = read_fixture()
    texts = fixture.texts().items()
    if model.provider == LOCAL:
        from grabient_assets.vectors.local_embedder import embed_locally

        assert model.vectors is not None
        entries, questions = (embed_locally(some, model.vectors.default).tolist() for _, some in texts)
    else:
        entries, questions = (stored_vectors(connection, some, model.id, task) for task, some in texts)
    if entries is None or questions is None:
        return Finding(0, notes={"waiting": f"the fixture has no vectors of {model.id} ({model.provider}) yet"})
    figures = measure_retrieval(fixture, entries, questions)
    if emulated and model.provider != LOCAL:
        return Finding(0, figures=figures, notes={"not judged": f"the emulator's vectors of {model.id} mean nothing"})
    return judged_retrieval(figures, model.id)


def ask_for_fixture(warehouse: Warehouse, model: Model, answers_from: str, clock: Callable[[], datetime]) -> int:
    """Want the vectors of the fixture from a provider's embedder, once; how many were asked for. The local embedder
    makes them when they are measured."""
    if model.provider == LOCAL:
        return 0
    texts = read_fixture().texts()
    with warehouse.read() as connection:
        known = connection.execute(
            "SELECT 1 FROM asks a JOIN texts t ON a.subject = 't_' || left(t.content_sha256, 32) "
            "WHERE t.text = $1 AND a.model = $2 AND a.purpose = 'embedding'",
            [texts["query"][-1], model.id],
        ).fetchone()
    if known:
        return 0
    asked = [ask_for_embeddings(some, model, answers_from, warehouse, clock(), task) for task, some in texts.items()]
    return sum(one.asked for one in asked)
