"""Every check of the index of knowledge and of its reports says no when there is one bad row, and names it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.groups.embedding.embeddings import content_of, folded
from grabient_assets.groups.retrieval.checks import index_checks, report_checks
from grabient_assets.groups.retrieval.gate import LEVELS, read_fixture
from grabient_assets.thresholds import Finding
from grabient_assets_tests.groups.retrieval.planted import START, Planted, vectors_of
from grabient_assets_tests.groups.search.place import SMALL
from grabient_assets_tests.pipeline.place import settings_of
from grabient_assets_tests.warehouse.results import insert

CHECKS = {check.spec.name: check for check in (*index_checks, *report_checks)}
CONTENTS = ("Ask what the price is compared to.", "Break the fee down to a cup of coffee.", "Let the silence work.")


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    planted = Planted(tmp_path)
    planted.workflow("wf_a", "yt_one")
    for content in CONTENTS:
        planted.entry("yt_one", 4, content)
    return planted


def found(planted: Planted, name: str) -> Finding:
    with planted.warehouse.read() as connection:
        return CHECKS[name].find(connection)


def vector_of(planted: Planted, content: str) -> str:
    [row] = planted.rows(f"SELECT vector_id FROM workflow_entries WHERE content = '{content}'")
    return row[0]


def test_an_index_that_lacks_holds_too_much_or_holds_old_things_is_named_by_its_vectors(planted: Planted) -> None:
    name = "knowledge_index_holds_what_it_should"
    assert found(planted, name).notes == {"index": "no version is live yet"}
    planted.build()
    assert found(planted, name).found == 0
    lost, stale, orphaned = (vector_of(planted, content) for content in CONTENTS)
    planted.execute(f"DELETE FROM index_entries WHERE vector_id = '{lost}'")
    assert found(planted, name).examples == [f"missing {lost}"]
    planted.execute(f"UPDATE index_entries SET namespace = 'wf_other' WHERE vector_id = '{stale}'")
    planted.execute(f"DELETE FROM knowledge_entries WHERE content = '{CONTENTS[2]}'")
    finding = found(planted, name)
    assert finding.found == 3
    assert finding.examples == [f"missing {lost}", f"stale {stale}", f"orphaned {orphaned}"]
    planted.build()
    assert found(planted, name).found == 0


def plant_fixture(planted: Planted, *, shifted: int) -> None:
    """Vectors of the fixture as a provider's: each text has those of the text so many places on."""
    planted.execute("DELETE FROM embeddings")
    with planted.warehouse.write() as connection:
        for task, texts in read_fixture().texts().items():
            vectors = vectors_of(texts, task, 256)
            for place, text in enumerate(texts):
                insert(
                    connection,
                    "embeddings",
                    content_sha256=(content := content_of(folded(text))),
                    embedder=SMALL.id,
                    task=task,
                    subject=f"t_{content[:32]}",
                    provider=SMALL.provider,
                    custom_id="",
                    fate="succeeded",
                    dimensions=256,
                    vector=vectors[(place + (shifted if task == "document" else 0)) % len(texts)],
                    created_at=START,
                )


def test_retrieval_below_its_level_is_named_by_each_figure(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "retrieval_keeps_its_level"
    live = {**settings_of(tmp_path), "GRABIENT_MODE": "live", "GRABIENT_EMBEDDER": SMALL.id}
    for setting, value in live.items():
        monkeypatch.setenv(setting, value)
    assert CHECKS[name].severity == dg.AssetCheckSeverity.WARN
    assert "has no vectors" in found(planted, name).notes["waiting"]
    plant_fixture(planted, shifted=0)
    good = found(planted, name)
    assert (good.found, set(good.figures)) == (0, set(LEVELS))
    plant_fixture(planted, shifted=7)
    bad = found(planted, name)
    assert bad.found == len(LEVELS)
    assert [example.partition(" is ")[0] for example in bad.examples] == list(LEVELS)
    assert all(f"below {level.limit}" in example for example, level in zip(bad.examples, LEVELS.values(), strict=True))
