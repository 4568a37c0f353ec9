"""The registry: which models there are, which belong to the panel, and whether one may be used on a day."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from grabient_assets.errors import RegistryError
from grabient_assets.registry.model import BatchLimits, Model, Role

WARN_DAYS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """All known models, ordered by provider and id, and what each provider takes in one batch."""

    models: tuple[Model, ...]
    limits: Mapping[str, BatchLimits]

    def panel(self, role: Role = "tagger") -> tuple[Model, ...]:
        """The models asked by default for `role`."""
        return tuple(model for model in self.models if model.panel and role in model.roles)

    def model(self, provider: str, id: str) -> Model:
        """The model `id` of `provider`. Raises RegistryError naming the ids that look like it."""
        for model in self.models:
            if model.provider == provider and model.id == id:
                return model
        known = [model.id for model in self.models if model.provider == provider]
        if not known:
            providers = ", ".join(dict.fromkeys(model.provider for model in self.models))
            raise RegistryError(f"There is no provider {provider!r} in the registry; it knows {providers}.")
        near = difflib.get_close_matches(id, known, n=3, cutoff=0.5) or known
        raise RegistryError(f"The registry knows no model {id!r} of {provider}. Did you mean {' or '.join(near)}?")

    def usable(self, model: Model, on: date) -> str | None:
        """None when `model` may be used on the day `on`; a warning sentence when its end is near.

        Raises RegistryError naming the model to use instead when it is shut down, or not yet available.
        """
        heir = self._heir(model, on)
        instead = f"use {heir} instead" if heir else "the registry names nothing to use instead"
        if model.retires_on is not None and on >= model.retires_on:
            raise RegistryError(f"Model {model.id} of {model.provider} was shut down on {model.retires_on}; {instead}.")
        if model.available_from is not None and on < model.available_from:
            raise RegistryError(f"Model {model.id} of {model.provider} is not available before {model.available_from}.")
        if model.retires_on is not None and (left := (model.retires_on - on).days) <= WARN_DAYS:
            days = f"{left} day{'s' if left > 1 else ''}"
            return (
                f"Model {model.id} of {model.provider} will be shut down on {model.retires_on}, in {days}; {instead}."
            )
        earliest = model.retires_not_before
        if model.retires_on is None and earliest is not None and (earliest - on).days <= WARN_DAYS:
            return f"Model {model.id} of {model.provider} may be shut down from {earliest} on; be ready to {instead}."
        return None

    def _heir(self, model: Model, on: date) -> str | None:
        """The first replacement down the chain that is not itself shut down on the day `on`."""
        heir = model
        while heir.replacement is not None:
            heir = self.model(model.provider, heir.replacement)
            if heir.retires_on is None or on < heir.retires_on:
                return heir.id
        return None
