"""The examples of docs/tags-and-consensus.md are run as they stand there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from grabient_assets.gradient import vocabulary
from grabient_assets.groups.refinement.refined_answer import LIMITS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tags-and-consensus.md"


def test_examples_of_the_page() -> None:
    examples = "\n".join(
        re.findall(r"^```pycon\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.failed == 0, "".join(report)
    assert result.attempted >= 20


def test_the_page_states_the_orders_and_limits_of_the_code() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "; ".join(", ".join(values) for values in vocabulary.CATEGORICAL_VALUES.values()) in page
    for field, (fewest, most) in LIMITS.items():
        assert f"{field} {fewest}-{most}" in page
