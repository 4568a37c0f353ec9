"""A limit buys whole palettes: never more than its dollars, and as many palettes as the order allows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.palettes.tables import ImageRecord, record_images
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.refinement.asking import ask_for_chained
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.budget import MONTH, Allowance, Limit
from grabient_assets.ledger.funding import Funding, costs, fund, open_funding
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.request_sizes import keep_request_sizes, request_prices
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.ledger.unfinished import Need, Unfinished, UnfinishedKey
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.house import House, palette, twins
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

CAPS = (None, "a", "b")


@pytest.fixture(scope="module", autouse=True)
def known_refiner() -> Iterator[None]:
    """Figures below are worked out with its price."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRABIENT_REFINER", "claude-opus-4-5-20251101")
        yield


def allowance(usd: int, spent: int = 0, reserved: int = 0) -> Allowance:
    expected = Decimal(reserved) / 2
    return Allowance("so much", Decimal(usd), Decimal(spent), Decimal(reserved), expected, "Wait.", "Ask.")


def unfinished(number: int, cap: str | None, high: int, begun: bool) -> Unfinished:
    need = Need(cap, Decimal(high), Decimal(high) / 2, Decimal(high) / 4, False)
    return Unfinished(UnfinishedKey("palette", f"key {number}", "v1"), 1, begun, number, (need,))


@st.composite
def palettes(draw: st.DrawFn, begun: st.SearchStrategy[bool]) -> list[Unfinished]:
    numbers = range(draw(st.integers(0, 8)))
    return [unfinished(n, draw(st.sampled_from(CAPS)), draw(st.integers(1, 30)), draw(begun)) for n in numbers]


LIMITS = st.fixed_dictionaries(
    {}, optional={cap: st.builds(allowance, st.integers(0, 90), st.integers(0, 20), st.integers(0, 20)) for cap in CAPS}
)


def fits(chosen: tuple[Unfinished, ...], limits: Mapping[Limit, Allowance]) -> bool:
    taken = dict.fromkeys(limits, Decimal(0))
    for one in chosen:
        for limit, cost in costs(one, limits).items():
            taken[limit] += cost.high
    return all(usd <= limits[limit].left for limit, usd in taken.items())


@given(palettes(st.booleans()), LIMITS)
def test_what_is_set_aside_never_passes_a_limit(found: list[Unfinished], limits: dict[Limit, Allowance]) -> None:
    done = fund(found, limits, {})
    assert fits(tuple(one for one in found if one.key in done.whole), limits)
    for limit, allowed in limits.items():
        assert done.kept[limit] <= allowed.left
        stepwise = [one for one in found if one.key in done.stepwise and limit in costs(one, limits)]
        assert len(stepwise) <= 1 and not (stepwise and done.kept[limit]), "one at a time, when no other goes out"


@given(palettes(st.just(False)), LIMITS)
def test_of_new_palettes_as_many_are_taken_as_there_can_be(
    found: list[Unfinished], limits: dict[Limit, Allowance]
) -> None:
    most = next(n for n in range(len(found), -1, -1) if any(fits(some, limits) for some in combinations(found, n)))
    assert len(fund(found, limits, {}).whole) == most


@given(palettes(st.booleans()), st.builds(allowance, st.integers(0, 90), st.integers(0, 20), st.integers(0, 20)))
def test_no_new_palette_is_begun_before_those_that_what_is_not_spent_could_finish(
    found: list[Unfinished], month: Allowance
) -> None:
    limits: dict[Limit, Allowance] = {MONTH: month}
    done = fund(found, limits, {})
    begun = [one for one in found if one.begun and one.key not in done.whole]
    could = [one for one in begun if costs(one, limits)[MONTH].high <= month.usd - month.spent]
    if could:
        assert all(one.begun for one in found if one.key in done.whole)


@pytest.mark.parametrize(("usd", "begun"), [(22, False), (53, False), (57, False), (58, True)])
def test_a_palette_goes_step_by_step_only_when_its_last_step_can_still_be_set_aside(usd: int, begun: bool) -> None:
    """Tags are expected to cost 6 of 23, and the refinement sets aside 52: so much has to be left when it comes."""
    need = Need("a", Decimal(67), Decimal(23), Decimal(35), False)
    one = Unfinished(UnfinishedKey("palette", "key", "v1"), 1, False, 0, (need,))
    done = fund([one], {"a": allowance(usd)}, {})
    assert not done.whole and bool(done.stepwise) is begun


class Four:
    """Four providers, a ledger and a clock. Palettes are tagged and refined as the daemon does it, round by round."""

    def __init__(self, folder: Path, count: int) -> None:
        self.house = House(folder)
        self.asked = self.load(*(palette(number) for number in range(1, count + 1)))
        self.providers = {name: ScriptedProvider(name=name, clock=self.house.clock, labels=False) for name in PROVIDERS}
        self.month: Decimal | None = None

    def load(self, *chosen: object) -> list[SubjectVersion]:
        found = self.house.load(*chosen)  # pyright: ignore[reportArgumentType] palettes
        with self.house.warehouse.write() as connection:
            record_images(
                connection,
                [
                    ImageRecord(
                        p.subject, f"images/{p.subject}.png", None, "s", 1, 1, 3, "s", "local", self.house.clock()
                    )
                    for p in found
                ],
            )
        for one in found:
            self.house.store.put(f"images/{one.subject}.png", b"png", "image/png")
        return found

    def ask(self, cap: Decimal | None, analyses: int = 1, *, refine: bool = True, adaptive: bool = False) -> None:
        terms = None if cap is None else SpendingCap(f"cap {cap}", cap)
        wish = TaggingAsk(self.asked, PROVIDERS, analyses, "emulator", refine, cap=terms)
        if adaptive:
            ask_in_waves(wish, PROVIDERS, self.house.warehouse, self.house.clock())
        else:
            ask_for_tags(wish, self.house.warehouse, self.house.clock())

    def connection(self, name: str):
        return replace(self.providers[name].connection(), budget_usd=self.month, usable=PROVIDERS)

    def submit(self, name: str) -> list[str]:
        sent = submit_due(
            TAGGING,
            Submission(self.connection(name), PURPOSES, self.house.warehouse, self.house.store, self.house.clock),
        )
        return [one.batch.batch_id for one in sent.batches]

    def refine(self) -> list[str]:
        house = self.house
        ask_for_chained(house.warehouse, PROVIDERS, "emulator", house.clock())
        sent = submit_due(
            REFINEMENT, Submission(self.connection("anthropic"), PURPOSES, house.warehouse, house.store, house.clock)
        )
        return [one.batch.batch_id for one in sent.batches]

    def collect(self, batch_ids: list[str]) -> None:
        house = self.house
        for provider in self.providers.values():
            provider.end_all()

        def connect(name: str):
            return self.providers[name].connect(name)

        collect_batches(
            batch_ids, connect, house.warehouse, house.store, reader_of(house.warehouse, house.store), house.clock
        )
        complete_palettes(house.warehouse, PROVIDERS, house.clock)

    def rounds(self, order: tuple[str, ...] = PROVIDERS) -> Iterator[list[str]]:
        """Until nothing moves any more: what was sent in each round."""
        for _ in range(40):
            self.house.clock.wind(seconds=60)
            sent = [batch for name in order for batch in self.submit(name)] + self.refine()
            if not sent:
                return
            yield sent
            self.collect(sent)
        raise AssertionError("it never ends")

    def used(self) -> Decimal:
        """What is spent and set aside."""
        [(usd,)] = self.house.rows("SELECT coalesce(sum(CASE WHEN status = 'collected' THEN cost_usd "
                                   "ELSE reserved_usd END), 0) FROM batches")  # fmt: skip
        return Decimal(usd)

    def tagged(self) -> int:
        return self.house.rows("SELECT count(DISTINCT seed) FROM palette_tags")[0][0]

    def finished(self) -> int:
        return self.house.rows("SELECT count(*) FROM palette_tag_refined")[0][0]


ONE = Decimal("0.0556")
"""A palette asked once of ten models and refined may cost 0.0556 dollars, and is expected to cost 0.0276."""


@pytest.mark.parametrize(
    ("thousandths", "count", "monthly"),
    [
        (43, 1, False),  # more than the refinement sets aside, less than it takes with the tags before
        pytest.param(120, 3, True, marks=pytest.mark.slow),
    ],
)
def test_a_cap_ends_with_whole_palettes_and_is_never_passed(thousandths: int, count: int, monthly: bool) -> None:
    spend_to_the_end(thousandths, count, PROVIDERS, monthly)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 180), st.integers(1, 3), st.permutations(PROVIDERS), st.booleans())
def test_no_cap_is_passed_in_whatever_order_providers_send(
    thousandths: int, count: int, order: list[str], monthly: bool
) -> None:
    spend_to_the_end(thousandths, count, order, monthly)


def spend_to_the_end(thousandths: int, count: int, order: Sequence[str], monthly: bool) -> None:
    """Ask about so many palettes under a cap, or a budget of the month, and send and collect until nothing goes."""
    cap = Decimal(thousandths) / 1000
    with tempfile.TemporaryDirectory() as folder:
        four = Four(Path(folder), count)
        four.month = cap if monthly else None
        four.ask(None if monthly else cap)
        first = 0
        for sent in four.rounds(tuple(order)):
            first = first or four.house.rows("SELECT count(DISTINCT subject) FROM batch_requests")[0][0]
            assert four.used() <= cap and sent
        assert first >= min(count, int(cap / ONE)), "at once as many as the high end allows"
        assert four.tagged() == four.finished(), "none is left half done"
        if four.finished() < count:
            assert four.used() + ONE > cap, "there was no money for another one"
        if four.finished() == 0:
            assert four.used() == 0


@pytest.mark.parametrize("refine", [True, False])
def test_the_refinement_is_set_aside_only_where_it_follows(tmp_path: Path, refine: bool) -> None:
    """Tags of a palette may cost 0.0147 dollars, its refinement 0.0409: 0.112 are two palettes, or seven tagged."""
    four = Four(tmp_path, 9)
    four.ask(Decimal("0.112"), refine=refine)
    sent = four.submit("anthropic")
    assert len(sent) == 2, "one batch for each model carries all that is due"
    assert four.house.rows("SELECT DISTINCT request_count FROM batches") == [(2 if refine else 7,)]


def test_a_palette_that_is_begun_is_finished_before_a_new_one_is(tmp_path: Path) -> None:
    four = Four(tmp_path, 3)
    last = four.asked[2:]
    everybody, four.asked = four.asked, last
    four.ask(None)
    four.submit("groq")  # whoever sends first; the others never did
    four.asked = everybody
    four.month = four.used() + ONE
    four.ask(None)
    for _ in four.rounds():
        break
    found = four.house.rows("SELECT DISTINCT subject FROM batch_requests")
    assert found == [(last[0].subject,)]


def test_what_is_kept_back_by_a_check_sets_nothing_aside(tmp_path: Path) -> None:
    four = Four(tmp_path, 2)
    four.month = ONE + Decimal("0.001")
    four.ask(None)
    (first,) = [sent for sent in [next(four.rounds())] if sent]
    four.collect(first)
    before = four.used()
    four.house.write("UPDATE palette_tags SET error = 'no JSON' WHERE provider <> 'google'")  # too few usable answers
    four.month = before + ONE  # enough for the other one, if nothing is kept for this one
    four.submit("openai")
    assert four.house.rows("SELECT count(DISTINCT subject) FROM batch_requests") == [(2,)]


def test_a_later_wave_is_set_aside_as_far_as_it_is_expected(tmp_path: Path) -> None:
    """A palette in wave one may cost 0.0425 dollars with its refinement, 0.0527 with the part of wave two that is
    expected, 0.0556 with all of it: 0.2135 are five, four or three palettes."""
    four = Four(tmp_path, 6)
    four.ask(Decimal("0.2135"), adaptive=True)
    four.submit("groq")
    assert four.house.rows("SELECT count(DISTINCT subject) FROM batch_requests") == [(4,)]


def test_nothing_is_put_into_an_order_while_there_is_room_for_everything(tmp_path: Path) -> None:
    """An order of 100,000 palettes takes seconds, and each intent would make it anew."""
    four = Four(tmp_path, 3)
    four.ask(None)
    with four.house.warehouse.write() as connection:
        now = four.house.clock()
        keep_request_sizes(connection, PURPOSES, PROVIDERS, now.date())
        prices = request_prices(connection, now)

        def funding(budget: Decimal, besides: Decimal = Decimal(0)) -> Funding | None:
            return open_funding(connection, PURPOSES, budget, now, prices, besides=besides)

        short = funding(Decimal("0.15"))
        assert short is not None and len(short.whole) == 2 and len(short.waiting) == 1
        third = costs(short.waiting[0], [MONTH])[MONTH].high
        exactly = short.kept[MONTH] + third
        assert funding(exactly) is None
        assert funding(exactly - Decimal("0.0000000001")) is not None
        assert funding(exactly, besides=Decimal("0.0000000001")) is not None


def test_equal_colours_are_paid_once(tmp_path: Path) -> None:
    four = Four(tmp_path, 0)
    four.asked = four.load(*twins())
    four.ask(ONE)
    for _ in four.rounds():
        assert four.used() <= ONE
    assert four.finished() == 2 and four.house.rows("SELECT count(*) FROM batch_requests") == [(11,)]


@pytest.mark.parametrize(("cap", "at_once"), [("0.02", 0), pytest.param("0.06", 1, marks=pytest.mark.slow), ("0.2", 2)])
def test_prompt_versions_under_one_cap_are_palettes_of_their_own(tmp_path: Path, cap: str, at_once: int) -> None:
    """The same colours under v1 and v2 are two palettes: where the cap does not pay for both, one is brought to its
    end, and nothing of the other is sent before."""
    four, open_ones = Four(tmp_path, 1), [0]
    four.asked = [*four.asked, SubjectVersion("v2", four.asked[0].subject)]
    four.ask(Decimal(cap))
    begun, ended = "SELECT DISTINCT prompt_version FROM batches", "SELECT prompt_version FROM palette_tag_refined"
    for sent in four.rounds():
        assert sent and four.used() <= Decimal(cap)
        open_ones.append(four.house.rows(f"SELECT count(*) FROM ({begun} EXCEPT {ended})")[0][0])
    assert max(open_ones) == at_once
    assert sorted(four.house.rows(begun)) == sorted(four.house.rows(ended)), "none is left half done"
    answers = four.house.rows("SELECT prompt_version, count(*) FROM palette_tags GROUP BY 1")
    assert dict(answers) == {version: 10 for (version,) in four.house.rows(ended)}


def test_what_an_unpriced_model_is_asked_keeps_its_palette_from_being_begun(tmp_path: Path) -> None:
    """It can never be sent out of a budget, so the palette could not be finished."""
    four = Four(tmp_path, 1)
    four.house.clock.wind(days=-140)  # the lunas of OpenAI have no price yet
    four.month = Decimal(1)
    wish = TaggingAsk(four.asked, PROVIDERS, 1, "emulator", allow_unpriced=True)
    ask_for_tags(wish, four.house.warehouse, four.house.clock())
    assert [batch for name in PROVIDERS for batch in four.submit(name)] == []
    [reason] = four.house.rows("SELECT DISTINCT reason FROM budget_holds WHERE provider = 'groq'")[:1]
    assert "is not known, so nothing can be set aside" in reason[0]
