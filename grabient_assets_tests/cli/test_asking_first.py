"""In live mode a person at a terminal is asked before anything is spent; without a terminal nobody is."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from grabient_assets.cli.main import INTERRUPTED
from grabient_assets_tests.cli.running import CTRL_C, CTRL_D, at_a_terminal, palettes, typed

LIVE = {"GRABIENT_MODE": "live", "OPENAI_API_KEY": "sk-0123456789abcdef", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
RUN = ("run", "--until", "tags", "--analyses", "1", "--timeout", "0")


def asks(data: Path) -> int:
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM asks").fetchone()
    assert row is not None
    return row[0]


def test_a_person_is_asked_and_a_script_is_not(data: Path, tmp_path: Path) -> None:
    typed(data, "load", palettes(tmp_path, 2))
    code, shown = at_a_terminal(data, LIVE, "", *RUN)
    assert code == 1 and "Nothing was asked for, and nothing is spent." in shown and asks(data) == 0
    assert "6 requests go out for " in shown and shown.count("Nothing limits what is spent.") == 1
    code, shown = at_a_terminal(data, LIVE, "no", *RUN, "--max-usd", "0.01")
    assert code == 1 and asks(data) == 0 and "Nothing limits" not in shown
    assert "0.01 USD finish " in shown and " of 2 palettes" in shown
    code, shown = at_a_terminal(data, LIVE, "no", *RUN, "--max-usd", "0.003")
    assert code == 1 and asks(data) == 0
    assert "At most 0.0030 USD are spent. All 6 requests would go out for " in shown
    assert "6 requests go out" not in shown and "0.0030 USD finish " in shown and " of 2 palettes" in shown

    script = typed(data, *RUN, **LIVE)
    assert "[y/N]" not in script.err and script.err.count("Nothing limits what is spent.") == 1 and asks(data) == 6
    code, shown = at_a_terminal(data, LIVE, "never read", *RUN, "--analyses", "2", "--yes")
    assert "[y/N]" not in shown and "requests go out for " in shown


def test_what_is_said_instead_of_an_answer_begins_a_line(data: Path, tmp_path: Path) -> None:
    """After Ctrl-D and Ctrl-C, which end no line; and the words of a stop are broken between words, not within them."""
    typed(data, "load", palettes(tmp_path, 1))
    code, shown = at_a_terminal(data, LIVE, CTRL_D, *RUN)
    assert code == 1 and "[y/N] \r\nNothing was asked for, and nothing is spent." in shown
    code, shown = at_a_terminal(data, LIVE, CTRL_C, *RUN, columns=40)
    lines = shown.replace("\x1b[?25h", "").partition("[y/N] ")[2].split("\r\n")
    said = " ".join(lines[1:]).strip()
    assert code == INTERRUPTED and lines[0] == "^C" and said.startswith("Stopped. Nothing is lost")
    assert max(map(len, lines)) <= 40 and len(lines) > 3 and asks(data) == 0


def stopped(data: Path) -> dict[str, int]:
    """By model, of how many palettes the asks stand stopped."""
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT model, count(*) FROM asks WHERE state = 'stopped' GROUP BY ALL").fetchall()
    return dict(found)


@pytest.fixture
def refused(data: Path, tmp_path: Path) -> Path:
    """Two palettes of which OpenAI took nothing."""
    typed(data, "load", palettes(tmp_path, 2))
    typed(data, *RUN, **LIVE)
    with duckdb.connect(str(data / "grabient.duckdb")) as connection:
        connection.execute("UPDATE asks SET state = 'stopped', reason = 'OpenAI refused the key.'")
    return data


def test_a_dry_retry_prices_what_the_filters_leave_and_asks_nothing(refused: Path) -> None:
    def dry(*chosen: str) -> tuple[dict[str, tuple[int, int]], float]:
        found = typed(refused, "retry", "--dry-run", "--json", *chosen, **LIVE).json
        requests = {one["model"]: (one["palettes"], one["requests"]) for one in found["models"]}
        assert found["usd"] is None or sum(one["usd"]["high"] for one in found["models"]) == pytest.approx(
            found["usd"]["high"]
        )
        return requests, found["usd"]["expected"] if found["usd"] else 0.0

    before = stopped(refused)
    everything, usd = dry()
    assert everything == dict.fromkeys(before, (2, 2)) and len(before) == 3 and usd > 0
    mini, price = dry("--model", "gpt-4o-mini")
    assert mini == {"gpt-4o-mini": (2, 2)} and 0 < price < usd
    with duckdb.connect(str(refused / "grabient.duckdb"), read_only=True) as connection:
        seed, other = [row[0] for row in connection.execute("SELECT seed FROM palettes ORDER BY seed").fetchall()]
    one, each = dry("--", seed)
    assert one == dict.fromkeys(before, (1, 1)) and each + dry("--", other)[1] == pytest.approx(usd)
    assert dry("--model", "gpt-4o-mini", "--", seed) == ({"gpt-4o-mini": (1, 1)}, pytest.approx(price / 2, rel=0.01))
    assert dry("--provider", "openai") == (everything, usd)
    assert dry("--provider", "groq") == ({}, 0.0)
    shown = typed(refused, "retry", "--dry-run", **LIVE).out
    assert f"Together {usd:.4f} USD, from " in shown and shown.endswith("Nothing was asked.\n")
    assert stopped(refused) == before
    for wrong in (("--model", "gpt-0"), ("--provider", "nobody"), ("--", "no seed")):
        assert typed(refused, "retry", *wrong, **LIVE).code == 2


def test_who_retries_in_live_mode_is_asked_first(refused: Path) -> None:
    before = stopped(refused)
    for answer in ("", "no"):
        code, shown = at_a_terminal(refused, LIVE, answer, "retry")
        assert code == 1 and shown.count("[y/N]") == 1 and stopped(refused) == before
        assert "6 requests go out for " in shown and "Nothing was asked for, and nothing is spent." in shown
    code, shown = at_a_terminal(refused, LIVE, "y", "retry", "--model", "gpt-4o-mini")
    assert code == 0 and "2 requests go out for " in shown
    assert stopped(refused) == {model: count for model, count in before.items() if model != "gpt-4o-mini"}
    code, shown = at_a_terminal(refused, LIVE, "never read", "retry", "--model", "gpt-6-luna", "--yes")
    assert code == 0 and "[y/N]" not in shown and "gpt-6-luna" not in stopped(refused)
    script = typed(refused, "retry", **LIVE)
    assert script.code == 0 and "[y/N]" not in script.err and stopped(refused) == {}


def test_a_chorus_is_priced_and_asked_for_at_the_terminal(data: Path) -> None:
    new = ("chorus", "new", "--artists", "gpt-6-luna")
    code, shown = at_a_terminal(data, LIVE, "no", *new)
    assert code == 1 and "Nothing was asked for, and nothing is spent." in shown
    assert not (data / "grabient.duckdb").exists()
    assert "2 requests go out for " in shown and "1 artist x 1 iteration, painted by gpt-image-2.5-flare" in shown
    assert typed(data, *new, **LIVE).code == 0 and asks(data) == 1
    other = typed(data, "chorus", "new", "--artists", "claude-haiku-5-5", **LIVE)
    assert other.code == 2 and "anthropic, which cannot be asked here" in other.err and asks(data) == 1
