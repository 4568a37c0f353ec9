"""The refiner's answer about one palette, parsed from its raw text; gaps are filled from the consensus by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grabient_assets.gradient.palette import RGB
from grabient_assets.groups.refinement.embed_text import (
    MAX_WORDS,
    MIN_WORDS,
    Description,
    EmbedText,
    fit_embed_text,
    plain_words,
)
from grabient_assets.groups.tagging.answers import (
    CATEGORICAL_FIELDS,
    OPEN_FIELDS,
    Unusable,
    find_fields,
    read_tags,
    read_word,
)
from grabient_assets.groups.tagging.consensus import Consensus
from grabient_assets.groups.tagging.imagined import Unseen, imagined_names, is_hallucinated, thing_phrases
from grabient_assets.groups.tagging.normalisation import clean_tag, strings_in
from grabient_assets.groups.tagging.tag_forms import tag_form
from grabient_assets.prompting.extraction import AnswerFinder

# Fewest and most tags of each field.
LIMITS: dict[str, tuple[int, int]] = {
    "mood": (2, 5),
    "style": (2, 5),
    "dominant_colors": (1, 4),
    "seasonal": (0, 2),
    "associations": (5, 10),
}
_FINDER = AnswerFinder((*CATEGORICAL_FIELDS, *LIMITS, "embed_text"))
_MAX_NOTES = 20
MOST_COLOURS = 4
"""So many embed_text names at most where it is filled up."""
MAJORITY = 0.5
"""From this part of the models on, a colour that is not there is the panel's opinion, and no slip of one model."""


@dataclass(frozen=True, slots=True)
class Refined:
    """The canonical tags of a palette. Every field is filled and within `LIMITS`; embed_text has 30 to 50 words.

    `repaired`: the text was not valid JSON, or a field was completed or cut. `embed_text_repaired`: embed_text is not
    what the model wrote. `notes` says in sentences what was done.
    """

    temperature: str
    contrast: str
    brightness: str
    saturation: str
    mood: tuple[str, ...]
    style: tuple[str, ...]
    dominant_colors: tuple[str, ...]
    seasonal: tuple[str, ...]
    associations: tuple[str, ...]
    embed_text: str
    repaired: bool = False
    embed_text_repaired: bool = False
    notes: tuple[str, ...] = ()


def read_refined(
    text: str,
    ref: str | None,
    consensus: Consensus | None,
    color_names: Sequence[str] = (),
    harmonies: Sequence[str] = (),
    rgb: Sequence[RGB] = (),
) -> Refined | Unusable:
    """The refined tags in `text`, the raw text of the refiner.

    `ref` is the request's own; None leaves it unchecked. Too many tags: the first ones stay. Too few, or a missing
    categorical: filled with the strongest of `consensus` (dominant_colors also from the palette's own `color_names`).
    Unusable when that is not enough, and when the refiner itself filled fewer than half of the fields.
    `color_names` and `harmonies` are computed facts of the palette; they may also fill up embed_text. Tags that
    name a colour which its colours, `rgb`, contradict are dropped before all this, and embed_text does not name one.
    """
    found = find_fields(_FINDER, text, ref)
    if isinstance(found, Unusable):
        return found
    notes: list[str] = []
    own: dict[str, Any] = {field: read_word(found.fields, field, notes, []) for field in CATEGORICAL_FIELDS}
    own |= {field: read_tags(found.fields, field, notes, []) for field in LIMITS}
    written = found.fields.get("embed_text")
    if 2 * sum(1 for value in (*own.values(), written) if value) < len(own) + 1:
        return Unusable("The answer fills fewer than half of the fields asked for.")
    changes: list[str] = []
    unseen = _unseen(found.fields, own, consensus, rgb)
    own |= {field: _seen(field, own[field], rgb, changes) for field in LIMITS}
    words = {field: own[field] or _fallback(field, consensus, changes) for field in CATEGORICAL_FIELDS}
    tags = {field: _fitted(field, own[field], consensus, color_names, changes) for field in LIMITS}
    lacking = [field for field, value in words.items() if value is None]
    lacking += [field for field, (fewest, _) in LIMITS.items() if len(tags[field]) < fewest]
    if lacking:
        return Unusable(f"The answer has too little for {', '.join(lacking)}, and the consensus has no more to add.")
    measured = {field: word for field, word in words.items() if word is not None}
    own_names = color_names if len(tags["dominant_colors"]) < 2 else ()
    colours = tuple(dict.fromkeys((*tags["dominant_colors"], *own_names)))[:MOST_COLOURS]
    description = Description(
        tags["mood"], tags["style"], colours, harmonies, tags["seasonal"], tags["associations"], measured
    )
    embed = _embed_text(written if isinstance(written, str) else "", description, unseen, notes)
    fields: dict[str, Any] = {**words, **tags}
    return Refined(
        **fields,
        embed_text=embed.text,
        repaired=found.repaired or bool(changes),
        embed_text_repaired=embed.repaired,
        notes=(*changes, *notes)[:_MAX_NOTES],
    )


def _fallback(field: str, consensus: Consensus | None, changes: list[str]) -> str | None:
    word = consensus.top(field) if consensus is not None else None
    if word is not None:
        changes.append(f"{field}: {word} was taken from the consensus.")
    return word


def _unseen(fields: dict[str, Any], own: dict[str, Any], consensus: Consensus | None, rgb: Sequence[RGB]) -> Unseen:
    """What embed_text may not name. Flagged is what the refiner, or at least half of the panel, wrongly took for a
    colour of the palette, in whatever words: "amber" is none of the names, and so no tag. Fewer models do not spoil a
    word that is a thing too."""
    named, _ = strings_in(fields.get("dominant_colors"))
    named = [tag for tag in map(clean_tag, named) if tag]
    named += [tag for field in LIMITS for tag in own[field] if is_hallucinated(field, tag, rgb)]
    votes = consensus.votes if consensus is not None else {}
    named += [vote.value for found in votes.values() for vote in found if vote.contradicted and vote.share >= MAJORITY]
    kept = [tag for field in OPEN_FIELDS for tag in own[field] if not is_hallucinated(field, tag, rgb)]
    kept += [vote.value for field in votes if field in OPEN_FIELDS for vote in votes[field] if not vote.contradicted]
    return Unseen(rgb, imagined_names(named, rgb), thing_phrases(kept))


def _embed_text(written: str, description: Description, unseen: Unseen, notes: list[str]) -> EmbedText:
    words = plain_words(written)
    imagined = unseen.named(words)
    embed = fit_embed_text(written, description, unseen.named)
    if imagined:
        notes.append("embed_text: what names colours that no colour of the palette comes near was left out.")
    if not MIN_WORDS <= len(words) <= MAX_WORDS or words != written.split():
        notes.append("embed_text: brought to plain text of 30 to 50 words.")
    return embed


def _seen(field: str, own: tuple[str, ...], rgb: Sequence[RGB], changes: list[str]) -> tuple[str, ...]:
    """The tags without the colours that are not there."""
    imagined = [tag for tag in own if is_hallucinated(field, tag, rgb)]
    if imagined:
        changes.append(f"{field}: {', '.join(imagined)} was dropped, no colour of the palette comes near.")
    return tuple(tag for tag in own if tag not in imagined)


def _fitted(
    field: str, own: tuple[str, ...], consensus: Consensus | None, color_names: Sequence[str], changes: list[str]
) -> tuple[str, ...]:
    fewest, most = LIMITS[field]
    if len(own) > most:
        changes.append(f"{field}: only the first {most} of {len(own)} tags were kept.")
        return own[:most]
    if len(own) >= fewest:
        return own
    voted = [vote.value for vote in consensus.standing(field)] if consensus is not None else []
    computed = read_tags({field: list(color_names)}, field, [], []) if field == "dominant_colors" else ()
    forms = {tag_form(tag) for tag in own}
    added = [tag for tag in dict.fromkeys((*voted, *computed)) if tag_form(tag) not in forms][: fewest - len(own)]
    for tags, source in (
        ([tag for tag in added if tag in voted], "the consensus"),
        ([tag for tag in added if tag not in voted], "the palette's own colour names"),
    ):
        if tags:
            changes.append(f"{field}: {', '.join(tags)} was taken from {source}.")
    return (*own, *added)
