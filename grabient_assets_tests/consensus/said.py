"""Small annotations written as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grabient_assets.consensus.annotations import BLANK, Annotations, categorical_annotations, tag_annotations

Who = tuple[int, int]


def said(
    answers: Mapping[Who, Sequence[int | None]], values: int, items: int | None = None, annotators: int | None = None
) -> Annotations:
    """{(item, annotator): [value of each answer, None for a blank]}."""
    rows = [(*who, BLANK if value is None else value) for who, given in answers.items() for value in given]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return categorical_annotations(
        table[:, 0], table[:, 1], table[:, 2], values=values, **_sizes(list(answers), items, annotators)
    )


def tagged(
    answers: Mapping[Who, Sequence[Sequence[int]]], tags: int, items: int | None = None, annotators: int | None = None
) -> Annotations:
    """{(item, annotator): [tags of each answer]}."""
    rows = [who for who, given in answers.items() for _ in given]
    sets = [list(tags) for given in answers.values() for tags in given]
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return tag_annotations(
        table[:, 0],
        table[:, 1],
        np.repeat(np.arange(len(sets)), [len(one) for one in sets]),
        np.array([tag for one in sets for tag in one], dtype=np.int64),
        tags=tags,
        **_sizes(list(answers), items, annotators),
    )


def columns(*answers: Sequence[int | None], values: int) -> Annotations:
    """One sequence per annotator, one answer per item; None where it is missing."""
    given = {
        (item, annotator): [value]
        for annotator, row in enumerate(answers)
        for item, value in enumerate(row)
        if value is not None
    }
    return said(given, values, items=len(answers[0]), annotators=len(answers))


def _sizes(who: Sequence[Who], items: int | None, annotators: int | None) -> dict[str, int]:
    return {
        "items": items if items is not None else 1 + max((item for item, _ in who), default=0),
        "annotators": annotators if annotators is not None else 1 + max((one for _, one in who), default=0),
    }
