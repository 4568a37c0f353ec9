"""A colour that taggers and refiner imagine does not reach the embed text in the table, nor when it is read again."""

from __future__ import annotations

import json
from pathlib import Path

from grabient_assets.gradient.palette import Palette
from grabient_assets_tests.groups.refinement.refining import Pipeline

BLUE = Palette(((0.1, 0.25, 0.55), (0.05, 0.1, 0.2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
TAGS = {
    "temperature": "cool",
    "mood": ["calm", "dark red"],
    "style": ["soft", "minimal"],
    "dominant_colors": ["orange", "navy"],
    "associations": ["ocean", "sand"],
}
PROSE = (
    "Deep navy and orange light lie over quiet water. Amber and re\u200bd-brown sails pass. It is golden hour at a "
    "calm harbour with a rose in the window and no red in it. A minimal look drifts into the open blue ocean night."
)
LEFT = (
    "The colours are navy, teal and charcoal. A minimal look drifts into the open blue ocean night. The mood is calm "
    "and dreamy. The style is soft. The harmony is monochromatic."
)


def test_from_the_taggers_answer_to_the_table(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, TAGS, BLUE)
    [[votes]] = pipeline.house.rows("SELECT votes FROM tag_consensus")
    marked = [one["value"] for found in json.loads(votes).values() for one in found if one.get("contradicted")]
    assert sorted(marked) == ["dark red", "orange"]

    pipeline.refine(
        dominant_colors=["navy", "gold"], associations=["dune", "bright red", "sky", "kelp"], embed_text=PROSE
    )
    query = "SELECT embed_text, embed_text_repaired, dominant_colors, associations, fate FROM palette_tag_refined"
    [row] = pipeline.house.rows(query)
    assert row == (LEFT, True, ["navy"], ["dune", "sky", "kelp", "ocean", "sand"], "repaired")

    everything = pipeline.house.rows("SELECT * FROM palette_tag_refined")
    pipeline.reparse()
    assert pipeline.house.rows("SELECT * FROM palette_tag_refined") == everything


def test_what_the_panel_imagined_is_known_when_its_consensus_has_changed(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, TAGS, BLUE)
    pipeline.house.write("UPDATE tag_consensus SET digest = 'another'")
    pipeline.refine(dominant_colors=["navy"], embed_text="Orange sails. " + PROSE)
    [[text]] = pipeline.house.rows("SELECT embed_text FROM palette_tag_refined")
    assert (
        "orange" not in text.lower()
        and "golden hour at a calm harbour with a rose in the window and no red in it" in text
    )
