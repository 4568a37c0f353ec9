"""Only public addresses are reached: the guard of everything that is fetched from an address somebody gave us.

A name is resolved once for a connection, all its addresses are judged, and the connection goes to an address that was
judged. A name that answers differently the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import httpcore

from grabient_assets.sources.problem import SourceProblem

Resolve = Callable[[str, int], list[str]]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a name as this machine knows them. Raises OSError."""
    return list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; an IPv4 address wrapped in IPv6 counts as what it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped or ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
        if ip.is_site_local or (ip.sixtofour and not is_public(str(ip.sixtofour))):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_private_literal(host: str) -> bool:
    """Whether a host, as written, is this machine or a private address: `localhost`, 10.0.0.1, [::1], also 0x7f.1."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if ":" in name:
        return not is_public(name)
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))  # also the short, octal and hexadecimal forms
    except (OSError, UnicodeError):
        return False


class GuardedNetwork(httpcore.NetworkBackend):
    """Connects as `network` does, but to public addresses only, and ends when `left()` seconds are over.

    connect_tcp raises SourceProblem: private_address, or network when the name has no address.
    """

    def __init__(
        self, resolve: Resolve | None, left: Callable[[], float], network: httpcore.NetworkBackend | None = None
    ) -> None:
        """Without `resolve` nothing is judged: for the emulator of this machine."""
        self._resolve, self._left, self._network = resolve, left, network or httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        addresses = self._judged(host, port) if self._resolve else [host]
        for place, address in enumerate(addresses, 1):
            try:
                timeout = self._left() / (len(addresses) - place + 1)
                stream = self._network.connect_tcp(address, port, timeout, local_address, socket_options)
                return _TimedStream(stream, self._left)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(addresses):
                    raise
        raise SourceProblem("network", f"{host} has no address. Check its name.")

    def _judged(self, host: str, port: int) -> list[str]:
        assert self._resolve
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise SourceProblem("network", f"The name {host} could not be resolved: {error}.") from error
        for address in addresses:
            if not is_public(address):
                raise SourceProblem("private_address", f"{host} resolves to {address}, which is no public address.")
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A stream of which every step ends when the time for the whole is over, however slowly bytes come."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream, self._left = stream, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: Any = None) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._left()), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
