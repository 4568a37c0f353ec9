"""Waves in the words that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

from grabient_assets.groups.tagging.wave_audit import palette_audit_words
from grabient_assets.ledger.wave_states import WaveCount, WaveState


def wave_words(state: WaveState) -> str:
    """How far one palette is: "2 of 3", when it is settled why, and what the audit made of it."""
    place = f"{state.wave} of {state.waves}"
    said = place if state.reason is None else f"{place}, settled: {state.reason}"
    return said if state.audit is None else f"{said}. {palette_audit_words(state.audit)}"


def under_way_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes are in which wave, or wait for the audit of it; empty when none is under way."""
    waits = "certain after wave {0.wave} of {0.waves}, waiting for its audit ({0.prompt_version})"
    found = [
        f"{one.palettes} "
        + (waits if one.reason else "palettes in wave {0.wave} of {0.waves} ({0.prompt_version})").format(one)
        for one in counts
        if one.reason in (None, "held")
    ]
    return f"Tagged adaptively: {', '.join(found)}." if found else ""


def settled_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes were settled after which wave and why; empty when none is."""
    found = [
        f"{one.palettes} after wave {one.wave} of {one.waves} ({one.prompt_version}, {one.reason})"
        for one in counts
        if one.reason not in (None, "held")
    ]
    return f"Settled adaptively: {', '.join(found)}." if found else ""
