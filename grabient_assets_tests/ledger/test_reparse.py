"""Reading archived answers again gives the rows of the live collection, to the last column, at no cost."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grabient_assets.errors import BatchUnknownError, UsageError, WarehouseLockedError
from grabient_assets.groups.purposes import reader_of
from grabient_assets.groups.tagging.quality import words_by_model
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.groups.tagging.withheld import panels
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.settling import Verdict
from grabient_assets.ledger.staging import staging
from grabient_assets.providers.contract import Result
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.house import House, palette, twins
from grabient_assets_tests.ledger.reparsing import (
    ask,
    collect,
    dump,
    reparse,
    retry,
    send,
    send_if_due,
)
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered, result_line
from grabient_assets_tests.ledger.watch import in_the_house


class Picky(TagReader):
    """An older parser: it could not read an answer that says "loud"."""

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        return Verdict("invalid", "Too loud.") if "loud" in (result.text or "") else super().judge(request, result)


def without_estimates(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Probabilities follow the error rates of the day: a palette that is counted again has those of all answers."""
    place = [*ConsensusRecord.__dataclass_fields__].index("estimates")
    return {
        table: [row[:place] + row[place + 1 :] for row in rows] if table == "tag_consensus" else rows
        for table, rows in found.items()
    }


def round_of(house: House, provider: ScriptedProvider, line: Callable[[str], bytes | None], **how: Any) -> BatchRecord:
    """One batch, answered as `line` says for each custom_id, and collected."""
    batch, reader = send(house, provider), how.pop("reader", None)
    known = f"openai-{len(provider.held)}"
    lines = [said for custom_id in provider.held[known].file.custom_ids if (said := line(custom_id)) is not None]
    provider.end(known, lines, **how)
    collect(house, provider, batch, reader)
    return batch


def an_older_parser_wrote(house: House) -> None:
    """Rows as they might stand in a file of an older version."""
    house.write("UPDATE palette_tags SET fate = 'invalid', error = 'old', mood = NULL, cost_usd = 7, notes = ['old']")
    house.write("DELETE FROM palette_tags WHERE rowid % 3 = 0")
    house.write("UPDATE batch_requests SET fate = 'invalid', error = 'old', cost_usd = 7")
    house.write("UPDATE batches SET succeeded = 0, failed = request_count, cost_usd = 7, error = NULL")
    house.write("UPDATE tag_consensus SET models = 9, digest = 'old', votes = '{}'")


def loud(custom_id: str) -> bytes:
    return answered(custom_id, text='{"mood": ["loud"], "temperature": "warm"}')


def three_kinds(house: House, provider: ScriptedProvider) -> BatchRecord:
    """A batch of three: an answer, a repaired one, an unusable one; and a line for nobody."""
    ask(house, house.load(*(palette(n) for n in range(3))))
    lines = iter([answered, lambda i: answered(i, text='{"mood": ["calm"],}'), lambda i: answered(i, text="No.")])
    return round_of(house, provider, lambda custom_id: next(lines)(custom_id))


def test_rows_of_an_older_parser_become_those_of_a_live_collection_and_twice_the_same(
    house: House, provider: ScriptedProvider
) -> None:
    three_kinds(house, provider)
    live = dump(house)
    same = reparse(house, provider)
    assert (same.batches, same.answers, same.fates.total(), same.followed["consensus"], same.troubles) == (
        1,
        3,
        0,
        0,
        (),
    )
    assert dump(house) == live
    an_older_parser_wrote(house)
    done = reparse(house, provider)
    assert dump(house) == live
    assert done.fates == {("invalid", "succeeded"): 1, ("invalid", "repaired"): 1} and done.followed["consensus"] == 2
    assert reparse(house, provider).fates.total() == 0 and dump(house) == live
    assert sorted(path.name for path in house.folder.glob("reparse*")) == ["reparse.lock"]


def test_equal_colours_share_what_is_read_again(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(*twins()))
    round_of(house, provider, answered)
    live = dump(house)
    assert len(live["palette_tags"]) == 2 and len(live["batch_requests"]) == 1
    an_older_parser_wrote(house)
    reparse(house, provider)
    assert dump(house) == live
    house.write("DELETE FROM palette_tags")
    reparse(house, provider)
    assert dump(house) == live
    assert house.rows("SELECT cost_usd > 0 FROM palette_tags ORDER BY 1") == [(False,), (True,)]


def test_a_retry_that_was_needed_then_is_read_as_it_was(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1), *twins()))
    round_of(house, provider, lambda i: answered(i, text="No."))
    retry(house)
    second = round_of(house, provider, answered)
    assert set(house.rows("SELECT batch_id, error FROM palette_tags")) == {(second.batch_id, None)}
    live = dump(house)
    for names in ([], [second.batch_id], [str(second.provider_batch_id)]):
        an_older_parser_wrote(house)
        done = reparse(house, provider, *names)
        assert done.batches == 2, "batches that carried the same requests are read together"
        assert dump(house) == live


def test_a_retry_that_a_better_parser_makes_needless_gives_way(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1), *twins()))
    first = round_of(house, provider, loud, reader=Picky())
    retry(house)
    second = round_of(house, provider, answered, reader=Picky())
    live = dump(house)
    assert set(house.rows("SELECT batch_id, mood[1] FROM palette_tags")) == {(second.batch_id, "calm")}
    done = reparse(house, provider)
    assert done.fates == {("invalid", "succeeded"): 2} and done.followed["consensus"] == 3
    assert set(house.rows("SELECT batch_id, mood[1] FROM palette_tags")) == {(first.batch_id, "loud")}
    assert reparse(house, provider, reader=Picky()).fates == {("succeeded", "invalid"): 2}
    assert dump(house) == live, "and back again"


@pytest.mark.parametrize("outcome", ["completed", "expired", "cancelled", "failed"])
@pytest.mark.parametrize("archived", [True, False], ids=["with its end", "collected before ends were archived"])
def test_what_was_not_answered_in_time(house: House, provider: ScriptedProvider, outcome: Any, archived: bool) -> None:
    ask(house, house.load(*(palette(n) for n in range(3))))
    odd = iter([answered, lambda _: b"{ cut", lambda _: None])
    batch = round_of(house, provider, lambda i: next(odd)(i), outcome=outcome, error="Why it ended.")
    live = dump(house)
    if not archived:
        house.archived(batch.batch_id, "state").unlink()
    house.write("DELETE FROM palette_tags")
    house.write("UPDATE batch_requests SET fate = 'invalid', error = 'old'")
    reparse(house, provider)
    assert dump(house) == live


def test_the_third_delivery_is_final_as_it_was(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    for _ in range(3):
        round_of(house, provider, lambda _: None)
    live = dump(house)
    assert "Asked in 3 batches" in live["palette_tags"][0][17] or "Asked in 3 batches" in str(live["palette_tags"])
    an_older_parser_wrote(house)
    reparse(house, provider)
    assert dump(house) == {**live, "batches": dump(house)["batches"]}
    assert house.rows("SELECT fate FROM palette_tags") == [("missing",)]


def test_what_a_person_closed_without_results_stands(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    round_of(house, provider, loud, reader=Picky())
    retry(house)
    batch = send(house, provider)

    def gone(_: str) -> None:
        raise BatchUnknownError("openai", "Never heard of it.")

    provider.before_poll = gone
    reader = reader_of(house.warehouse, house.store)
    patience = in_the_house(house)
    stop_batch(batch.batch_id, provider.connect, house.warehouse, reader, house.clock, patience, give_up=True)
    live = dump(house)
    assert house.rows("SELECT fate FROM palette_tags") == [("missing",)]
    assert reparse(house, provider, reader=Picky()).fates.total() == 0 and dump(house) == live
    reparse(house, provider)
    assert house.rows("SELECT fate, mood FROM palette_tags") == [("succeeded", ["loud"])]


def test_a_consensus_without_an_answer_goes_and_one_that_stays_the_same_is_not_touched(
    house: House, provider: ScriptedProvider
) -> None:
    ask(house, house.load(palette(1), palette(2)))
    kinds = iter([loud, answered])
    round_of(house, provider, lambda i: next(kinds)(i))
    before = house.rows("SELECT * FROM tag_consensus ORDER BY ALL")
    assert len(before) == 2
    done = reparse(house, provider, reader=Picky())
    left = house.rows("SELECT * FROM tag_consensus")
    assert done.followed["consensus"] == 1 and len(left) == 1 and left[0] in before


def spoil(house: House, batch: BatchRecord, how: str) -> str:
    """Damage one object of the batch; its name."""
    file = house.archived(batch.batch_id, {"other requests": "requests", "no end": "state"}.get(how, "results"))
    match how:
        case "gone":
            file.unlink()
        case "cut":
            file.write_bytes(file.read_bytes()[:-12])
        case "garbage":
            file.write_bytes(b"hello")
        case "other requests":
            file.write_bytes(gzip.compress(b'{"custom_id": "another"}\n'))
        case _:
            file.write_text('{"state": 1}')
    return f"batches/{batch.batch_id}/{file.name}"


@pytest.mark.parametrize("how", ["gone", "cut", "garbage", "other requests", "no end"])
def test_a_damaged_archive_is_named_and_its_rows_stay(house: House, provider: ScriptedProvider, how: str) -> None:
    ask(house, house.load(palette(1)))
    batch = round_of(house, provider, loud)
    ask(house, house.load(palette(2)))
    other = round_of(house, provider, loud)
    name = spoil(house, batch, how)
    done = reparse(house, provider, reader=Picky())
    assert [trouble[0] for trouble in done.troubles] == [batch.batch_id]
    assert name in done.troubles[0][1] and batch.batch_id in done.troubles[0][1]
    fates = dict(house.rows("SELECT batch_id, fate FROM palette_tags"))
    assert fates == {batch.batch_id: "succeeded", other.batch_id: "invalid"}


def test_ids_that_are_none_and_batches_that_are_open(house: House, provider: ScriptedProvider) -> None:
    ask(house, house.load(palette(1)))
    batch = send(house, provider)
    with pytest.raises(UsageError, match="no batch 'b-1'"):
        reparse(house, provider, "b-1")
    with pytest.raises(UsageError, match="is submitted: it has no answers"):
        reparse(house, provider, batch.batch_id)
    assert reparse(house, provider).batches == 0


def test_only_one_at_a_time(house: House, provider: ScriptedProvider) -> None:
    three_kinds(house, provider)
    with staging(house.warehouse, []), pytest.raises(WarehouseLockedError, match="Another `grabient reparse`"):
        reparse(house, provider)


def test_killed_before_the_end_of_the_swap_nothing_has_changed(house: House, provider: ScriptedProvider) -> None:
    three_kinds(house, provider)
    an_older_parser_wrote(house)
    before = dump(house)
    program = (
        "import sys; from pathlib import Path; from grabient_assets_tests.ledger import reparsing; "
        "reparsing.reparse_and_die(Path(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(house.folder)], timeout=HANGING_SECONDS, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (house.folder / "reparse.duckdb").exists()
    assert dump(house) == before
    assert reparse(house, provider).fates.total() == 2
    assert not (house.folder / "reparse.duckdb").exists()


LINES = {
    "answer": answered,
    "other answer": loud,
    "repaired": lambda i: answered(i, text='{"mood": ["calm"],}'),
    "chatter": lambda i: answered(i, text="No."),
    "other's": lambda i: answered(i, text='{"ref": "another", "mood": ["calm"]}'),
    "refused": lambda i: result_line(i, "refused", error="no"),
    "later": lambda i: result_line(i, "errored", error="busy", retryable=True),
    "expired": lambda i: result_line(i, "expired"),
    "nothing": lambda _: None,
}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(
        st.tuples(
            st.lists(st.sampled_from(sorted(LINES)), min_size=4, max_size=4),
            st.sampled_from(["completed", "expired", "cancelled"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_reparsing_is_collecting(rounds: list[tuple[list[str], Any, bool]], tmp_path_factory: Any) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    provider = ScriptedProvider(clock=house.clock)
    ask(house, house.load(palette(1), palette(2), *twins()))
    for kinds, outcome, again in rounds:
        if again:
            retry(house)
        batch = send_if_due(house, provider)
        if batch is None:
            continue
        known = f"openai-{len(provider.held)}"
        said = [LINES[kind](i) for kind, i in zip(kinds, provider.held[known].file.custom_ids, strict=False)]
        provider.end(known, [line for line in said if line is not None], outcome=outcome)
        collect(house, provider, batch)
    live = dump(house)
    reparse(house, provider)
    assert dump(house) == live

    def reparse_spoilt() -> dict[str, list[tuple[Any, ...]]]:
        house.write("UPDATE palette_tags SET fate = 'invalid', error = 'old', mood = NULL, cost_usd = 7")
        house.write("UPDATE batch_requests SET fate = 'invalid', error = 'old', cost_usd = 7")
        house.write("UPDATE tag_consensus SET models = 9, digest = 'old', votes = '{}', estimates = '{}'")
        reparse(house, provider)
        return dump(house)

    first = reparse_spoilt()
    assert without_estimates(first) == without_estimates(live)
    assert reparse_spoilt() == first, "the same twice"


def test_words_in_no_list_reach_the_checks_and_are_counted_again(house: House, provider: ScriptedProvider) -> None:
    """Also in rows that were stored before anybody counted them."""
    ask(house, house.load(palette(0)))
    said = '{"contrast": "enormous", "temperature": "warm", "harmony": ["triadic", "rainbow"], "mood": ["calm"]}'
    round_of(house, provider, lambda custom_id: answered(custom_id, text=said))
    before = house.rows("SELECT * FROM palette_tags")
    counted = house.rows("SELECT contrast, harmony, outside FROM palette_tags")
    assert counted == [(None, ["triadic"], ["contrast=enormous", "harmony=rainbow"])]
    with house.warehouse.read() as connection:
        assert [one.words for one in panels(connection).failing] == [("contrast=enormous",)]
        [model] = words_by_model(connection)
    assert (model.answers, model.words, model.outside) == (1, 4, 2)

    house.write("UPDATE palette_tags SET outside = NULL")
    with house.warehouse.read() as connection:
        assert panels(connection).failing == () and words_by_model(connection) == []
    reparse(house, provider)
    assert house.rows("SELECT * FROM palette_tags") == before
