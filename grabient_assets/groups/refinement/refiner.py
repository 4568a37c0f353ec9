"""Who refines: the model of the setting, or the one of the panel."""

from __future__ import annotations

from grabient_assets.errors import SettingsError
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.settings import load_settings


def refiner() -> Model:
    """The model that refines: that of GRABIENT_REFINER, else the panel's. Raises SettingsError for one that is none."""
    registry, chosen = load_registry(), load_settings().refiner
    if chosen is None:
        return registry.panel("refiner")[0]
    known = {model.id: model for model in registry.models if "refiner" in model.roles}
    if chosen not in known:
        raise SettingsError(f"GRABIENT_REFINER is {chosen!r}, which refines nothing; choose {' or '.join(known)}.")
    return known[chosen]
