"""The page about the emulator names every video rule, sample talk and page, and no other."""

from __future__ import annotations

import re

from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.emulator.fault_actions import actions
from grabient_assets.emulator.fault_script import Match
from grabient_assets.emulator.talks import RULES, sample_ids
from grabient_assets.emulator.web import FOREIGN, PAGES
from grabient_assets.settings import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs/emulator.md").read_text(encoding="utf-8")
FAULTS = (PROJECT_DIR / "docs/how-to/rehearse-faults.md").read_text(encoding="utf-8")


def first_cells(text: str, head: str) -> list[str]:
    """The names in the first column of the table that begins with `head`."""
    table = text[text.index(f"| {head} |") :].split("\n\n")[0]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_prefix_is_named():
    assert {*BASE_PATHS.values(), "/_emulator"} == set(first_cells(PAGE, "below"))


def test_every_video_is_named():
    assert first_cells(PAGE, "id") == list(sample_ids())
    assert first_cells(PAGE, "id begins with") == list(RULES)


def test_every_page_is_named():
    named = set(first_cells(PAGE, "path"))
    assert set(PAGES) | {f"/redirects/{name}" for name in FOREIGN} <= named
    others = {"/", "/missing", "/missing/ANY", "/same/ANY", "/large", "/large/declared", "/status/N"}
    assert named - set(PAGES) - {f"/redirects/{name}" for name in FOREIGN} == {
        *others,
        "/redirects/N",
        "/redirects/loop",
    }


def test_every_action_and_every_key_of_a_match_is_named():
    assert {word for word in actions() if f"`{word}`" not in FAULTS} == set()
    assert {
        field.alias or name for name, field in Match.model_fields.items() if f"`{field.alias or name}`" not in FAULTS
    } == set()
