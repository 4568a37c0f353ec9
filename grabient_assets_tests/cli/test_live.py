"""Live mode against servers of our own: a closed port, and the emulator with keys it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import Ended, emulator, palettes, typed
from grabient_assets_tests.ports import closed_port

CONSENSUS = ("run", "--until", "consensus", "--analyses", "1", "--json")


def test_a_refused_key_stops_its_provider_and_no_other(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 2))
    with emulator(tmp_path / "server", "--polls", "1") as urls:

        def live(*arguments: str, groq: str) -> Ended:
            return typed(
                data,
                *arguments,
                GRABIENT_MODE="live",
                GROQ_API_KEY=groq,
                GROQ_BASE_URL=urls["groq"],
                OPENAI_API_KEY="sk-right",
                OPENAI_BASE_URL=urls["openai"],
            )

        ended = live(*CONSENSUS, groq="wrong-key")
        assert ended.code == 1 and "Traceback" not in ended.err
        assert "Check the API key of groq" in ended.err and "wrong-key" not in ended.err + ended.out
        assert "anthropic is left out: set ANTHROPIC_API_KEY" in ended.err and "google is left out" in ended.err
        assert (ended.json["tagged"], ended.json["pending"]) == (2, 0)
        assert "Stopped: " in live("status", groq="wrong-key").out

        mended = live("retry", "--run", "--json", groq="gsk-right")
        assert mended.code == 0, mended.err
        assert "groq openai/gpt-oss-20b: 2 palettes asked again" in mended.err and "openai gpt" not in mended.err
        assert mended.json["tagged"] == 2
        assert "Stopped: " not in live("status", groq="gsk-right").out


@pytest.mark.slow
def test_a_provider_out_of_reach_is_given_up_after_three_tries(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 1))
    values = {
        "GRABIENT_MODE": "live",
        "GROQ_API_KEY": "gsk_secret",
        "GROQ_BASE_URL": f"http://127.0.0.1:{closed_port()}",
    }
    ended = typed(data, *CONSENSUS, **values)
    assert ended.code == 1 and ended.err.count("submit_tagging failed") == 1
    assert "groq could not be reached" in ended.err and "gsk_secret" not in ended.err
    assert ended.json["pending"] == 1 and ended.json["open_batches"] == []
    again = typed(data, *CONSENSUS, **values)
    assert again.code == 1 and again.err.count("submit_tagging failed") == 1, "tried at once, and once"
