"""Waves in the words that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

from grabient_assets.warehouse.wave_states import WaveCount, WaveState


def wave_words(state: WaveState) -> str:
    """How far one palette is: "2 of 3", and when it is settled why."""
    place = f"{state.wave} of {state.waves}"
    return place if state.reason is None else f"{place}, settled: {state.reason}"


def under_way_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes are in which wave; empty when none is under way."""
    found = [
        f"{one.palettes} palettes in wave {one.wave} of {one.waves} ({one.prompt_version})"
        for one in counts
        if one.reason is None
    ]
    return f"Tagged adaptively: {', '.join(found)}." if found else ""


def settled_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes were settled after which wave and why; empty when none is."""
    found = [
        f"{one.palettes} after wave {one.wave} of {one.waves} ({one.prompt_version}, {one.reason})"
        for one in counts
        if one.reason is not None
    ]
    return f"Settled adaptively: {', '.join(found)}." if found else ""
