"""What the providers say they serve, and what that means for the models of the registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

from grabient_assets.errors import GrabientError
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import provider_access, usable_providers, why_not_usable
from grabient_assets.settings import Settings

ModelList: TypeAlias = frozenset[str] | GrabientError | str
"""The ids a provider serves; the error instead when asking failed; the sentence when it was not asked."""
Verdict: TypeAlias = Literal["served", "not served", "not asked", "failed"]

_DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})")


def model_lists(settings: Settings, providers: Sequence[str]) -> dict[str, ModelList]:
    """What each of these providers answers when it is asked for its models; in emulator mode the emulator answers."""
    return {provider: _model_list(settings, provider) for provider in providers}


def verdict(model: Model, lists: Mapping[str, ModelList]) -> Verdict:
    """Whether the model's provider serves it."""
    found = lists[model.provider]
    if isinstance(found, str):
        return "not asked"
    if isinstance(found, GrabientError):
        return "failed"
    return "served" if _lists(found, model.id) else "not served"


def _model_list(settings: Settings, provider: str) -> ModelList:
    from grabient_assets.providers.connect import connect

    if provider not in usable_providers(settings):
        return why_not_usable(settings, provider)
    try:
        access = provider_access(settings, provider)
        api = connect(provider, access.api_key, access.base_url)
        try:
            return frozenset(api.available_models())
        finally:
            api.close()
    except GrabientError as error:
        return error


def _lists(ids: Collection[str], wanted: str) -> bool:
    """A name without a date is served when one of its dated versions is."""
    return any(one == wanted or (one.startswith(wanted) and _DATE.fullmatch(one[len(wanted) :])) for one in ids)
