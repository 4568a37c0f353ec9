"""`grabient knowledge`, typed as a person types it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
from rich.console import Console

from grabient_assets.cli.knowledge_search import marked_quote, show_hit
from grabient_assets.groups.retrieval.hits import KnowledgeHit
from grabient_assets.headless.knowledge_documents import write_entries
from grabient_assets.headless.showcase import TALKS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import emulator, typed
from grabient_assets_tests.groups.knowledge.planted_workflow import NOW, WORKFLOW, Said, Told, plant

TALK = TALKS / "price-and-value.json"
VIDEO = "yt_price-talk1"
CONTRACT = ["rank", "score", "content", "type", "focus_area", "source_id", "title", "t_start", "url", "quote"]


def test_from_sources_to_hits_and_away(tmp_path: Path) -> None:
    listed = tmp_path / "sources.txt"
    listed.write_text(f"# talks\n{TALK}\nhttps://youtu.be/price-talk1\n", encoding="utf-8")
    wish = ("talks", "http://127.0.0.1/x", "https://www.youtube.com/@somebody", "--list", listed, "--areas", "4,7")
    with emulator(tmp_path, "--polls", "1") as values:
        planned = typed(tmp_path, "knowledge", "new", *wish, "--plan", "--json", **values)
        assert planned.code == 0 and len(planned.json["refused"]) == 2, planned.err
        assert planned.json["areas"] == [4, 7] and planned.json["extractors"] == ["gemini-3.5-flash-lite"]
        usd = planned.json["usd"]
        assert 0 < usd["low"] <= usd["expected"] <= usd["high"] and planned.json["workflow_id"] is None
        assert "private network" in planned.err and "without an API key" in planned.err
        assert typed(tmp_path, "knowledge", "status", "--json", **values).json == {"workflows": []}

        made = typed(tmp_path, "knowledge", "new", *wish, "--json", **values)
        workflow = made.json["workflow_id"]
        assert made.code == 0 and (made.json["status"], made.json["progress"]) == ("queued", 0)
        [under_way] = typed(tmp_path, "status", "--json", **values).json["workflows"]
        assert under_way == {"workflow_id": workflow, "name": "talks", "status": "queued", "progress": 0}
        assert "Knowledge: talks is queued, 0 %" in typed(tmp_path, "status", **values).out

        ended = typed(tmp_path, "knowledge", "run", "talks", "--json", **values)
        assert ended.code == 0, ended.err
        status = ended.json
        assert (status["status"], status["progress"], status["content_processed"]) == ("completed", 100, 2)
        assert status["entries"] == status["index_size"] > 4 and len(status["latest_entries"]) == 5
        assert status["dead"] == status["failed_cells"] == 0 and 0 < status["cost_usd"] < usd["high"]
        [again] = typed(tmp_path, "knowledge", "status", "--json", **values).json["workflows"]
        assert (again["workflow_id"], again["entries"]) == (workflow, status["entries"])
        assert "completed, 100 %" in typed(tmp_path, "knowledge", "status", workflow[:12], **values).out
        assert typed(tmp_path, "status", "--json", **values).json["workflows"] == []

        asked = ("knowledge", "search", "the price is too high", "--areas", "4", "--workflow", "talks")
        found = typed(tmp_path, *asked, "--limit", "40", "--json", **values).json
        assert found["query"] == "the price is too high" and list(found["hits"][0])[: len(CONTRACT)] == CONTRACT
        assert {hit["focus_area"] for hit in found["hits"]} == {4}
        for hit in found["hits"]:
            quoted = hit["passage"][hit["quote_start"] : hit["quote_end"]]
            assert quoted and hit["quote"].split()[:3] == quoted.split()[:3]
            if hit["source_id"] == VIDEO:
                assert hit["url"] == f"https://www.youtube.com/watch?v=price-talk1&t={int(hit['t_start'])}s"
        assert {hit["source_id"] for hit in found["hits"]} > {VIDEO}
        shown = typed(tmp_path, *asked, "--limit", "1", "--types", "technique", **values).out
        assert ">> " in shown and f"request {found['hits'][0]['custom_id'][:8]}" in shown and "4 price" in shown
        none = typed(tmp_path, *asked, "--threshold", "1", "--json", **values)
        assert none.code == 0 and none.json["hits"] == []

        covered = typed(tmp_path, "knowledge", "coverage", "--svg", tmp_path / "c.svg", "--json", **values).json
        assert covered["cells"] == 4 and covered["coverage"] == 1 and covered["workflow_id"] == workflow
        assert (tmp_path / "c.svg").read_text(encoding="utf-8").lstrip().startswith("<svg")
        assert "100% covered" in typed(tmp_path, "knowledge", "coverage", **values).out

        rows = [json.loads(line) for line in typed(tmp_path, "knowledge", "export", "talks", **values).out.splitlines()]
        assert len({row["entry_id"] for row in rows}) >= status["entries"]
        assert {row["area"] for row in rows} == {"price", "competitors"} and all(row["custom_id"] for row in rows)
        out = tmp_path / "entries.parquet"
        wrote = typed(tmp_path, "knowledge", "export", "talks", "--format", "parquet", "--out", out, **values)
        assert wrote.code == 0 and f"Exported {len(rows)} entries" in wrote.err
        assert duckdb.sql(f"SELECT count(*) FROM '{out}'").fetchall() == [(len(rows),)]

        same = typed(tmp_path, "knowledge", "add", "talks", TALK, "--run", "--json", **values)
        assert same.code == 0 and same.json["entries"] == status["entries"]
        assert same.json["cost_usd"] == status["cost_usd"]

        kept = typed(tmp_path, "knowledge", "delete", "talks", **values)
        assert kept.code == 2 and "Deleting it needs --yes" in kept.err
        gone = typed(tmp_path, "knowledge", "delete", "talks", "--yes", "--json", **values)
        assert gone.code == 0 and gone.json == {"workflow_id": workflow, "name": "talks", "vectors_left": 0}
        assert typed(tmp_path, "knowledge", "status", "talks", **values).code == 2


def test_dead_letters_are_shown_tried_on_their_bytes_and_driven_again(tmp_path: Path) -> None:
    broken = tmp_path / "talk.txt"
    broken.write_bytes(b"\x00\x01\x02" * 1000)
    sources = (broken, "https://sales.example/missing/page")
    with emulator(tmp_path, "--polls", "1") as values:
        ended = typed(tmp_path, "knowledge", "new", "poison", *sources, "--areas", "4", "--run", "--json", **values)
        assert ended.code == 1 and (ended.json["status"], ended.json["dead"]) == ("failed", 2), ended.err
        dead = typed(tmp_path, "knowledge", "dead", "--dry-run", "--json", **values).json["dead"]
        assert {(one["error_class"], one["attempts"]) for one in dead} == {("binary", 1), ("error_page", 1)}
        assert all("refused again" in one["redrive_would"] for one in dead)
        binary = next(one for one in dead if one["error_class"] == "binary")
        shown = typed(tmp_path, "knowledge", "dead", "poison", **values).out
        assert binary["item_id"] in shown and "2 dead letters" in shown and "refused again" not in shown

        broken.write_text(" ".join(one["text"] for one in json.loads(TALK.read_text())["segments"]))
        dry = typed(tmp_path, "knowledge", "redrive", "binary", "--dry-run", "--json", **values)
        assert [one["item_id"] for one in dry.json["dead"]] == [binary["item_id"]]
        mended = typed(tmp_path, "knowledge", "redrive", "binary", "--run", "--json", **values)
        assert mended.code == 1 and mended.json["fetched_again"] == [binary["source_id"]]
        assert (mended.json["status"], mended.json["dead"]) == ("completed_with_dead", 1)
        assert mended.json["entries"] == mended.json["index_size"] > 0
        with Warehouse(tmp_path / "grabient.duckdb").read() as connection:
            rows = connection.execute("SELECT redriven_from FROM source_queue WHERE status = 'done'").fetchall()
        assert rows == [(binary["item_id"],)]

        nothing = typed(tmp_path, "knowledge", "redrive", binary["item_id"], "--json", **values)
        assert nothing.code == 0 and nothing.json == {"fetched_again": [], "asked_again": []}
        assert "nothing to re-drive" in nothing.err
        unknown = typed(tmp_path, "knowledge", "redrive", "http_999", **values)
        assert unknown.code == 2 and "Classes now: error_page" in unknown.err
        whole = typed(tmp_path, "knowledge", "redrive", "poison", "--json", **values)
        assert whole.code == 0 and len(whole.json["fetched_again"]) == 1


def test_what_has_no_money_waits_and_says_so(tmp_path: Path) -> None:
    with emulator(tmp_path, "--polls", "1") as values:
        capped = ("--areas", "4", "--max-usd", "0.000001", "--run", "--json")
        ended = typed(tmp_path, "knowledge", "new", "poor", TALK, *capped, **values)
        assert ended.code == 1 and (ended.json["status"], ended.json["cost_usd"]) == ("extracting", 0.0)
        assert "more than --max-usd 0.000001" in ended.err and "with --max-usd 0.00" in ended.err
        richer = typed(tmp_path, "knowledge", "run", "poor", "--max-usd", "0.1", "--json", **values)
        assert richer.code == 0, richer.err
        assert richer.json["status"] == "completed" and 0 < richer.json["cost_usd"] < 0.1


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    def refused(*more: str | Path) -> str:
        ended = typed(tmp_path / "data", "knowledge", "new", *more)
        assert ended.code in (1, 2) and ended.out == "", ended.out
        return ended.err

    assert "needs at least one source" in refused("empty")
    assert "overlap" in refused("a", TALK, "--chunk-size", "100", "--overlap", "100")
    assert "--type is 'film'" in refused("a", TALK, "--type", "film")
    assert "from 1 to 9" in refused("a", TALK, "--areas", "10")
    assert "a workflow of type youtube takes none" in refused("a", "https://sales.example/a", "--type", "youtube")
    assert "is no file" in refused("a", tmp_path / "no-such-file.txt")
    assert "gpt-9" in refused("a", TALK, "--extractors", "gpt-9")
    assert "The embedder is 'other'" in refused("a", TALK, "--embedder", "other")
    assert "The store is 'vectorize'" in refused("a", TALK, "--store", "vectorize")
    assert "cannot be read" in refused("a", "--list", tmp_path / "none.txt")
    assert not (tmp_path / "data" / "grabient.duckdb").exists()


def test_before_there_is_a_workflow_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    for words in (("run",), ("coverage",), ("export", "latest"), ("delete", "latest", "--yes"), ("redrive", "binary"),
                  ("add", "latest", TALK), ("status", "latest"), ("search", "price")):  # fmt: skip
        ended = typed(tmp_path / "data", "knowledge", *words)
        assert ended.code == 2 and "grabient knowledge new" in ended.err, words
    assert typed(tmp_path / "data", "knowledge", "status").code == 0
    assert typed(tmp_path / "data", "knowledge", "dead", "--json").json == {"dead": []}
    assert not (tmp_path / "data" / "grabient.duckdb").exists()


def test_a_spreadsheet_takes_nothing_of_a_csv_for_a_formula(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    evil = [Said("=HYPERLINK(1)", "@sum of it"), Said("-2+3 is nothing", "+1 for you"), Said("plain", "=1")]
    with warehouse.write() as connection:
        workflow = plant(connection, [Told("yt_aaaaaaaaaaa", "=cmd|'/c calc'!A1", {4: evil}, seconds=75.5)])
    stream = io.BytesIO()
    assert write_entries(warehouse, workflow, "csv", None, stream)[0] == 3
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode())))
    assert {row["content"] for row in rows} == {"'=HYPERLINK(1)", "'-2+3 is nothing", "plain"}
    assert {row["quote"] for row in rows} == {"'@sum of it", "'+1 for you", "'=1"}
    assert {row["title"] for row in rows} == {"'=cmd|'/c calc'!A1"}
    assert {row["workflow_id"] for row in rows} == {WORKFLOW} and rows[0]["created_at"].startswith(f"{NOW:%Y-%m-%d}")
    plain = io.BytesIO()
    write_entries(warehouse, workflow, "jsonl", None, plain)
    assert {json.loads(line)["content"] for line in plain.getvalue().splitlines()} >= {"=HYPERLINK(1)", "plain"}


def hit(passage: str, start: int, end: int, title: str = "Talk") -> KnowledgeHit:
    place = (title, 83.2, "https://www.youtube.com/watch?v=aaaaaaaaaaa&t=83s", passage[start:end])
    request = ("e", WORKFLOW, "c-1-00", "b")
    return KnowledgeHit(1, 0.5, "Be silent.", "technique", 4, "yt_aaaaaaaaaaa", *place, *request, passage, start, end)


def test_a_quote_is_marked_in_its_passage() -> None:
    passage = "One. Then be silent, and wait."
    start = passage.index("be silent")
    plain = marked_quote(hit(passage, start, start + 9), colours=False)
    assert plain.plain == "One. Then >> be silent <<, and wait."
    assert marked_quote(hit(passage, start, start + 9), colours=True).plain == passage
    long = f"{'word ' * 60}be silent{' more' * 60}"
    shown = marked_quote(hit(long, 300, 309), colours=False).plain
    assert shown.startswith("... word ") and shown.endswith(" more ...") and ">> be silent <<" in shown


def test_what_sources_say_cannot_steer_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=160, highlight=False, markup=False)
    show_hit(hit("Be \x1b[31msilent\r\nnow", 0, 13, "Talk \x1b]0;x\x07 [red]t[/red]"), console)
    shown = stream.getvalue()
    assert "\x1b" not in shown and "\x07" not in shown and "[red]t[/red], at 1:23" in shown
    assert "&t=83s; request c-1-00" in shown and "4 price, technique" in shown
