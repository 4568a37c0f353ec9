"""The registry: which models there are, which belong to the panel, and whether one may be used on a day."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from grabient_assets.errors import RegistryError
from grabient_assets.registry.model import BatchLimits, DirectLimits, Model, Role

WARN_DAYS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """All known models, ordered by provider and id, and what each provider takes in one batch and at the same time.

    `limits` holds the providers that have batches, `direct` all of them.
    """

    models: tuple[Model, ...]
    limits: Mapping[str, BatchLimits]
    direct: Mapping[str, DirectLimits]

    def panel(self, role: Role = "tagger") -> tuple[Model, ...]:
        """The models asked by default for `role`; where one is asked, the first."""
        return tuple(model for model in self.models if model.panel and role in model.panel_roles)

    def in_role(self, role: Role) -> tuple[Model, ...]:
        """All models that can do what `role` stands for, retired ones included."""
        return tuple(model for model in self.models if role in model.roles)

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

    def named(self, name: str, role: Role) -> Model:
        """The model of this id, whoever serves it. Raises RegistryError for one that is unknown or cannot do what
        `role` stands for, naming some that can."""
        found = [model for model in self.models if model.id == name]
        able = [model for model in found if role in model.roles]
        if able:
            return able[0]
        near = difflib.get_close_matches(name, [model.id for model in self.in_role(role)], n=3, cutoff=0.5)
        known = ", ".join(near or [model.id for model in self.panel(role)])
        what = f"{name} is no {role}" if found else f"The registry knows no {role} {name!r}"
        raise RegistryError(f"{what}. Choose for example {known}.")

    def usable(self, model: Model, on: date) -> None:
        """Raises RegistryError when `model` is shut down on the day `on`, naming another to use, or not out yet."""
        if model.retires_on is not None and on >= model.retires_on:
            raise RegistryError(
                f"Model {model.id} of {model.provider} was shut down on {model.retires_on}; {self._instead(model, on)}."
            )
        if model.available_from is not None and on < model.available_from:
            raise RegistryError(f"Model {model.id} of {model.provider} is not available before {model.available_from}.")

    def refusals(self, models: Iterable[Model], on: date) -> dict[Model, str]:
        """Those of `models` that are not usable on the day `on`, each with the sentence why."""
        refused: dict[Model, str] = {}
        for model in models:
            try:
                self.usable(model, on)
            except RegistryError as error:
                refused[model] = str(error)
        return refused

    def warning(self, model: Model, on: date) -> str | None:
        """A sentence when `model` is still usable on the day `on`, but its end is at most 30 days away."""
        if model in self.refusals([model], on):
            return None
        end, earliest = model.retires_on, model.retires_not_before
        if end is not None:
            left = (end - on).days
            days = f"{left} day{'s' if left > 1 else ''}"
            sentence = f"will be shut down on {end}, in {days}; {self._instead(model, on)}"
            return f"Model {model.id} of {model.provider} {sentence}." if left <= WARN_DAYS else None
        if earliest is not None and (earliest - on).days <= WARN_DAYS:
            since = f"may be shut down {'any day' if earliest <= on else f'from {earliest} on'}"
            return f"Model {model.id} of {model.provider} {since}; be ready to {self._instead(model, on)}."
        return None

    def warnings(self, models: Iterable[Model], on: date) -> list[str]:
        """The warning of every one of `models` whose end is near."""
        return [sentence for model in models if (sentence := self.warning(model, on)) is not None]

    def _instead(self, model: Model, on: date) -> str:
        heir = self._heir(model, on)
        return f"use {heir} instead" if heir else "the registry names nothing to use instead"

    def _heir(self, model: Model, on: date) -> str | None:
        """The first replacement down the chain that is not itself shut down on the day `on`."""
        heir = model
        while heir.replacement is not None:
            heir = self.model(model.provider, heir.replacement)
            if heir.retires_on is None or on < heir.retires_on:
                return heir.id
        return None
