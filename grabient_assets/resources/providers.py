"""The four batch APIs as a Dagster resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import dagster as dg

from grabient_assets.ledger.connection import Connection
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.resources.modes import (
    answers_from,
    belongs_here,
    images_by_url,
    provider_access,
    settling,
    usable_providers,
    why_not_usable,
)
from grabient_assets.settings import load_settings


class ProvidersResource(dg.ConfigurableResource):
    """Anthropic, OpenAI, Groq and Google, or the emulator in their place. Keys are read when a connection is made."""

    def usable(self) -> tuple[str, ...]:
        """The providers that can be asked now."""
        return usable_providers(load_settings())

    def why_not(self, provider: str) -> str:
        """The sentence for a provider that cannot."""
        return why_not_usable(load_settings(), provider)

    def answers_from(self) -> str:
        """`emulator` or `live`: part of what identifies a request."""
        return answers_from(load_settings())

    def budget_usd(self) -> Decimal | None:
        """The most to spend in a calendar month; None: no limit."""
        return load_settings().budget_usd

    def images_by_url(self) -> bool:
        """Whether pictures are sent as addresses."""
        return images_by_url(load_settings())

    def belongs_here(self, account: str) -> bool:
        """Whether a batch sent with this account can be asked for in the present mode."""
        return belongs_here(load_settings(), account)

    @contextmanager
    def connect_briefly(self, name: str) -> Iterator[Connection]:
        """As `connect`, for sensors: a call gives up after five seconds of silence, or twenty in all, and is not
        repeated."""
        brief = Timeouts(read=5.0, transfer=5.0, whole_read=20.0, whole_transfer=20.0, attempts=1)
        with self._open(name, brief) as connection:
            yield connection

    @contextmanager
    def connect(self, name: str, call_seconds: float | None = None) -> Iterator[Connection]:
        """A connection to the provider, closed at the end. A direct call may take `call_seconds`, or what the registry
        says. Raises CredentialsError when it has no key."""
        with self._open(name, Timeouts(direct=call_seconds)) as connection:
            yield connection

    @contextmanager
    def _open(self, name: str, timeouts: Timeouts) -> Iterator[Connection]:
        from grabient_assets.providers.connect import connect

        settings = load_settings()
        access = provider_access(settings, name)
        provider = connect(name, access.api_key, access.base_url, timeouts)
        try:
            yield Connection(
                provider,
                access.account,
                answers_from(settings),
                settling(settings),
                settings.budget_usd,
                usable_providers(settings),
            )
        finally:
            provider.close()
