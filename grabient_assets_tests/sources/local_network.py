"""A small internet for tests: real sockets, and public addresses that lead to a server of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpcore

PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "151.101.1.69"


class LocalNetwork(httpcore.NetworkBackend):
    """Connects to 127.0.0.1:`port`, whatever address is asked for, and notes what was asked for."""

    def __init__(self, port: int, unreachable: Iterable[str] = ()) -> None:
        self.connected: list[str] = []
        self._port, self._unreachable, self._real = port, set(unreachable), httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self.connected.append(host)
        if host in self._unreachable:
            raise httpcore.ConnectError("nobody there")
        return self._real.connect_tcp("127.0.0.1", self._port, timeout, local_address, socket_options)


def names(known: dict[str, list[str]]) -> Callable[[str, int], list[str]]:
    """A resolver that knows these names, and no other."""

    def resolve(host: str, port: int) -> list[str]:
        if host not in known:
            raise OSError(f"unknown name {host}")
        return known[host]

    return resolve
