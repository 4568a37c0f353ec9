"""The settings of Cloudflare Vectorize, where vectors are kept for search beside the data folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from grabient_assets.errors import SettingsError
from grabient_assets.r2_settings import read_address

CLOUDFLARE_URL = "https://api.cloudflare.com/client/v4"
INDEX_NAMES = ("VECTORIZE_INDEX", "VECTORIZE_KNOWLEDGE_INDEX")


@dataclass(frozen=True, slots=True)
class VectorizeSettings:
    """Which indexes are kept at Cloudflare, and how they are reached: `index` is that of VECTORIZE_INDEX,
    `knowledge_index` that of VECTORIZE_KNOWLEDGE_INDEX; one of them may be None. `base_url` has no trailing slash."""

    index: str | None
    account: str
    token: str = field(repr=False)
    base_url: str = CLOUDFLARE_URL
    knowledge_index: str | None = None


def read_vectorize(values: Mapping[str, str], shown: Callable[[str], str]) -> VectorizeSettings | None:
    """What the settings say of Vectorize; None when none of INDEX_NAMES is set. `shown` gives a setting's value without
    secrets.

    Raises SettingsError with the name of the setting and the way out.
    """
    named = [name for name in INDEX_NAMES if name in values]
    if not named:
        return None
    missing = [name for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN") if name not in values]
    if missing:
        raise SettingsError(
            f"{named[0]} is set but {' and '.join(missing)} {'are' if missing[1:] else 'is'} not. Set what is "
            f"missing, or unset {named[0]} to search in the data folder alone."
        )
    for name in named:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", values[name]):
            raise SettingsError(
                f"{name} is {shown(name)!r}; it must be the name of an index alone, at most 64 "
                "lower-case letters, digits, hyphens and underscores."
            )
    if len({values[name] for name in named}) < len(named):
        raise SettingsError(
            f"{' and '.join(named)} are both {shown(named[0])!r}. Each index needs a name of its own: what one does "
            "not hold it deletes."
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", values["CLOUDFLARE_ACCOUNT_ID"]):
        raise SettingsError(
            f"CLOUDFLARE_ACCOUNT_ID is {shown('CLOUDFLARE_ACCOUNT_ID')!r}; it must be the account id alone, 32 letters "
            "and digits, without an address."
        )
    url = values.get("CLOUDFLARE_BASE_URL")
    if url is not None:
        url = read_address("CLOUDFLARE_BASE_URL", url, shown("CLOUDFLARE_BASE_URL")).geturl().rstrip("/")
    return VectorizeSettings(
        values.get("VECTORIZE_INDEX"),
        values["CLOUDFLARE_ACCOUNT_ID"],
        values["CLOUDFLARE_API_TOKEN"],
        url or CLOUDFLARE_URL,
        values.get("VECTORIZE_KNOWLEDGE_INDEX"),
    )
