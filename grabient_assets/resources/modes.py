"""The only place where emulator mode and live mode differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import CredentialsError, SettingsError
from grabient_assets.ledger.batches import EMULATOR_ACCOUNT
from grabient_assets.settings import PROVIDERS, Settings
from grabient_assets.vectorize_settings import VectorizeSettings

if TYPE_CHECKING:
    from grabient_assets.providers.vectorize import VectorizeIndex

EMULATOR_KEY = "emulator"


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """How to reach one provider. `base_url` None is the provider's own address."""

    provider: str
    api_key: str = field(repr=False)
    base_url: str | None

    @property
    def account(self) -> str:
        """A digest of credential and endpoint: batches can only be asked for where they were sent."""
        if self.api_key == EMULATOR_KEY:
            return EMULATOR_ACCOUNT  # the same account on whatever port it listens today
        return hashlib.sha256(f"{self.provider}\n{self.base_url}\n{self.api_key}".encode()).hexdigest()[:16]


def usable_providers(settings: Settings) -> tuple[str, ...]:
    """The providers that can be asked: in emulator mode all, in live mode those with a key."""
    if settings.mode == "emulator":
        return PROVIDERS
    return tuple(p for p in PROVIDERS if p in settings.api_keys)


def why_not_usable(settings: Settings, provider: str) -> str:
    """The sentence for a provider that is left out."""
    return f"{provider} is left out: set {settings.key_names(provider)[0]} to use it in live mode."


def provider_access(settings: Settings, provider: str) -> ProviderAccess:
    """How to reach the provider now. In emulator mode the emulator is started when it is not running.

    Raises CredentialsError in live mode when the provider has no key.
    """
    if settings.mode == "emulator":
        from grabient_assets.emulator.endpoint import ensure_emulator

        endpoint = ensure_emulator(settings.data_dir)
        return ProviderAccess(provider, api_key=EMULATOR_KEY, base_url=endpoint.base_urls[provider])
    if provider not in settings.api_keys:
        raise CredentialsError(provider, why_not_usable(settings, provider))
    return ProviderAccess(provider, settings.api_keys[provider], settings.base_urls.get(provider))


def vectorize_access(settings: Settings) -> VectorizeSettings | None:
    """How to reach the indexes at Cloudflare now; None when none is named. In emulator mode it is the emulator's,
    which is started when it is not running, and Cloudflare is told nothing."""
    if settings.vectorize is None or settings.mode == "live":
        return settings.vectorize
    from grabient_assets.emulator.endpoint import ensure_emulator

    url = ensure_emulator(settings.data_dir).base_urls["cloudflare"]
    return replace(settings.vectorize, account=EMULATOR_KEY, token=EMULATOR_KEY, base_url=url)


def open_vectorize(settings: Settings, name: str) -> VectorizeIndex:
    """The index of that name, at Cloudflare or at the emulator. Raises SettingsError when nothing says where it is."""
    from grabient_assets.providers.vectorize import VectorizeIndex

    if (access := vectorize_access(settings)) is None:
        raise SettingsError(
            f"The index {name!r} is kept at Cloudflare Vectorize, and VECTORIZE_INDEX is not set, nor "
            "VECTORIZE_KNOWLEDGE_INDEX. Set its name, CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN."
        )
    return VectorizeIndex(access.account, access.token, name, access.base_url)


@dataclass(frozen=True, slots=True)
class YouTubeAccess:
    """Where transcripts come from. `base_url` None is YouTube itself."""

    base_url: str | None
    proxy_url: str | None = field(default=None, repr=False)


def youtube_access(settings: Settings) -> YouTubeAccess:
    """How to reach YouTube now. In emulator mode it is the emulator, which is started when it is not running, and
    neither YouTube nor a proxy is told anything."""
    if (emulated := web_access(settings)) is not None:
        return YouTubeAccess(f"{emulated}/youtube")
    return YouTubeAccess(settings.youtube_base_url, settings.youtube_proxy_url)


def web_access(settings: Settings) -> str | None:
    """The emulator that answers for every page of the web; None in live mode, where pages are fetched from where they
    are."""
    if settings.mode == "live":
        return None
    from grabient_assets.emulator.endpoint import ensure_emulator

    return ensure_emulator(settings.data_dir).url


def key_of(settings: Settings, provider: str) -> str:
    """The key that results of the provider were read with; empty when it is not set any more."""
    return EMULATOR_KEY if settings.mode == "emulator" else settings.api_keys.get(provider, "")


def sensors_run_by_default(settings: Settings) -> bool:
    """Opening the UI must never spend money: in live mode a person turns the sensors on."""
    return settings.mode == "emulator"


def seconds_between_ticks(settings: Settings) -> int:
    """How often sensors look: 5 s is the least Dagster's daemon keeps; real batches take minutes to hours."""
    return 5 if settings.mode == "emulator" else 60


def settling(settings: Settings) -> timedelta:
    """How long an absent batch may still turn up in a provider's list: no provider says, so a minute; the emulator
    lists what it has at once."""
    return timedelta(seconds=1 if settings.mode == "emulator" else 60)


def images_by_url(settings: Settings) -> bool:
    """Whether a model is given a picture's address instead of its bytes: only where anybody can fetch it."""
    return settings.mode == "live" and settings.r2 is not None and settings.r2.public_url is not None


def answers_from(settings: Settings) -> str:
    """Part of what identifies a request: an answer of the emulator never stands in for one that a model gave."""
    return settings.mode


def belongs_here(settings: Settings, account: str) -> bool:
    """Whether a batch of this account can be asked for in this mode."""
    return (account == EMULATOR_ACCOUNT) == (settings.mode == "emulator")
