"""What is recorded: the real palettes, and some of the bundled ones with everything that may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from grabient_assets.groups.palettes.palette_file import SAMPLES
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.headless.failures import ask_again
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.settings import PROJECT_DIR, PROVIDERS, load_settings
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.recordings.pipeline import Pipeline, pipeline

REAL_PALETTES = PROJECT_DIR.parent / "shared" / "data" / "palettes.jsonl"
FAULTS = (
    {"match": {"provider": "anthropic", "times": 1}, "action": {"do": "refuse"}},
    {"match": {"model": "claude-opus-5-5", "times": 1}, "action": {"do": "garbage"}},
    {"match": {"provider": "openai", "times": 1}, "action": {"do": "expire", "share": 0.5}},
    {"match": {"provider": "groq", "times": 1}, "action": {"do": "garbage"}},
    {"match": {"provider": "google", "times": 1}, "action": {"do": "errored", "status": 500}},
)
LATER_FAULTS = (
    {"match": {"model": "gpt-6-luna", "times": 1}, "action": {"do": "truncate"}},
    {"match": {"model": "claude-opus-5-5", "times": 1}, "action": {"do": "refuse"}},
)
"""What these spoil is not asked again afterwards."""
WAVE_PANEL = ("openai", "google")
"""Two waves of few batches: a batch takes half a second, however small it is."""
AUDITED = (33, 49, 52, 60)
"""Places of bundled palettes that are audited under v2 when they are certain after wave one."""
CAP_USD = Decimal("0.000001")
"""Too little for one request: what is asked with it waits."""


@contextmanager
def real(folder: Path) -> Iterator[Pipeline]:
    """The real palettes, tagged and refined without a fault."""
    with pipeline(folder) as one:
        palettes = one.load(REAL_PALETTES, "palettes.jsonl")
        one.ask(lambda house: _ask_in_full(house, palettes))
        one.report("v1")
        one.export("v1", folder / "export.jsonl")
        one.notify()
        yield one


@contextmanager
def samples(folder: Path) -> Iterator[Pipeline]:
    """Twelve bundled palettes: with faults, failures that are asked again, waves, no money, and a reparse."""
    with pipeline(folder) as one:
        palettes = one.load(_sample_file(folder), "samples.jsonl")
        one.emulator.faults(*FAULTS)
        one.ask(lambda house: _ask_in_full(house, palettes))
        one.emulator.faults(*LATER_FAULTS)
        one.ask(lambda house: _ask_again_and_in_waves(house, palettes))
        one.report("v1")
        one.report("v2")
        one.ask(lambda house: _ask_over_budget(house, palettes))
        one.reparse("v2")
        one.export("v1", folder / "export.jsonl")
        one.notify()
        yield one


def _sample_file(folder: Path) -> Path:
    """Twelve palettes, and a line that is none."""
    lines = SAMPLES.read_text(encoding="utf-8").splitlines()
    lines = [*lines[:8], *(lines[place] for place in AUDITED)]
    file = folder / "samples.jsonl"
    file.write_text("\n".join([*lines, '{"seed": "none"}']) + "\n", encoding="utf-8")
    return file


def _ask_in_full(house: House, palettes: list[SubjectVersion]) -> None:
    ask_for_tags(TaggingAsk(palettes, PROVIDERS, 2, "emulator"), house.warehouse, house.clock())


def _ask_again_and_in_waves(house: House, palettes: list[SubjectVersion]) -> None:
    ask_again(house.warehouse, load_settings(), "v1", house.clock())
    chosen = [SubjectVersion("v2", one.subject) for one in palettes]
    ask_in_waves(TaggingAsk(chosen, PROVIDERS, 1, "emulator"), WAVE_PANEL, house.warehouse, house.clock())


def _ask_over_budget(house: House, palettes: list[SubjectVersion]) -> None:
    """A third answer of one provider's models about one palette."""
    wish = TaggingAsk(palettes[:1], PROVIDERS[-1:], 3, "emulator", cap=SpendingCap("cap", CAP_USD))
    ask_for_tags(wish, house.warehouse, house.clock())


SCENARIOS = {"samples": samples, "real": real}
