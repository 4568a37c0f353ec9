"""What makes two requests the same request."""

from __future__ import annotations

import hashlib

from grabient_assets.registry.model import Model


def request_digest(purpose: str, answers_from: str, model: Model, prompt_digest: str) -> str:
    """20 hexadecimal digits that change when what is sent, or to whom, changes; the item asked about aside.

    `answers_from` is `emulator` or `live`, so that an emulated answer never stands in for a real one. Together with
    the item's key and the analysis number this is the custom_id.
    """
    return digest_of_request(purpose, answers_from, model.provider, model.id, prompt_digest)


def digest_of_request(purpose: str, answers_from: str, provider: str, model_id: str, prompt_digest: str) -> str:
    """The same, of a model that the registry may know no more."""
    said = f"{purpose}\n{answers_from}\n{provider}\n{model_id}\n{prompt_digest}"
    return hashlib.sha256(said.encode()).hexdigest()[:20]
