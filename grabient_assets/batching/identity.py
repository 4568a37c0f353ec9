"""What makes two requests the same request."""

from __future__ import annotations

import hashlib

from grabient_assets.registry.model import Model


def request_digest(purpose: str, answers_from: str, model: Model, prompt_digest: str) -> str:
    """20 hexadecimal digits that change when what is sent, or to whom, changes; the item asked about aside.

    `answers_from` is `emulator` or `live`, so that an emulated answer never stands in for a real one. Together with
    the item's key and the analysis number this is the custom_id.
    """
    said = f"{purpose}\n{answers_from}\n{model.provider}\n{model.id}\n{prompt_digest}"
    return hashlib.sha256(said.encode()).hexdigest()[:20]
