"""`grabient prompts`: what it shows of a comparison, and what it does without data."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.cli.prompt_figures import comparison_document, show_comparison
from grabient_assets.warehouse.prompt_agreement import Share
from grabient_assets.warehouse.prompt_comparison import Comparison, Measured
from grabient_assets_tests.cli.running import environment

FIRST = Measured(
    4, Share(0.2, 5), {"contrast": Share(0.5, 2)}, {"contrast": Share(0.25, 4)}, {"openai a": Share(0.25, 4)},
    1000.0, 100.0, Decimal("0.002"),
)  # fmt: skip
SECOND = Measured(
    3, Share(0.0, 5), {"contrast": Share(0.75, 2)}, {"contrast": Share(0.2, 5)}, {"openai a": Share(0.2, 5)},
    900.0, None, None,
)  # fmt: skip


def lines(text: str) -> list[str]:
    return [re.sub(r" {2,}", "  ", line.strip()) for line in text.splitlines()]


def test_figures_stand_side_by_side_with_their_change(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison("tagging", "v1", "v2", Comparison(2, 1, FIRST, SECOND))
    shown = lines(capsys.readouterr().out)
    assert shown[0] == "tagging: 2 palettes, 1 models that answered under both"
    assert shown[2:9] == [
        "agreement contrast  50.0%  75.0%  +25.0 points  2, 2",
        "accuracy contrast  25.0%  20.0%  -5.0 points  4, 5",
        "accuracy openai a  25.0%  20.0%  -5.0 points  4, 5",
        "unusable answers  20.0%  0.0%  -20.0 points  5, 5",
        "input tokens per answer  1000.0  900.0  -10.0%  4, 3",
        "output tokens per answer  100.0  -  -  4, 3",
        "dollars per answer  0.002000  -  -  4, 3",
    ]


def test_the_same_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    document = comparison_document(Comparison(2, 1, FIRST, SECOND))
    assert document is not None
    assert document["first"]["agreement"] == {"contrast": {"share": 0.5, "of": 2}}
    assert (document["first"]["usd_per_answer"], document["second"]["usd_per_answer"]) == (0.002, None)
    assert comparison_document(None) is None
    show_comparison("refinement", "v1", "v2", None)
    assert "no palette has been answered by one model under both v1 and v2" in capsys.readouterr().out


def test_without_data_nothing_is_made(tmp_path: Path) -> None:
    def shown(*arguments: str):
        return CliRunner().invoke(app, ["prompts", *arguments], env=environment(tmp_path / "data"))

    assert re.search(r"v1 +released +tagging +[0-9a-f]{12} +- ", shown().stdout)
    same = shown("diff", "v1", "v1")
    assert same.exit_code == 0 and "tagging: models are told the same, so answers are shared." in same.stdout
    unknown = shown("diff", "v1", "v9")
    assert unknown.exit_code == 1 and "There is no prompt version 'v9' in prompts; known are: v1" in unknown.stderr
    again = shown("release", "v1")
    assert again.exit_code == 1 and "Prompt version v1 is released already." in again.stderr
    assert not (tmp_path / "data").exists()
