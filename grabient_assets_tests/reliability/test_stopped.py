"""Stopped by signals at moments in turn, and started again: at one, and with `make test-slow` at six more; the whole
sweep is `make stop-matrix`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from grabient_assets_tests.pipeline.place import control
from grabient_assets_tests.reliability.audit import audit
from grabient_assets_tests.reliability.steps import ANY, BETWEEN, LEDGER, Point, moment
from grabient_assets_tests.reliability.stopping import NEVER_SAID, NotStoppedError, stopped

INT, TERM = signal.SIGINT, signal.SIGTERM
HELD = "the provider has not taken it yet"
Stops = tuple[tuple[Point, str, signal.Signals], ...]
ONE: Stops = ((moment("after accept", "the provider has it, the answer does not come"), "google", INT),)
THREE: Stops = (
    (moment("after intent", "the intent is committed, nothing is sent"), "openai", INT),
    *ONE,
    (moment("during commit", "the log is whole, not yet in the tables"), "groq", TERM),
)
FOUR: Stops = (
    (moment(BETWEEN, "Dagster stores an event"), ANY, TERM),
    (moment("during create", HELD), "anthropic", INT),
    (moment("before record", "the receipt is written, not committed"), "groq", TERM),
    (moment("between raw and rows", "the results are archived"), "google", TERM),
)
STATUS = "SELECT DISTINCT status FROM batches WHERE provider = ? ORDER BY 1"


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param(ONE, id="one"),
        pytest.param(THREE, id="three", marks=pytest.mark.slow),
        pytest.param(FOUR, id="four", marks=pytest.mark.slow),
    ],
)
def test_stopped_at_moments_in_turn(stops: Stops, tmp_path: Path) -> None:
    with stopped(tmp_path / "data") as place:

        def statuses(provider: str) -> list[str]:
            with place.warehouse.read() as connection:
                return [row[0] for row in connection.execute(STATUS, [provider]).fetchall()]

        for at, provider, number in stops:
            said = place.stop(at, provider, number, twice=at.name == HELD)
            if at.step == "after intent":
                assert statuses("openai") == ["deferred"], "it was certainly not sent"
            if at.step == "before record":
                assert "submitted" in statuses("groq") and " at groq" in said.splitlines()[-1]
            if at.step == "after accept":
                assert "intended" in statuses("google")
                assert "sent without an answer, to be looked for first) at google" in said.splitlines()[-1]
            if at.name == HELD:  # a second signal ends it at once
                assert said.splitlines()[-1].startswith("Stopped at once. Nothing is lost: run the same command again")
                assert "intended" in statuses("anthropic")
        control(place.emulator, "faults", {"rules": []})
        place.finish()
        found = audit(place)
    assert (found.lost, found.paid_twice, found.wrong) == ((), (), ())


@pytest.mark.slow
def test_live_batches_that_never_end(tmp_path: Path) -> None:
    with stopped(tmp_path / "data", live=True, endless=True) as place:
        said = place.stop(moment(LEDGER, "a batch is about to be polled"), "openai", INT)
        assert "They go on there and are paid for." in said and "`grabient cancel BATCH` stops one" in said


def test_how_a_bad_end_is_told(tmp_path: Path) -> None:
    from grabient_assets_tests.reliability.stopping import Stopped

    place, good = Stopped(tmp_path), "Stopped. Nothing is lost: run the same command again to go on."
    place._check("a stop", 130, INT, 1.0, "", good)
    for code, seconds, out, err in (
        (1, 1.0, "", good),
        (130, 11.0, "", good),
        (130, 1.0, "{}", good),
        (130, 1.0, "", "Aborted!"),
        *((130, 1.0, "", f"{word}\n{good}") for word in NEVER_SAID),
    ):
        with pytest.raises(NotStoppedError, match="a stop: "):
            place._check("a stop", code, INT, seconds, out, err)
