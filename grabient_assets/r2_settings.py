"""The settings of the object store, and what can be wrong with its addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from grabient_assets.errors import SettingsError

_R2_HOST = "r2.cloudflarestorage.com"
_R2_ACCOUNT = re.compile(r"[0-9a-f]{32}\.(?:(?:eu|fedramp)\.)?r2\.cloudflarestorage\.com")


@dataclass(frozen=True, slots=True)
class R2Settings:
    """Where objects go when R2_BUCKET is set. `public_url` has no trailing slash."""

    bucket: str
    endpoint: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    public_url: str | None = None


def read_r2(values: Mapping[str, str], shown: Callable[[str], str]) -> R2Settings | None:
    """What the settings say of R2; None when R2_BUCKET is not set. `shown` gives a setting's value without secrets.

    Raises SettingsError with the name of the setting and the way out.
    """
    if "R2_BUCKET" not in values:
        return None
    missing = [n for n in ("R2_ENDPOINT", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY") if n not in values]
    if missing:
        raise SettingsError(
            f"R2_BUCKET is set but {', '.join(missing)} is not. Set what is missing, or unset R2_BUCKET to keep "
            "objects in the data folder."
        )
    endpoint = read_address("R2_ENDPOINT", values["R2_ENDPOINT"], shown("R2_ENDPOINT"))
    bucket = _bucket(values["R2_BUCKET"], endpoint)
    _check_endpoint(endpoint, bucket, shown("R2_ENDPOINT"))
    if "R2_PUBLIC_URL" in values:
        public = read_address("R2_PUBLIC_URL", values["R2_PUBLIC_URL"], shown("R2_PUBLIC_URL"))
        _check_public_url(public, shown("R2_PUBLIC_URL"))
    return R2Settings(
        bucket=bucket,
        endpoint=endpoint.geturl().rstrip("/"),
        access_key_id=values["R2_ACCESS_KEY_ID"],
        secret_access_key=values["R2_SECRET_ACCESS_KEY"],
        public_url=values["R2_PUBLIC_URL"].rstrip("/") if "R2_PUBLIC_URL" in values else None,
    )


def read_address(name: str, text: str, harmless: str) -> SplitResult:
    """The address of a server. Raises SettingsError with `harmless` when it cannot be one."""
    shown = f"{name} is {harmless!r}"
    if left := re.search(r"[<>{}$]|%7b|your[-_ ]?account|account[-_ ]?id", text, re.IGNORECASE):
        raise SettingsError(f"{shown}; {left[0]!r} is left of an example. Put in what it stands for.")
    if not text.startswith(("http://", "https://")):
        raise SettingsError(f"{shown}; it must begin with http:// or https://.")
    try:
        address = urlsplit(text)
        found = bool(address.hostname) and (address.port or 1) > 0 and not re.search(r"[\s\\]", text)
    except ValueError:
        found, address = False, None
    if not found or address is None:
        raise SettingsError(f"{shown}; it must be an address such as https://host or https://host:9000.")
    if "@" in address.netloc:
        raise SettingsError(f"{shown}; it must hold no user name or password. The token has settings of its own.")
    if address.query or address.fragment:
        raise SettingsError(f"{shown}; leave out what begins with ? or #.")
    if address.scheme == "http" and not _is_local(address.hostname or ""):
        raise SettingsError(f"{shown}; over the internet it must begin with https://.")
    return address


def _is_local(host: str) -> bool:
    """Whether it is a name or number of this machine or of its own network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan", ".test"))


def _bucket(text: str, endpoint: SplitResult) -> str:
    dots = "" if _is_r2(endpoint) else "."  # R2 takes none
    if not re.fullmatch(rf"[a-z0-9][a-z0-9{dots}-]{{1,61}}[a-z0-9]", text):
        raise SettingsError(
            f"R2_BUCKET is {text!r}; it must be the name of a bucket alone, 3 to 63 lower-case letters, digits and "
            "hyphens, without a folder or an address."
        )
    return text


def _is_r2(address: SplitResult) -> bool:
    host = address.hostname or ""
    return host == _R2_HOST or host.endswith(f".{_R2_HOST}")


def _check_endpoint(address: SplitResult, bucket: str, text: str) -> None:
    host, path = address.hostname or "", address.path.strip("/")
    right = f"https://<account>.{_R2_HOST} with the 32 characters of the account id"
    if host.endswith((".r2.dev", "cloudflare.com")):
        raise SettingsError(
            f"R2_ENDPOINT is {text!r}; that is a public page, not the S3 API. It must be {right}. A bucket's public "
            "address belongs in R2_PUBLIC_URL."
        )
    if bucket in path.split("/") or (host.startswith(f"{bucket}.") and _is_r2(address)):
        raise SettingsError(f"R2_ENDPOINT is {text!r}; leave the bucket out of it, R2_BUCKET names it.")
    if _is_r2(address) and (path or not _R2_ACCOUNT.fullmatch(host)):
        raise SettingsError(f"R2_ENDPOINT is {text!r}, which is not the endpoint of an account. It must be {right}.")


def _check_public_url(address: SplitResult, text: str) -> None:
    if _is_r2(address) or (address.hostname or "").endswith("cloudflare.com"):
        raise SettingsError(
            f"R2_PUBLIC_URL is {text!r}, where nobody can fetch a picture without a key. It must be the public address "
            "of the bucket: https://pub-....r2.dev, or a domain of yours. Leave it empty if the bucket is not public."
        )
