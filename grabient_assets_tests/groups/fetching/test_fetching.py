"""Sources of all kinds over real sockets to the emulator: what is read, what dies, and what is tried again when."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.fetching.queue import dead_letters, lease_next, lost_leases, named_letters, redrive
from grabient_assets.sources.pages import Fetched, Fetchers
from grabient_assets.sources.problem import SourceProblem
from grabient_assets_tests.groups.knowledge.place import Knowledge

PAGE = "https://sales.example/articles/handling-price"
VIDEO = "https://youtu.be/price-talk1"
TEXT = "When the price is too high for a customer, ask what it is compared with. " * 5


def classes(knowledge: Knowledge) -> dict[str, str]:
    with knowledge.warehouse.read() as connection:
        return {one.locator.rpartition("/")[2]: one.error_class for one in dead_letters(connection)}


def test_a_video_a_page_and_a_file_are_read_with_their_place(knowledge: Knowledge) -> None:
    made = knowledge.make(VIDEO, PAGE, knowledge.file("notes.md", f"# Notes\n\n{TEXT}"))
    assert {one.problem for one in knowledge.fetch()} == {None}
    rows = knowledge.rows(
        "SELECT kind, quality, generated, seconds > 60, characters > 200, title FROM sources ORDER BY kind"
    )
    assert rows == [
        ("document", None, None, None, True, "Notes"),
        ("url", None, None, None, True, rows[1][5]),
        ("youtube", 1.0, False, True, True, "It is too expensive: what to say next"),
    ]
    assert knowledge.status(made).content_processed == 3
    chunks = knowledge.rows(
        "SELECT count(*), count(t_start), bool_and(len(text) = char_end - char_start) FROM chunks "
        "WHERE source_id = 'yt_price-talk1'"
    )
    assert chunks[0][0] > 1 and chunks[0][0] == chunks[0][1] and chunks[0][2]
    assert knowledge.rows("SELECT count(*) FROM asks WHERE purpose = 'extraction' AND state = 'open'") == [(27,)]
    for (key,) in knowledge.rows("SELECT object_key FROM sources"):
        assert knowledge.store.get(key)


def test_what_is_no_text_dies_at_once_with_its_class_and_the_others_go_on(knowledge: Knowledge, tmp_path: Path) -> None:
    base = "https://sales.example"
    (tmp_path / "photo.txt").write_bytes(bytes(range(256)) * 20)
    pages = ["files/scan.pdf", "files/one-word.txt", "missing/x", "captcha", "files/broken.pdf", "files/archive.zip"]
    knowledge.make(PAGE, str(tmp_path / "photo.txt"), *(f"{base}/{one}" for one in pages))
    done = knowledge.fetch()
    assert len(done) == 8 and sum(one.problem is None for one in done) == 1
    assert classes(knowledge) == {
        "photo.txt": "binary",
        "scan.pdf": "no_text",
        "one-word.txt": "one_word",
        "x": "error_page",
        "captcha": "error_page",
        "broken.pdf": "broken",
        "archive.zip": "wrong_type",
    }
    assert knowledge.rows("SELECT DISTINCT attempts FROM source_queue WHERE status = 'dead'") == [(1,)]
    assert knowledge.rows(
        "SELECT count(*) FROM chunks c JOIN sources s USING (source_id) WHERE s.object_key IS NULL"
    ) == [(0,)]


def test_private_addresses_are_refused_at_the_door_and_behind_it(knowledge: Knowledge) -> None:
    doors = [
        *("http://127.0.0.1/", "http://10.0.0.1/x", "file:///etc/passwd", "ftp://sales.example/"),
        "https://www.youtube.com/playlist?list=PL1234",
    ]
    planned = knowledge.plan(PAGE, *doors)
    assert len(planned.references) == 1 and len(planned.refused) == len(doors)
    knowledge.make(PAGE, "https://db.private.example/", "https://sales.example/redirects/private")
    knowledge.fetch()
    assert set(classes(knowledge).values()) == {"private_address"} and len(classes(knowledge)) == 2
    with pytest.raises(UsageError, match=r"10\.0\.0\.1"):
        knowledge.plan("http://10.0.0.1/x")


def test_a_server_that_is_ill_twice_is_asked_three_times_with_growing_waits(knowledge: Knowledge) -> None:
    knowledge.emulator.faults({"match": {"route": "page", "to": 2}, "action": {"do": "status", "status": 503}})
    made = knowledge.make(PAGE)
    waits: list[timedelta] = []
    for attempt in (1, 2):
        [done] = knowledge.fetch()
        assert done.problem is not None and done.problem.error_class == "http_5xx" and not done.dead
        assert knowledge.fetch() == []
        [(attempts, due)] = knowledge.rows("SELECT attempts, scheduled_for FROM source_queue")
        assert attempts == attempt
        waits.append(due - knowledge.now)
        knowledge.now = due
    assert timedelta(seconds=22) < waits[0] < timedelta(seconds=38)
    assert abs(waits[1] - 2 * waits[0]) < timedelta(milliseconds=1)
    [done] = knowledge.fetch()
    assert done.problem is None and knowledge.status(made).content_processed == 1
    assert knowledge.rows("SELECT status, attempts, last_error FROM source_queue") == [("done", 3, None)]
    assert knowledge.rows("SELECT error FROM sources") == [(None,)]


def test_four_attempts_then_a_dead_letter_and_its_redrive_is_a_new_item(knowledge: Knowledge) -> None:
    knowledge.emulator.faults({"match": {"route": "page"}, "action": {"do": "status", "status": 503}})
    made = knowledge.make(PAGE)
    for _ in range(4):
        knowledge.fetch()
        knowledge.pass_time(timedelta(minutes=15))
    assert knowledge.fetch() == []
    [(item, status, attempts)] = knowledge.rows("SELECT item_id, status, attempts FROM source_queue")
    assert (status, attempts) == ("dead", 4) and knowledge.status(made).dead == 1
    knowledge.emulator.faults()
    with knowledge.warehouse.write() as connection:
        letters = named_letters(connection, "http_5xx", None)
        assert redrive(connection, letters, knowledge.now) == [letters[0].source_id]
        assert redrive(connection, letters, knowledge.now) == []
    assert [one.problem for one in knowledge.fetch()] == [None]
    rows = knowledge.rows("SELECT status, redriven_from FROM source_queue ORDER BY queued_at")
    assert rows == [("dead", None), ("done", item)]
    with knowledge.warehouse.read() as connection:
        assert dead_letters(connection) == []
        with pytest.raises(UsageError, match="no workflow, item, source or class"):
            named_letters(connection, "nonsense", None)
    assert knowledge.rows("SELECT count(*) FROM chunks") == knowledge.rows(
        "SELECT count(DISTINCT chunk_id) FROM chunks"
    )


@pytest.mark.parametrize(
    ("fault", "expected", "attempts"),
    [
        ({"do": "blocked"}, "blocked", 4),
        ({"do": "disabled"}, "disabled", 1),
        ({"do": "age_restricted"}, "age_restricted", 1),
        ({"do": "empty_body"}, "empty_body", 2),
    ],
)
def test_blocked_is_tried_again_disabled_is_not_and_an_empty_body_once(
    knowledge: Knowledge, fault: dict[str, str], expected: str, attempts: int
) -> None:
    knowledge.emulator.faults({"match": {"route": "transcript"}, "action": fault})
    knowledge.make(VIDEO)
    for _ in range(5):
        knowledge.fetch()
        knowledge.pass_time(timedelta(minutes=15))
    rows = knowledge.rows("SELECT status, error_class, attempts FROM source_queue")
    assert rows == [("dead", expected, attempts)]


def test_ten_sources_behind_five_hundred_come_first_and_never_more_than_five_at_a_time(knowledge: Knowledge) -> None:
    names = [f"https://sales.example/same/{number}" for number in range(500)]
    knowledge.make(*names, name="large")
    knowledge.pass_time(timedelta(seconds=1))
    knowledge.make(*(f"https://other.example/same/{number}" for number in range(10)), name="small")
    order: list[str] = []
    at_work, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(5, timeout=60)

    def page(url: str, *_: object) -> Fetched:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
            order.append(url)
        if len(order) <= 505:  # five at a time arrive here, so that each wave is whole
            together.wait()
        with lock:
            at_work -= 1
        if len(order) > 15:
            raise SourceProblem("gone_file", "The test has seen enough.")
        return Fetched((TEXT + url).encode(), "text/plain", None, None, url)

    done = knowledge.fetch(Fetchers(lambda _: Fetched(b"", None, None, None, ""), page), parallel=5)
    assert len(done) == 510 and most == 5
    assert {url.split("/")[2] for url in order[:10]} == {"other.example"}


def test_a_lease_of_a_dead_process_expires_and_what_it_fetched_is_thrown_away(knowledge: Knowledge) -> None:
    knowledge.make(PAGE)
    late: list[str] = []

    def slow(url: str, *_: object) -> Fetched:
        if not late:  # while this process sleeps, its lease expires and another one fetches
            late.append(url)
            knowledge.pass_time(timedelta(minutes=6))
            assert [one.problem for one in knowledge.fetch(Fetchers(transcript, quick))] == [None]
        return Fetched((TEXT * 2).encode(), "text/plain", None, None, url)

    def quick(url: str, *_: object) -> Fetched:
        return Fetched(TEXT.encode(), "text/plain", None, None, url)

    def transcript(_: str) -> Fetched:
        raise AssertionError

    knowledge.fetch(Fetchers(transcript, slow))
    [(characters,)] = knowledge.rows("SELECT characters FROM sources")
    assert characters == len(TEXT.strip())
    assert knowledge.rows("SELECT status, attempts FROM source_queue") == [("done", 2)]


def test_an_unchanged_page_costs_nothing_and_a_changed_one_is_asked_about_anew(knowledge: Knowledge) -> None:
    knowledge.make(PAGE)
    knowledge.fetch()
    knowledge.settle()
    before = knowledge.rows("SELECT count(*) FROM batch_requests")
    knowledge.pass_time(timedelta(hours=25))
    knowledge.make(PAGE, name="again")
    assert [one.changed for one in knowledge.fetch()] == [False]
    knowledge.settle()
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == before == [(9,)]
    assert knowledge.emulator.calls("web")["page"] == 2
    knowledge.emulator.faults({"match": {"route": "page"}, "action": {"do": "changed"}})
    knowledge.pass_time(timedelta(hours=25))
    knowledge.make(PAGE, name="third")
    assert [one.changed for one in knowledge.fetch()] == [True]
    knowledge.settle()
    assert knowledge.rows("SELECT count(*) FROM batch_requests") == [(18,)]
    knowledge.pass_time(timedelta(hours=1))
    knowledge.make(PAGE, name="fresh")
    assert knowledge.fetch() == []


def test_a_fault_of_a_library_kills_one_source_and_a_long_retry_after_is_cut(knowledge: Knowledge) -> None:
    knowledge.make(PAGE, "https://sales.example/other", "https://sales.example/busy")

    def page(url: str, *_: object) -> Fetched:
        if url == PAGE:
            raise RecursionError("too deep")
        if url.endswith("busy"):
            raise SourceProblem("blocked", "Come back in a year.", retry_after=1e300)
        return Fetched(TEXT.encode(), "text/plain", None, None, url)

    done = knowledge.fetch(Fetchers(lambda _: Fetched(b"", None, None, None, ""), page))
    assert sorted(str(one.problem and one.problem.error_class) for one in done) == ["None", "blocked", "unforeseen"]
    [(error,)] = knowledge.rows("SELECT error FROM sources WHERE error_class = 'unforeseen'")
    assert "RecursionError: too deep" in error
    [(due,)] = knowledge.rows("SELECT scheduled_for FROM source_queue WHERE status = 'queued'")
    assert abs(due - knowledge.now - timedelta(hours=1)) < timedelta(milliseconds=1)


def test_who_is_interrupted_gives_its_source_back_untried(knowledge: Knowledge) -> None:
    knowledge.make(PAGE)

    def page(*_: object) -> Fetched:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        knowledge.fetch(Fetchers(lambda _: Fetched(b"", None, None, None, ""), page))
    assert knowledge.rows("SELECT status, attempts, lease FROM source_queue") == [("queued", 0, None)]
    assert [one.problem for one in knowledge.fetch()] == [None]


def test_the_lease_of_a_process_that_is_gone_is_taken_over_at_once(knowledge: Knowledge) -> None:
    knowledge.make(PAGE, "https://sales.example/articles/think-about-it")
    code = (
        "import sys; from datetime import datetime; from pathlib import Path\n"
        "from grabient_assets.groups.fetching.queue import lease_next\n"
        "from grabient_assets.warehouse.connection import Warehouse\n"
        "with Warehouse(Path(sys.argv[1])).write() as connection:\n"
        "    print(lease_next(connection, 5, datetime.fromisoformat(sys.argv[2])).item_id)\n"
    )
    command = [sys.executable, "-c", code, str(knowledge.warehouse.path), knowledge.now.isoformat()]
    item = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert knowledge.rows("SELECT item_id FROM source_queue WHERE status = 'leased'") == [(item,)]
    assert [one.problem for one in knowledge.fetch()] == [None, None]
    assert sorted(knowledge.rows("SELECT attempts, status FROM source_queue")) == [(1, "done"), (2, "done")]


def test_a_lease_of_a_living_process_is_left_alone(knowledge: Knowledge) -> None:
    knowledge.make(PAGE)
    with knowledge.warehouse.write() as connection:
        assert lease_next(connection, 5, knowledge.now) is not None
    assert knowledge.fetch() == []
    with knowledge.warehouse.read() as connection:
        assert lost_leases(connection, knowledge.now + timedelta(minutes=4)) == []
        assert len(lost_leases(connection, knowledge.now + timedelta(minutes=6))) == 1


def test_only_the_sources_that_are_named_are_fetched(knowledge: Knowledge) -> None:
    knowledge.make(PAGE, VIDEO)
    with knowledge.warehouse.write() as connection:
        assert lease_next(connection, 5, knowledge.now, ["yt_of-nobody"]) is None
        item = lease_next(connection, 5, knowledge.now, ["yt_price-talk1"])
    assert item is not None and item.source_id == "yt_price-talk1"
