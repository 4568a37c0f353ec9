"""Which models the emulated providers serve today: those of the registry, in the time they are on offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model. It is served from `available_from` to the day before `retires_on`; None: no limit."""

    provider: str
    id: str
    retires_on: date | None = None
    available_from: date | None = None


class ServedModels:
    """The models of all providers, seen on the day that `today` tells."""

    def __init__(self, models: Iterable[ServedModel], today: Callable[[], date]) -> None:
        self._models = {(model.provider, model.id): model for model in models}
        self._today = today

    def serves(self, provider: str, model_id: str) -> bool:
        model = self._models.get((provider, model_id))
        return model is not None and self._on_offer(model)

    def of(self, provider: str) -> list[ServedModel]:
        """The models a provider serves today, by id."""
        return sorted(
            (model for model in self._models.values() if model.provider == provider and self._on_offer(model)),
            key=lambda model: model.id,
        )

    def _on_offer(self, model: ServedModel) -> bool:
        today = self._today()
        begun = model.available_from is None or model.available_from <= today
        return begun and (model.retires_on is None or today < model.retires_on)


def registry_models() -> tuple[ServedModel, ...]:
    """Every model the registry knows, retired ones included."""
    from grabient_assets.registry.load import load_registry

    return tuple(
        ServedModel(model.provider, model.id, model.retires_on, model.available_from)
        for model in load_registry().models
    )
