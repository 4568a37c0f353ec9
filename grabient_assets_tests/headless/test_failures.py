"""What was asked again is seen through to its end, also when a run is stopped in between."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.groups.palettes.palette_file import SAMPLES
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.headless.failures import ask_again, find_failures, unfinished
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets_tests.recordings.pipeline import pipeline


def test_what_was_asked_again_is_unfinished_until_its_refinement_is_there(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(SAMPLES.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    with pipeline(tmp_path) as one:
        house, settings, [palette] = one.house, load_settings(), one.load(file, "one.jsonl")

        def left() -> tuple[object, bool]:
            return unfinished(house.warehouse, settings, None, None)

        one.emulator.faults({"match": {"model": "gpt-4o-mini", "times": 1}, "action": {"do": "garbage"}})
        one.ask(lambda _: ask_for_tags(TaggingAsk([palette], PROVIDERS, 1, "emulator"), house.warehouse, house.clock()))
        one.emulator.faults()
        assert left() == ((), False), "nothing was asked again"
        assert len(ask_again(house.warehouse, settings, "v1", house.clock()).all) == 1
        assert left() == ((palette,), True)
        one.answer_tagging()
        assert find_failures(house.warehouse, settings).all == []
        assert left() == ((palette,), True), "its refinement is not asked for yet"
        assert unfinished(house.warehouse, settings, "v2", None)[0] == ()
        assert unfinished(house.warehouse, settings, None, ("another",))[0] == ()
        one.ask(lambda _: None)
        assert left() == ((), False)
