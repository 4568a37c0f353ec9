"""Whom the clients believe to be a provider."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted() -> ssl.SSLContext:
    """The certificate authorities of this machine, or those that SSL_CERT_FILE or SSL_CERT_DIR names.

    One for the process: reading them takes 26 ms, and the SDKs would do it six times for the four providers, each time
    they are opened.
    """
    import httpx2

    return httpx2.create_ssl_context()
