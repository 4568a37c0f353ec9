"""`grabient import-tags`, and every command over a prompt version that has no folder in prompts/."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.groups.imports.old_systems import (
    HASH,
    OF_REFINEMENT,
    convex_refined,
    convex_tags,
    convex_zip,
    jsonl,
    seed,
)

VERSION = f"legacy-{HASH}"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an import: one palette with tags and a refinement, one with failures."""
    folder = tmp_path_factory.mktemp("imported")
    tables = {
        "palette_tags": [convex_tags(), convex_tags(2, tags=None, error="overloaded")],
        "palette_tag_refined": [convex_refined(), convex_refined(2, tags=None, error="timeout")],
    }
    ended = typed(folder / "data", "import-tags", convex_zip(folder / "c.zip", tables), "--json")
    assert ended.code == 0 and ended.json["prompt_versions"] == {VERSION: 2, f"legacy-{OF_REFINEMENT}": 2}
    assert ended.json["palettes"] == 2
    return folder / "data"


def said(imported: Path, *arguments: str) -> str:
    ended = typed(imported, *arguments)
    assert ended.code == 0, ended.err
    return " ".join(f"{ended.out} {ended.err}".split())


def test_the_report_and_the_exit_codes(data: Path, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "tags.jsonl", convex_tags(), "{bad", convex_tags(2, tags=None, error="overloaded"))
    strict = typed(data, "import-tags", file, "--strict")
    assert strict.code == 1 and "line 2: it is not valid JSON" in strict.out
    assert f"Nothing was stored: 1 row of {file} cannot be read, and --strict was given." in strict.err
    first = typed(data, "import-tags", file)
    assert first.code == 0
    assert "1 answer and 1 failure imported, 0 known already, 1 rejected; 2 new palettes, 1 consensus" in first.out
    assert f"  {VERSION}: 2 rows" in first.out and "kept in the table rejected_palettes" in first.out
    again = typed(data, "import-tags", file, "--json")
    assert again.code == 0
    figures = {"answers": 0, "failures": 0, "known": 2, "rejected": 1, "consensus": 0, "palettes": 0}
    assert {name: again.json[name] for name in figures} == figures
    assert [(one["source"], one["line"], one["text"]) for one in again.json["rows"]] == [(str(file), 2, "{bad")]


def test_what_holds_no_answers(data: Path, tmp_path: Path) -> None:
    other = typed(data, "import-tags", jsonl(tmp_path / "batches.jsonl", {"batchId": "b"}))
    assert other.code == 2 and "it holds tag_batches" in other.err
    unreadable = jsonl(tmp_path / "bad.jsonl", convex_tags(tags="no JSON"))
    bad = typed(data, "import-tags", unreadable)
    assert bad.code == 1 and f"No row of {unreadable} is an answer." in bad.err
    assert typed(data, "import-tags", tmp_path / "absent.zip").code == 2


def test_through_a_pipe(data: Path) -> None:
    content = jsonl(data.parent / "tags.jsonl", convex_tags(promptVersion=None)).read_bytes()
    pipe = data.parent / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    done = typed(data, "import-tags", pipe, "--name", "first", "--json")
    writer.join()
    assert done.code == 0, done.err
    assert done.json["prompt_versions"] == {"legacy-first": 1}


def test_nothing_of_an_import_is_asked(imported: Path) -> None:
    assert said(imported, "retry") == "Nothing failed that could be asked again."
    for ask in ("plan", "run", "retry"):
        refused = typed(imported, ask, "--prompt-version", VERSION)
        assert (refused.code, refused.err.strip()) == (
            2, f"There is no prompt version '{VERSION}'; there is v1, v2."
        )  # fmt: skip
    plan = said(imported, "plan")
    assert f"1 palette is tagged under {VERSION}. Prompt version v1 is another wording" in plan
    assert f"Nothing can be asked under {VERSION}: prompts/ has no such folder." in plan
    errors = said(imported, "errors", "--prompt-version", VERSION)
    assert "overloaded" in errors and "An earlier system asked; it was imported as it is." in errors
    assert "retry" not in errors and "anthropic claude-opus-4-5-20251101, refinement" in said(imported, "errors")
    assert [one["requests"] for one in typed(imported, "errors", "--json").json["groups"]] == [0, 0]
    status = typed(imported, "status", "--json").json
    assert (status["tagged"], status["errors"], status["failed"]) == (1, 0, 0)


def test_imported_answers_are_read_as_any_other(imported: Path) -> None:
    assert "2 palettes under" in said(imported, "palettes", "--prompt-version", VERSION)
    explained = said(imported, "explain", "--prompt-version", VERSION, "--", seed(1))
    assert "1 model with one vote each, 1 answer" in explained
    assert "tagging 0.000135 USD" in explained and "an earlier system paid for 1 request (*)" in explained
    assert "No refinement was asked for." in explained and "Ask: grabient run" not in explained
    failed = typed(imported, "explain", "--prompt-version", VERSION, "--", seed(2))
    assert failed.code == 1 and "nobody asks for one any more" in failed.err
    refined = said(imported, "explain", "--prompt-version", f"legacy-{OF_REFINEMENT}", "--", seed(1))
    assert "Refined by claude-opus-4-5-20251101" in refined
    assert f"under v1, but under {VERSION}, legacy-{OF_REFINEMENT}" in typed(imported, "explain", "--", seed(1)).err
    assert seed(1) in said(imported, "export", "--prompt-version", f"legacy-{OF_REFINEMENT}")
    assert "has no report yet" in typed(imported, "reports", "--prompt-version", VERSION).err
    assert "legacy" not in said(imported, "prompts")
    assert "0 answers of 0 batches" in said(imported, "reparse", "--prompt-version", VERSION)


def test_costs_are_marked(imported: Path) -> None:
    document = typed(imported, "costs", "--json").json
    assert document["total"]["requests"] == 0 and document["month"]["spent_usd"] == "0.0000000000"
    assert [(one["purpose"], one["requests"], one["unknown"]) for one in document["imported"]] == [
        ("refinement", 2, 0),
        ("tagging", 2, 0),
    ]
    assert "Imported from earlier systems, and in no sum above: 4 answers, 8,000 input" in said(imported, "costs")
    assert typed(imported, "costs", "--json", "--since", "2026-01-01").json["imported"] == []
