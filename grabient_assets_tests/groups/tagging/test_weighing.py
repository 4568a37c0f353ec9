"""Bits by hand."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.expectation import ErrorRates
from grabient_assets.groups.tagging.answers import Answer
from grabient_assets.groups.tagging.consensus import Panel
from grabient_assets.groups.tagging.explanation import weigh_tags, weigh_words
from grabient_assets.groups.tagging.skills import Skills

GOOD, BAD = ("groq", "good"), ("groq", "bad")


def test_words() -> None:
    """`good` is right in 8 of 10 and says each other value in 1: three bits for what it says. Two of its three answers
    say muted and one vibrant: (2 - 1) / 3 of three bits. `bad` says anything. Muted is twice as frequent: one bit."""
    confusion = np.stack([np.full((3, 3), 1 / 3), np.full((3, 3), 0.1) + np.eye(3) * 0.7])
    rates = Skills((BAD, GOOD), ErrorRates(np.asarray([0.25, 0.5, 0.25]), confusion))
    said = {0: Answer(saturation="muted"), 1: Answer(saturation="vibrant"), 2: Answer(saturation="muted")}
    panel: Panel = {GOOD: said, BAD: {0: Answer(saturation="muted"), 1: Answer(mood=("calm",))}}
    prior, bits = weigh_words("saturation", panel, rates, "muted", "vibrant")
    assert prior == pytest.approx(1.0)
    assert bits == {GOOD: pytest.approx(1.0), BAD: pytest.approx(0.0)}


def test_models_that_share_mistakes_weigh_less() -> None:
    """Two whose errors correlate by 0.5 are worth 4/3 votes, each 2/3 of one; one that says nothing is no voter."""
    confusion = np.stack([np.full((3, 3), 0.1) + np.eye(3) * 0.7] * 2)
    rates = Skills((BAD, GOOD), ErrorRates(np.full(3, 1 / 3), confusion), 0.5)
    muted, calm = {0: Answer(saturation="muted")}, {0: Answer(mood=("calm",))}
    _, bits = weigh_words("saturation", {GOOD: muted, BAD: muted}, rates, "muted", "vibrant")
    assert bits == {GOOD: pytest.approx(2.0), BAD: pytest.approx(2.0)}
    _, bits = weigh_words("saturation", {GOOD: muted, BAD: calm}, rates, "muted", "vibrant")
    assert bits == {GOOD: pytest.approx(3.0), BAD: 0.0}
    tags = Skills((BAD, GOOD), ErrorRates(np.full(2, 0.5), np.asarray([[[0.9, 0.1], [0.2, 0.8]]] * 2)), 0.5)
    _, said = weigh_tags({GOOD: calm, BAD: muted}, tags)
    assert said[GOOD].named == pytest.approx(2.0) and said[BAD].unnamed == pytest.approx(np.log2(2 / 9) * 2 / 3)


def test_tags() -> None:
    """Named by 0.8 when it is true and by 0.1 when it is not: three bits; not named 0.2 against 0.9."""
    rates = Skills((GOOD,), ErrorRates(np.asarray([0.8, 0.2]), np.asarray([[[0.9, 0.1], [0.2, 0.8]]])))
    prior, said = weigh_tags({GOOD: {0: Answer(mood=("calm",))}}, rates)
    assert prior == pytest.approx(-2.0)
    assert (said[GOOD].named, said[GOOD].unnamed) == (pytest.approx(3.0), pytest.approx(np.log2(2 / 9)))
    assert said[GOOD].bits(0.5) == pytest.approx((3.0 + np.log2(2 / 9)) / 2)
