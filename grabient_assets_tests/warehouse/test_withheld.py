"""Which palettes are kept from refinement: the rule at its threshold, and everything that must not trip it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.tables import add_palettes
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refined import RefinedRecord, chained_refinements, record_refined
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.quality import answers_by_model, words_by_model
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, record_consensus
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.withheld import Withheld, explained, panels, sentences, withheld_palettes
from grabient_assets.headless.needs import needs
from grabient_assets.ledger.asks import AskTarget, AskTerms, SubjectVersion, record_asks, stop_asks
from grabient_assets.ledger.due import close_finished, due_requests, share_answers
from grabient_assets.thresholds import ANSWERING_MODELS
from grabient_assets.warehouse.migrations import migrate
from grabient_assets_tests.ledger.house import twins

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN, TURNED = twins()
SEED, TWIN = PLAIN.canonical, TURNED.canonical
PALETTE, OTHER = SubjectVersion("v1", SEED), SubjectVersion("v1", TWIN)
OPUS = AskTarget("anthropic", "opus", "r" * 20)


def target(number: int) -> AskTarget:
    return AskTarget("openai", f"m{number}", f"{number:020}")


@dataclass
class House:
    """The tables in memory, and a clock."""

    connection: duckdb.DuckDBPyConnection
    now: datetime = START

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def tagged(self, asked: int, answering: int, palette: SubjectVersion = PALETTE, chained: bool = True) -> None:
        """Ask so many models; the first ones answer, the others refuse. The consensus follows."""
        targets = [target(number) for number in range(asked)]
        record_asks(self.connection, TAGGING, [palette], targets, 1, self.tick(), AskTerms(chained=chained))
        self.answer(range(asked), range(answering), palette)

    def answer(self, numbers: range, usable: range, palette: SubjectVersion = PALETTE) -> None:
        rows = [
            TagRecord(
                *(palette.subject, palette.prompt_version, "openai", f"m{number}", 0),
                *(f"{PLAIN.palette_key}-{number:020}-00", "succeeded" if number in usable else "refused", self.tick()),
                temperature="warm" if number in usable else None,
                error=None if number in usable else "declined",
            )
            for number in numbers
        ]
        record_tags(self.connection, rows)
        close_finished(self.connection, TAGGING, self.now)
        votes = ConsensusRecord(
            *palette_key(palette), 1, 1, "warm", None, None, None, "{}", "{}", "digest", self.tick()
        )
        record_consensus(self.connection, [votes])

    def withheld(self) -> list[Withheld]:
        return withheld_palettes(self.connection)

    def follows(self, palette: SubjectVersion = PALETTE) -> bool:
        """Whether refinement follows by itself."""
        return chained_refinements(self.connection, [palette]) == [palette]

    def refine(self, palette: SubjectVersion = PALETTE, despite_checks: bool = False) -> None:
        record_asks(
            self.connection, REFINEMENT, [palette], [OPUS], 1, self.tick(), AskTerms(despite_checks=despite_checks)
        )

    def due(self) -> list[SubjectVersion]:
        return [
            SubjectVersion(one.prompt_version, one.subject)
            for one in due_requests(self.connection, REFINEMENT, "anthropic")
        ]


def palette_key(palette: SubjectVersion) -> tuple[str, str]:
    return palette.subject, palette.prompt_version


@pytest.fixture
def house() -> Iterator[House]:
    with duckdb.connect() as connection:
        migrate(connection, Path("unused"))
        add_palettes(connection, [palette_record(p, p.canonical, START) for p in (PLAIN, TURNED)])
        for seed in (SEED, TWIN):
            picture = "INSERT INTO palette_images VALUES (?, 'k', NULL, 's', 1, 1, 1, 's', 'local', now())"
            connection.execute(picture, [seed])
        yield House(connection)


@pytest.mark.parametrize(
    ("asked", "answering"), [(10, 5), (10, 10), (9, 5), (4, 2), (3, 2), (2, 1), (1, 1)], ids=lambda n: str(n)
)
def test_half_of_the_asked_models_suffices(house: House, asked: int, answering: int) -> None:
    house.tagged(asked, answering)
    assert house.withheld() == [] and house.follows()
    found = panels(house.connection)
    assert (found.palettes, found.failing, found.models) == (1, (), {}) and found.lowest == answering / asked


@pytest.mark.parametrize(("asked", "answering"), [(10, 4), (9, 4), (4, 1), (3, 1), (1, 0), (10, 0)])
def test_fewer_keep_the_palette_from_refinement(house: House, asked: int, answering: int) -> None:
    house.tagged(asked, answering)
    assert house.withheld() == [Withheld(PALETTE, asked, answering)] and not house.follows()
    house.refine()
    assert house.due() == []
    close_finished(house.connection, REFINEMENT, house.tick())
    assert house.connection.execute("SELECT state FROM asks WHERE purpose = 'refinement'").fetchall() == [("open",)]
    found = panels(house.connection)
    assert found.failing == (Withheld(PALETTE, asked, answering),) and found.lowest == answering / asked
    silent = [name for name, (of, without) in found.models.items() if (of, without) == (1, 1)]
    assert len(found.models) == asked and len(silent) == asked - answering


def test_when_answers_come_refinement_follows(house: House) -> None:
    house.tagged(10, 4)
    assert not house.follows()
    record_asks(house.connection, TAGGING, [PALETTE], [target(4)], 1, house.tick(), AskTerms(chained=True), retry=True)
    assert house.withheld() == [], "its tagging is open again, so nothing is said yet"
    house.answer(range(4, 5), range(4, 5))
    assert house.withheld() == [] and house.follows()


def test_an_explicit_ask_waits_and_goes_when_the_reason_is_gone(house: House) -> None:
    house.tagged(10, 4, chained=False)
    house.refine()
    assert house.due() == []
    record_asks(house.connection, TAGGING, [PALETTE], [target(4)], 1, house.tick(), retry=True)
    house.answer(range(4, 5), range(4, 5))
    assert house.due() == [PALETTE]


def test_a_person_may_have_it_despite_checks_and_who_asks_last_decides(house: House) -> None:
    house.tagged(10, 4)
    house.refine(despite_checks=True)
    assert house.due() == [PALETTE] and house.withheld() == []
    assert not house.follows(), "the permission is that of the ask, not of the palette"
    house.refine()
    assert house.due() == [] and len(house.withheld()) == 1


def test_a_model_that_was_stopped_before_it_said_anything_was_not_asked(house: House) -> None:
    house.tagged(4, 2)
    more = [AskTarget("groq", f"g{number}", f"{number:020}") for number in range(6)]
    record_asks(house.connection, TAGGING, [PALETTE], more, 1, house.tick(), AskTerms(chained=True))
    assert stop_asks(house.connection, "tagging", "groq", None, "no key", house.tick()) == 6
    assert house.withheld() == [] and house.follows()


def test_a_model_that_failed_and_was_stopped_when_asked_again_was_asked(house: House) -> None:
    house.tagged(10, 4)
    record_asks(house.connection, TAGGING, [PALETTE], [target(9)], 1, house.tick(), AskTerms(chained=True), retry=True)
    assert stop_asks(house.connection, "tagging", "openai", "m9", "retired", house.tick()) == 1
    assert house.withheld() == [Withheld(PALETTE, 10, 4)]


def test_one_usable_analysis_of_a_model_is_enough(house: House) -> None:
    record_asks(house.connection, TAGGING, [PALETTE], [target(0)], 2, house.tick(), AskTerms(chained=True))
    house.answer(range(1), range(0))
    second = TagRecord(SEED, "v1", "openai", "m0", 1, f"{PLAIN.palette_key}-{0:020}-01", "succeeded", house.tick())
    record_tags(house.connection, [second])
    close_finished(house.connection, TAGGING, house.now)
    assert house.withheld() == [] and house.follows()


@pytest.mark.parametrize(
    ("said", "word"), [("contrast = NULL", "contrast=enormous"), ("harmony = []", "harmony=rainbow")]
)
def test_a_field_in_which_most_models_leave_its_list_keeps_the_palette_back(house: House, said: str, word: str) -> None:
    house.tagged(4, 4)
    house.connection.execute(f"UPDATE palette_tags SET {said}, outside = [?, 'seasonal=rainy']", [word])
    house.connection.execute("UPDATE palette_tags SET seasonal = ['spring']")
    (found,) = house.withheld()
    assert found == Withheld(PALETTE, 4, 4, (word,)) and not house.follows()
    house.connection.execute("UPDATE palette_tags SET contrast = 'high', harmony = ['triadic'] WHERE model = 'm1'")
    assert len(house.withheld()) == 1, "three of four"
    house.connection.execute("UPDATE palette_tags SET contrast = 'high', harmony = ['triadic'] WHERE model = 'm2'")
    assert house.withheld() == [] and house.follows(), "two of four are not most"


def test_a_model_is_outside_a_list_when_most_of_its_answers_are(house: House) -> None:
    record_asks(house.connection, TAGGING, [PALETTE], [target(0)], 3, house.tick(), AskTerms(chained=True))
    house.answer(range(1), range(1))
    for index in (1, 2):
        key = (SEED, "v1", "openai", "m0", index, f"{PLAIN.palette_key}-{0:020}-0{index}", "succeeded")
        record_tags(house.connection, [TagRecord(*key, house.tick(), contrast="high", outside=())])
    close_finished(house.connection, TAGGING, house.now)
    outside = "UPDATE palette_tags SET contrast = NULL, outside = ['contrast=huge'] WHERE analysis_index < ?"
    house.connection.execute(outside, [1])
    assert house.withheld() == []
    house.connection.execute(outside, [2])
    assert house.withheld() == [Withheld(PALETTE, 1, 1, ("contrast=huge",))]


def test_words_in_no_list_are_counted_by_model(house: House) -> None:
    house.tagged(2, 2)
    said = "contrast = 'high', harmony = ['triadic', 'square'], seasonal = []"
    house.connection.execute(f"UPDATE palette_tags SET {said}, outside = ['seasonal=rainy'] WHERE model = 'm0'")
    house.connection.execute("UPDATE palette_tags SET outside = NULL WHERE model = 'm1'")
    (found,) = words_by_model(house.connection)
    assert (found.model, found.answers, found.outside, found.examples) == ("m0", 1, 1, ["seasonal=rainy"])
    assert found.words >= 4 and found.share == 1 / found.words


def test_nothing_is_kept_back_that_is_refined_as_it_stands(house: House) -> None:
    house.tagged(10, 4)
    row = RefinedRecord(SEED, "v1", "v1", "opus", "c", "succeeded", "digest", house.tick())
    record_refined(house.connection, [row])
    assert house.withheld() == [] and len(panels(house.connection).failing) == 1
    house.connection.execute("UPDATE tag_consensus SET digest = 'other'")
    assert len(house.withheld()) == 1


def test_equal_colours_and_votes_do_not_smuggle_a_refinement_in(house: House) -> None:
    house.tagged(2, 2)
    house.tagged(10, 4, OTHER)
    house.refine()
    house.refine(OTHER)
    (due,) = due_requests(house.connection, REFINEMENT, "anthropic")
    assert SubjectVersion(due.prompt_version, due.subject) == PALETTE
    row = RefinedRecord(SEED, "v1", "v1", "opus", due.custom_id, "succeeded", "digest", house.tick())
    record_refined(house.connection, [row])
    share_answers(house.connection, REFINEMENT)
    refined = "SELECT seed FROM palette_tag_refined"
    assert house.connection.execute(refined).fetchall() == [(SEED,)]
    house.refine(OTHER, despite_checks=True)
    share_answers(house.connection, REFINEMENT)
    assert len(house.connection.execute(refined).fetchall()) == 2


def test_what_a_run_would_do(house: House) -> None:
    """A palette that lacks nothing but a refinement which is kept back says so; one that lacks answers does not."""
    house.tagged(10, 4)
    house.tagged(2, 2, OTHER)
    ten = [target(number) for number in range(10)]
    found = {need.seed: need for need in needs(house.connection, "v1", ten, 1)}
    assert found[SEED].refinement and found[SEED].withheld and not found[SEED].answers
    assert found[TWIN].refinement and found[TWIN].answers and not found[TWIN].withheld
    found = {need.seed: need for need in needs(house.connection, "v1", [*ten, target(10)], 1)}
    assert not found[SEED].withheld, "another model may change it"
    house.refine(despite_checks=True)
    assert not next(need for need in needs(house.connection, "v1", ten, 1) if need.seed == SEED).withheld


def test_what_never_came_back_is_no_answer(house: House) -> None:
    house.tagged(3, 1)
    house.connection.execute("UPDATE palette_tags SET fate = 'cancelled' WHERE model = 'm2'")
    found = {one.model: (one.answers, one.unusable, one.fates) for one in answers_by_model(house.connection)}
    assert found == {"m0": (1, 0, {}), "m1": (1, 1, {"refused": 1})}


def test_the_sentences() -> None:
    few, none = Withheld(PALETTE, 10, 4), Withheld(OTHER, 10, 0)
    odd = Withheld(PALETTE, 2, 2, ("contrast=enormous",))
    assert ANSWERING_MODELS.limit == 0.5
    assert explained(few) == (
        "Kept from refinement: 4 of the 10 models that were asked gave a usable answer; 50% is the least. Way out: "
        "`grabient retry --run` asks the failed ones again, and refinement follows; to have it as it is, materialize "
        "refinement_batches with despite_checks."
    )
    assert "despite_checks" not in explained(none)
    assert explained(odd).startswith(
        "Kept from refinement: most models named what no list has: contrast=enormous. Way out: write down in gradient"
    )
    assert sentences([]) == ()
    assert [sentence.partition(". Way out: ")[0] for sentence in sentences([few, none, odd])] == [
        f"1 palette kept from refinement because no model gave a usable answer (v1|{TWIN}: 0 of 10)",
        "1 palette kept from refinement because fewer than 50% of the models that were asked gave a usable answer "
        f"(v1|{SEED}: 4 of 10)",
        "1 palette kept from refinement because most models named in a field what its list lacks "
        f"(v1|{SEED}: contrast=enormous)",
    ]
    assert "and 2 more)" in sentences([few] * 7)[0]
