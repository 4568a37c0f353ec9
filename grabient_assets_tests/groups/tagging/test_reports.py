"""What Dagster shows of tagging: a model's words are shown, never obeyed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import dagster as dg
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.tagging.reports import consensus_metadata
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord
from grabient_assets_tests.groups.hostile import NAME, TAGS
from grabient_assets_tests.ledger.house import palette

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def hostile_metadata(*tags: str) -> dict[str, dg.MetadataValue]:
    """What is shown of a consensus with these moods, of a palette with a hostile name."""
    votes = {"mood": [{"value": tag, "models": 2} for tag in tags], "temperature": [{"value": "warm", "models": 3}]}
    record = ConsensusRecord(
        *("seed", "v1", 3, 3, "warm", None, None, None),
        votes=json.dumps(votes),
        facts=json.dumps({"temperature": "cool-warm"}),
        digest="d",
        created_at=NOW,
    )
    return consensus_metadata(record, palette_record(palette(1), "seed", NOW, NAME))


def read(markdown: str) -> list[Token]:
    """Every token of the text, with HTML allowed, as a page that trusts it would read it."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    return [one for token in tokens for one in (token, *(token.children or ()))]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_stays_text_in_its_own_cell(tag: str) -> None:
    shown = str(hostile_metadata(tag)["votes"].value)
    tokens = read(shown)
    assert {token.type for token in tokens} <= {
        *(f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")),
        *("inline", "text", "text_special", "softbreak"),
    }
    cells = [token for token in tokens if token.type == "inline"]
    texts = ["".join(one.content for one in token.children or ()) for token in cells]
    assert texts == [
        *("field", "votes (models)", "computed"),
        *("mood", f"{' '.join(tag.split())} 2", ""),
        *("temperature", "warm 3", "cool-warm"),
    ]


def test_only_the_picture_and_the_votes_are_markdown_and_the_name_is_in_neither() -> None:
    found = hostile_metadata(*TAGS)
    markdown = {name: str(one.value) for name, one in found.items() if isinstance(one, dg.MarkdownMetadataValue)}
    assert set(markdown) == {"palette", "votes"}
    assert not any("OWNED" in text for text in markdown.values())
