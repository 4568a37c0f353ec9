"""When a chain of edits should not go on: every edit redraws the picture, so it gets grainier and drifts."""

from __future__ import annotations

from grabient_assets.thresholds import CHAIN_DRIFT, CHAIN_NOISE


def worn_sentence(noise: float | None, drift: float | None, edit: str = "EDIT", root: str = "ROOT") -> str | None:
    """Why a chain that has come so far should not go on, and the way out; None while it may. It is meant for images at
    the end of two edits or more: a single edit may change as much as it was asked to."""
    worn = [
        *([f"noise {noise:.2f} times that of the root"] if noise is not None and noise > CHAIN_NOISE.limit else []),
        *([f"drift {drift:.2f}"] if drift is not None and drift > CHAIN_DRIFT.limit else []),
    ]
    if not worn:
        return None
    return (
        f"The chain wears out ({', '.join(worn)}). Do its edits in one on the root instead: "
        f"`grabient edits replay {edit} --onto {root}`."
    )
