"""`grabient prompts`: what it shows of a comparison, and what it does without data."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.cli.prompts import comparison_document, show_comparison, show_words, words_document
from grabient_assets.groups.calibration.prompt_comparison import Comparison, MeasuredPrompt, Share, Split
from grabient_assets.groups.calibration.prompt_words import SideBySide, Words
from grabient_assets_tests.cli.running import environment

FIRST = MeasuredPrompt(
    4, Share(0.2, 5), {"contrast": Share(0.5, 2)}, {"contrast": Share(0.25, 4)}, {"openai a": Share(0.25, 4)},
    1000.0, 100.0, Decimal("0.002"),
)  # fmt: skip
SECOND = MeasuredPrompt(
    3, Share(0.0, 5), {"contrast": Share(0.75, 2)}, {"contrast": Share(0.2, 5)}, {"openai a": Share(0.2, 5)},
    900.0, None, None,
)  # fmt: skip


def lines(text: str) -> list[str]:
    return [re.sub(r" {2,}", "  ", line.strip()) for line in text.splitlines()]


COMPARED = Comparison(
    2, 1, FIRST, SECOND, shared=1,
    splits={"accuracy contrast": Split(0, 2), "agreement contrast": Split(12, 1), "unusable": Split(0, 0)},
)  # fmt: skip


def test_figures_stand_side_by_side_with_their_change(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison("tagging", "v1", "v2", COMPARED, same_text=False)
    shown = lines(capsys.readouterr().out)
    assert shown[0] == "tagging: 2 palettes, 1 model that answered under both"
    assert shown[2:9] == [
        "agreement contrast  50.0%  75.0%  +25.0 points  2, 2  +12 -1  0.3% *",
        "accuracy contrast  25.0%  20.0%  -5.0 points  4, 5  +0 -2  50.0%",
        "accuracy openai a  25.0%  20.0%  -5.0 points  4, 5  -  -",
        "unusable answers  20.0%  0.0%  -20.0 points  5, 5  +0 -0  -",
        "input tokens per answer  1000.0  900.0  -10.0%  4, 3  -  -",
        "output tokens per answer  100.0  -  -  4, 3  -  -",
        "dollars per answer  0.002000  -  -  4, 3  -  -",
    ]


def test_refinements_that_were_paid_for_are_not_called_shared(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison("refinement", "v1", "v2", COMPARED, same_text=True)
    said = capsys.readouterr().out
    assert said.startswith("refinement: models are told the same and shown what the panel said under each version. ")
    assert "1 answer shared by both, 3 answers asked for each." in said


def test_words_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    one = SideBySide(
        "S", "Harbour", ("#000000",) * 11,
        Words(("calm", "soft"), ("retro",), (), "Fog over the harbour."),
        Words(("calm", "wild"), ("retro",), ("fire",), "Fire in the harbour."),
        0.4,
    )  # fmt: skip
    show_words("v1", "v2", [one])
    assert lines(capsys.readouterr().out) == [
        "The palettes whose words changed most (- only in v1, + only in v2):",
        "",
        "Harbour  40% of the words in both",
        "v1  v2",
        "mood  calm, -soft  calm, +wild",
        "style  retro  retro",
        "associations  -  +fire",
        "text  Fog over the harbour.  Fire in the harbour.",
    ]
    assert words_document([one])[0]["second"]["mood"] == ("calm", "wild")
    show_words("v1", "v2", [])
    assert capsys.readouterr().out == "No palette has words under both v1 and v2.\n"


def test_the_same_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    document = comparison_document(COMPARED)
    assert document is not None
    assert document["splits"]["accuracy contrast"] == {"rises": 0, "falls": 2, "chance": 0.5}
    assert document["first"]["agreement"] == {"contrast": {"share": 0.5, "of": 2}}
    assert (document["first"]["usd_per_answer"], document["second"]["usd_per_answer"]) == (0.002, None)
    assert comparison_document(None) is None
    show_comparison("refinement", "v1", "v2", None, same_text=True)
    assert "no palette has been answered by one model under both v1 and v2" in capsys.readouterr().out


def test_without_data_nothing_is_made(tmp_path: Path) -> None:
    def shown(*arguments: str):
        return CliRunner().invoke(app, ["prompts", *arguments], env=environment(tmp_path / "data"))

    assert re.search(r"v1 tagging, released, digest [0-9a-f]{12}, has not run\n", shown().stdout)
    same = shown("diff", "v1", "v1")
    assert same.exit_code == 0 and "tagging: models are told the same, so answers are shared." in same.stdout
    unknown = shown("diff", "v1", "v9")
    assert unknown.exit_code == 2 and "There is no prompt version 'v9'; there is v1" in unknown.stderr
    again = shown("release", "v1")
    assert again.exit_code == 1 and "Prompt version v1 is released already." in again.stderr
    assert not (tmp_path / "data").exists()


def test_families_beside_the_palettes(tmp_path: Path) -> None:
    def shown(*arguments: str):
        return CliRunner().invoke(app, ["prompts", *arguments], env=environment(tmp_path / "data"))

    assert "--family chorus, --family edits, --family knowledge" in shown().stderr
    listed = json.loads(shown("--family", "knowledge", "--json").stdout)["prompts"]
    assert (listed[0]["prompt_version"], listed[0]["purpose"]) == ("knowledge/v1", "extraction")
    artists = json.loads(shown("--family", "chorus", "--json").stdout)["prompts"]
    assert {one["purpose"] for one in artists} == {"statement"}
    same = shown("diff", "chorus/v1", "v1", "--family", "chorus")
    assert same.exit_code == 0 and "statement: models are told the same" in same.stdout
    assert "palette" not in same.stdout
    # also before the word that follows
    again = shown("--family", "knowledge", "release", "v1")
    assert again.exit_code == 1 and "Prompt version v1 is released already." in again.stderr
    other = shown("--family", "edit")
    assert other.exit_code == 2 and "there is chorus, edits, knowledge" in other.stderr
    unknown = shown("diff", "v1", "v9", "--family", "knowledge")
    assert unknown.exit_code == 2 and "'v9'" in unknown.stderr
    assert not (tmp_path / "data").exists()
