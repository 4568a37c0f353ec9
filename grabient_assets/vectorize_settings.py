"""The settings of Cloudflare Vectorize, where vectors are kept for search beside the data folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from grabient_assets.errors import SettingsError
from grabient_assets.r2_settings import read_address

CLOUDFLARE_URL = "https://api.cloudflare.com/client/v4"


@dataclass(frozen=True, slots=True)
class VectorizeSettings:
    """Which index is used when VECTORIZE_INDEX is set, and how it is reached. `base_url` has no trailing slash."""

    index: str
    account: str
    token: str = field(repr=False)
    base_url: str = CLOUDFLARE_URL


def read_vectorize(values: Mapping[str, str], shown: Callable[[str], str]) -> VectorizeSettings | None:
    """What the settings say of Vectorize; None when VECTORIZE_INDEX is not set. `shown` gives a setting's value without
    secrets.

    Raises SettingsError with the name of the setting and the way out.
    """
    if "VECTORIZE_INDEX" not in values:
        return None
    missing = [name for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN") if name not in values]
    if missing:
        raise SettingsError(
            f"VECTORIZE_INDEX is set but {' and '.join(missing)} {'are' if missing[1:] else 'is'} not. Set what is "
            "missing, or unset VECTORIZE_INDEX to search in the data folder alone."
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", values["VECTORIZE_INDEX"]):
        raise SettingsError(
            f"VECTORIZE_INDEX is {shown('VECTORIZE_INDEX')!r}; it must be the name of an index alone, at most 64 "
            "lower-case letters, digits, hyphens and underscores."
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
        values["VECTORIZE_INDEX"],
        values["CLOUDFLARE_ACCOUNT_ID"],
        values["CLOUDFLARE_API_TOKEN"],
        url or CLOUDFLARE_URL,
    )
