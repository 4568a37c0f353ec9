"""What models say of sources: asked once, grounded in the text, quarantined otherwise, and healed by `reparse`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from grabient_assets.groups.fetching.queue import dead_letters
from grabient_assets.groups.knowledge.coverage import read_coverage
from grabient_assets.groups.knowledge.workflows import ask_failed_again, delete_workflow
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.reparse import reparse_batches
from grabient_assets.providers.connect import line_reader
from grabient_assets.sources.pages import Fetched, Fetchers
from grabient_assets_tests.groups.knowledge.place import Knowledge

VIDEO, SECOND = "https://youtu.be/price-talk1", "https://youtu.be/obj-mindset"
PAGE = "https://sales.example/articles/handling-price"


def read(knowledge: Knowledge) -> None:
    knowledge.fetch()
    knowledge.settle()


def reasons(knowledge: Knowledge) -> dict[str | None, int]:
    return dict(knowledge.rows("SELECT reason, count(*) FROM knowledge_entries GROUP BY 1"))


def test_every_entry_that_counts_stands_in_the_text_at_its_place_and_second(knowledge: Knowledge) -> None:
    made = knowledge.make(VIDEO, PAGE)
    read(knowledge)
    status = knowledge.status(made)
    assert status.status == "embedding" and status.entries > 10 and status.failed_cells == 0
    texts = {
        source: "".join(parts)
        for source, parts in knowledge.rows(
            "SELECT source_id, list(segments::VARCHAR) FROM source_windows GROUP BY ALL"
        )
    }
    rows = knowledge.rows(
        "SELECT source_id, quote, quote_start, quote_end, t_start FROM knowledge_entries WHERE state = 'ok'"
    )
    assert len(rows) > 10
    for source, quote, start, end, second in rows:
        said = [(t, at, text) for t, at, text in json.loads(texts[source])]
        covering = [(at, text) for _, at, text in said if at < end and at + len(text) > start]
        inside = " ".join(text[max(0, start - at) : end - at] for at, text in covering)
        assert " ".join(inside.split()).casefold() == " ".join(quote.split()).casefold()
        if source.startswith("yt_"):
            [begins] = [t for t, at, text in said if at <= start < at + len(text) + 1]
            assert second == begins
        else:
            assert second is None
    cost = knowledge.rows("SELECT count(*), sum(cost_usd) > 0, bool_and(cost_usd IS NOT NULL) FROM extractions")
    assert cost == [(18, True, True)]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ungrounded", "Its quote does not stand in the text."),
        ("over_long", "40 are the most."),
        ("off_type", "is none of technique"),
        ("injected", "instructions"),
    ],
)
def test_entries_that_break_a_rule_are_kept_with_the_reason_and_never_count(
    knowledge: Knowledge, fault: str, words: str
) -> None:
    knowledge.emulator.faults({"match": {"route": "answer"}, "action": {"do": fault}})
    made = knowledge.make(VIDEO, areas=(4,))
    read(knowledge)
    found = {reason for reason in reasons(knowledge) if reason is not None}
    assert any(words in reason for reason in found), found
    kept = knowledge.rows("SELECT count(*) FROM knowledge_entries WHERE state = 'quarantined'")
    assert kept[0][0] > 0 and knowledge.status(made).entries == dict(reasons(knowledge)).get(None, 0)


def test_a_changed_rule_heals_stored_answers_without_asking(knowledge: Knowledge) -> None:
    made = knowledge.make(VIDEO, areas=(4,))
    read(knowledge)
    good = knowledge.rows("SELECT entry_id, state, reason FROM knowledge_entries ORDER BY 1")
    assert {row[1] for row in good} >= {"ok"}
    # As an earlier version with a stricter rule would have left it.
    with knowledge.warehouse.write() as connection:
        found = json.loads(connection.execute("SELECT found FROM extractions").fetchall()[0][0])
        strict = [one | {"reason": "Its content has 20 words; 10 are the most."} for one in found]
        connection.execute("UPDATE extractions SET found = $1, entries = 0", [json.dumps(strict)])
        connection.execute("UPDATE knowledge_entries SET state = 'quarantined', reason = 'strict'")
    assert knowledge.status(made).entries == 0
    requests = knowledge.rows("SELECT count(*) FROM batch_requests")
    [(batch,)] = knowledge.rows("SELECT batch_id FROM batches")
    done = reparse_batches(
        [batch],
        None,
        knowledge.warehouse,
        knowledge.store,
        PURPOSES,
        reader_of(knowledge.warehouse, knowledge.store),
        line_reader,
        ("google",),
    )
    assert done
    assert knowledge.rows("SELECT entry_id, state, reason FROM knowledge_entries ORDER BY 1") == good
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == requests


def test_a_second_workflow_over_the_same_source_asks_nothing_again(knowledge: Knowledge) -> None:
    knowledge.make(VIDEO)
    read(knowledge)
    other = knowledge.make(VIDEO, name="again", areas=(3, 4))
    read(knowledge)
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == [(9,)]
    assert knowledge.status(other).entries > 0 and knowledge.status(other).status == "embedding"


def test_equal_texts_of_two_sources_are_one_request_and_entries_of_both(knowledge: Knowledge) -> None:
    text = "Never cut the price before you know what it is compared with. Ask what too expensive means to them. " * 4
    knowledge.make(knowledge.file("one.txt", text), knowledge.file("two.txt", text), areas=(4,))
    read(knowledge)
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == [(1,)]
    assert knowledge.rows("SELECT count(*), count(DISTINCT custom_id) FROM extractions") == [(2, 1)]
    per_source = knowledge.rows("SELECT source_id, count(*) FROM workflow_entries GROUP BY 1 ORDER BY 1")
    assert len(per_source) == 2 and per_source[0][1] == per_source[1][1] > 0
    assert knowledge.rows("SELECT cost_usd = 0 FROM extractions ORDER BY cost_usd") == [(True,), (False,)]


def test_a_changed_text_keeps_its_entries_until_the_new_ones_are_read(knowledge: Knowledge) -> None:
    texts = [
        "Ask what too expensive means to them, and compare the price with the cost of doing nothing at all. "
        "When they ask for a discount, never say yes in the same meeting. Tell them what the price has in it first."
    ]

    def page(url: str, *_: object) -> Fetched:
        return Fetched(texts[-1].encode(), "text/plain", None, None, url)

    fetchers = Fetchers(lambda _: Fetched(b"", None, None, None, ""), page)
    first = knowledge.make(PAGE, areas=(4,))
    knowledge.fetch(fetchers)
    knowledge.settle()
    old = knowledge.rows("SELECT content FROM workflow_entries ORDER BY 1")
    assert old
    texts.append(
        "A price is only too high when nobody has said what it is worth to the customer in a year. "
        "If they want it cheaper, take something out of the offer. Then the price they pay is still the right price."
    )
    knowledge.pass_time(timedelta(hours=25))
    knowledge.make(PAGE, name="later", areas=(4,))
    assert [one.changed for one in knowledge.fetch(fetchers)] == [True]
    own = "SELECT content FROM workflow_entries WHERE workflow_id = ? ORDER BY 1"
    assert knowledge.rows(own, first.workflow_id) == old
    assert knowledge.status(first).status == "extracting"
    knowledge.settle()
    new = knowledge.rows(own, first.workflow_id)
    assert new and not {row[0] for row in new} & {row[0] for row in old}
    assert knowledge.rows("SELECT count(DISTINCT custom_id) FROM knowledge_entries") == [(1,)]


def test_cells_without_a_word_of_their_area_are_skipped_and_counted_apart(knowledge: Knowledge) -> None:
    text = "The price is too high, says the customer, and then we talk about what it costs to do nothing at all. " * 4
    knowledge.make(knowledge.file("price.txt", text), skip_hopeless=True)
    read(knowledge)
    with knowledge.warehouse.read() as connection:
        states = {one.focus_area: one.state for one in read_coverage(connection).cells}
    assert states[4] == "ok" and states[7] == states[9] == "skipped"
    asked = knowledge.rows("SELECT count(*) FROM batch_requests")[0][0]
    assert asked == sum(state != "skipped" for state in states.values()) < 9
    knowledge.make(knowledge.file("price.txt", text), name="all", areas=(7,))
    knowledge.settle()
    with knowledge.warehouse.read() as connection:
        states = {one.focus_area: one.state for one in read_coverage(connection).cells}
    assert states[7] == "empty" and states[9] == "skipped"


def test_a_cell_that_failed_is_asked_again_alone_and_progress_never_falls(knowledge: Knowledge) -> None:
    made = knowledge.make(VIDEO)
    seen = [knowledge.status(made).progress]
    knowledge.fetch()
    stems = knowledge.rows("SELECT stem FROM asks WHERE subject LIKE '%|fa1|%' OR subject LIKE '%|fa4|%'")
    spoilt = {"do": "garbage", "custom_ids": [f"{stem}-00" for (stem,) in stems]}
    knowledge.emulator.faults({"match": {"route": "create"}, "action": spoilt})
    seen.append(knowledge.status(made).progress)
    knowledge.settle()
    status = knowledge.status(made)
    seen.append(status.progress)
    assert status.failed_cells == 2 and seen == sorted(seen)
    knowledge.emulator.faults()
    with knowledge.warehouse.write() as connection:
        fetched, again = ask_failed_again(connection, made, "emulator", datetime.now(UTC))
    assert (fetched, again) == ([], ["yt_price-talk1"])
    before = knowledge.rows("SELECT count(*) FROM batch_requests")[0][0]
    knowledge.settle()
    assert knowledge.rows("SELECT count(*) FROM batch_requests")[0][0] == before + 2
    assert knowledge.status(made).failed_cells == 0 and knowledge.status(made).progress >= seen[-1]


def test_a_deleted_workflow_waits_for_nothing(knowledge: Knowledge) -> None:
    made, other = knowledge.make(VIDEO, PAGE), knowledge.make(PAGE, name="other")
    delete_workflow(knowledge.warehouse, made, knowledge.now)
    assert len(knowledge.fetch()) == 1  # the page of the other one
    assert knowledge.rows("SELECT source_id, status FROM source_queue WHERE status = 'cancelled'") == [
        ("yt_price-talk1", "cancelled")
    ]
    delete_workflow(knowledge.warehouse, other, knowledge.now)
    knowledge.settle()
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == [(0,)]
    assert knowledge.rows("SELECT DISTINCT state FROM asks WHERE purpose = 'extraction'") == [("stopped",)]
    with knowledge.warehouse.read() as connection:
        assert dead_letters(connection) == []
    assert knowledge.rows("SELECT count(*) FROM workflow_status") == [(0,)]
