"""Tagging against its thresholds: which models fail too often, and about which palettes too few models spoke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from grabient_assets.groups.markdown import table
from grabient_assets.groups.tagging.quality import ModelAnswers, ModelWords
from grabient_assets.groups.tagging.withheld import Panels
from grabient_assets.thresholds import (
    ANSWERING_MODELS,
    MODELS_OUTSIDE,
    UNUSABLE_ANSWERS,
    WORDS_OUTSIDE,
    Finding,
    Threshold,
)


def unusable_answers(counted: Sequence[ModelAnswers], versions: Sequence[str]) -> Finding:
    """Models that leave too many answers unusable, each judged under the newest prompt version that has enough of them.

    `versions` in order: so a model is judged as it does now, neither by a wording that was given up nor by a handful.
    """
    judged = _judged(counted, versions, UNUSABLE_ANSWERS)
    failing = [one for one in judged if one.share > UNUSABLE_ANSWERS.limit]
    return Finding(
        len(failing),
        UNUSABLE_ANSWERS.limit,
        [
            f"{one.provider} {one.model} under {one.prompt_version}: {one.unusable} of {one.answers} answers unusable "
            f"({one.share:.1%}: {_fates(one)})."
            for one in failing
        ],
        figures={
            "highest share": max((one.share for one in judged), default=0.0),
            **{f"share of {one.provider} {one.model}": one.share for one in judged},
        },
        table=table(
            ("model", "prompt version", "answers", "unusable", "share", "how"),
            [
                (
                    f"{one.provider} {one.model}",
                    one.prompt_version,
                    f"{one.answers}",
                    f"{one.unusable}",
                    f"{one.share:.1%}",
                    _fates(one),
                )
                for one in judged
            ],
        ),
    )


def words_outside(counted: Sequence[ModelWords], versions: Sequence[str]) -> Finding:
    """Models that take too many words from outside the lists, judged like those above."""
    judged = _judged(counted, versions, WORDS_OUTSIDE)
    failing = [one for one in judged if one.share > WORDS_OUTSIDE.limit]
    return Finding(
        len(failing),
        WORDS_OUTSIDE.limit,
        [
            f"{one.provider} {one.model} under {one.prompt_version}: {one.outside} of {one.words} words in no list "
            f"({one.share:.1%}), such as {', '.join(one.examples)}."
            for one in failing
        ],
        figures={"highest share": max((one.share for one in judged), default=0.0)},
        table=table(
            ("model", "prompt version", "answers", "words", "in no list", "share", "such as"),
            [
                (
                    f"{one.provider} {one.model}",
                    one.prompt_version,
                    f"{one.answers}",
                    f"{one.words}",
                    f"{one.outside}",
                    f"{one.share:.1%}",
                    ", ".join(one.examples) or "-",
                )
                for one in judged
            ],
        ),
    )


def lists_left(panels: Panels) -> Finding:
    """Palettes about which most models named in a field only what its list lacks."""
    failing = [one for one in panels.failing if one.words]
    return Finding(
        len(failing),
        MODELS_OUTSIDE.limit,
        [f"{one.partition.prompt_version}|{one.partition.subject}: {', '.join(one.words)}." for one in failing],
        figures={"palettes": panels.palettes},
    )


def too_few_models(panels: Panels) -> Finding:
    """Palettes about which too few of the asked models gave a usable answer."""
    failing = [one for one in panels.failing if one.too_few]
    silent = Counter({name: count for name, (_, count) in panels.models.items()})
    return Finding(
        len(failing),
        ANSWERING_MODELS.limit,
        [f"{one.partition.prompt_version}|{one.partition.subject}: {one.why}." for one in failing],
        figures={"lowest share": panels.lowest, "palettes": panels.palettes},
        table=table(
            ("model", "asked about these palettes", "no usable answer"),
            [(name, f"{panels.models[name][0]}", f"{count}") for name, count in silent.most_common()],
        )
        if failing
        else "",
    )


_Counted = TypeVar("_Counted", ModelAnswers, ModelWords)


def _judged(counted: Sequence[_Counted], versions: Sequence[str], threshold: Threshold) -> list[_Counted]:
    """The row of each model under the newest version with enough answers, the highest share first."""
    place = {version: number for number, version in enumerate(versions)}
    enough = [one for one in counted if one.answers >= threshold.cases]
    newest = {
        (one.provider, one.model): one for one in sorted(enough, key=lambda one: place.get(one.prompt_version, -1))
    }
    return sorted(newest.values(), key=lambda one: (-one.share, one.provider, one.model))


def _fates(one: ModelAnswers) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in sorted(one.fates.items())) or "-"
