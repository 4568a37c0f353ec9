"""Keys that are partitions of the instance but not palettes: Dagster stores any text, so each run checks its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.pipeline.driven import Driven, driven

CANONICAL = "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf"
PLANTED = {
    "foo": "Partition 'foo' is not a palette: ",
    "../x": "Partition '../x' is not a palette: ",
    "a,b": "Partition 'a,b' is not a palette: ",
    f"{CANONICAL} ": "Partition ",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    folder: Path = tmp_path_factory.mktemp("planted") / "data"
    with driven(folder) as pipeline:
        pipeline.load(2)
        pipeline.instance.add_dynamic_partitions("seeds", list(PLANTED))
        yield pipeline


@pytest.mark.parametrize("key", PLANTED)
@pytest.mark.parametrize("asset", ["palettes", "openai_tag_batches", "palette_tags", "refinement_batches"])
def test_a_planted_key_is_refused_by_every_kind_of_asset(asset: str, key: str, pipeline: Driven):
    result = pipeline.person(asset, key if asset == "palettes" else f"v1|{key}")
    [failure] = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None and data.description is not None
    assert data.description.startswith(PLANTED[key])
    assert pipeline.rows("SELECT count(*) FROM asks") == [(0,)]
    assert len(pipeline.rows("SELECT seed FROM palettes")) == 2
    assert not list(pipeline.folder.rglob("x.png"))
