"""The emulator as a server on the loopback interface: one per data folder."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from grabient_assets.emulator.app import EmulatorApp
from grabient_assets.emulator.endpoint import (
    EmulatorEndpoint,
    FileLock,
    emulator_dir,
    read_endpoint,
    remove_endpoint,
    write_endpoint,
)
from grabient_assets.emulator.wire import ServedModel, registry_models
from grabient_assets.errors import EmulatorError

_ENDING = (signal.SIGTERM, signal.SIGINT)


class EmulatorServer:
    """One emulator on one folder. `run` serves until `stop`, a signal, or too long without a request."""

    def __init__(
        self,
        data_dir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        polls: int = 2,
        faults: Path | None = None,
        idle_exit_seconds: float | None = None,
        announce: Callable[[EmulatorEndpoint], None] = lambda endpoint: None,
        models: Iterable[ServedModel] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        salt: str | None = None,
    ) -> None:
        _check_loopback(host)
        if polls < 1:
            raise EmulatorError(f"The emulator needs at least 1 poll until a batch ends, not {polls}.")
        self._data_dir = data_dir
        self._announce = announce
        self._idle_exit = idle_exit_seconds
        self._last_call = time.monotonic()
        self._lock = FileLock(emulator_dir(data_dir) / "lock")
        if not self._lock.try_acquire():
            self._lock.release()
            raise EmulatorError(_taken(data_dir))
        try:
            self._socket = _bound(host, port)
            self._app = EmulatorApp(
                emulator_dir(data_dir),
                registry_models() if models is None else models,
                polls=polls,
                faults=faults,
                now=now,
                salt=salt,
                touched=self._touched,
            )
        except BaseException:
            self._lock.release()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.endpoint = EmulatorEndpoint(f"http://{shown}:{self._socket.getsockname()[1]}", os.getpid())
        self._server = _Server(_configured(self._app), self._listening)

    def run(self) -> None:
        """Serves. Returns after a clean stop; endpoint.json and the lock are gone then."""
        before = {one: signal.getsignal(one) for one in _ENDING}
        try:
            asyncio.run(self._serve())
        finally:
            if threading.current_thread() is threading.main_thread():
                for one, handler in before.items():  # asyncio leaves Python's own behind
                    signal.signal(one, handler)
            remove_endpoint(self._data_dir)
            self._socket.close()
            self._app.state.close()
            self._lock.release()

    def stop(self) -> None:
        """Asks the server to end; may be called from any thread."""
        self._server.should_exit = True

    async def _serve(self) -> None:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in _ENDING:
                loop.add_signal_handler(number, self.stop)
        watch = asyncio.ensure_future(self._watch_idle())
        await self._server.serve(sockets=[self._socket])
        watch.cancel()

    async def _watch_idle(self) -> None:
        while self._idle_exit is not None:
            left = self._last_call + self._idle_exit - time.monotonic()
            if left <= 0:
                self.stop()
                return
            await asyncio.sleep(left)

    def _touched(self) -> None:
        self._last_call = time.monotonic()

    def _listening(self) -> None:
        write_endpoint(self._data_dir, self.endpoint, datetime.now(UTC).isoformat(timespec="seconds"))
        self._announce(self.endpoint)


class _Server(uvicorn.Server):
    """uvicorn that reports when it listens and leaves signals to us (its own handler ends the process)."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = listening

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()


def serve(
    data_dir: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    polls: int = 2,
    faults: Path | None = None,
    idle_exit_seconds: float | None = None,
    announce: Callable[[EmulatorEndpoint], None] = lambda endpoint: None,
) -> None:
    """Serves the APIs of the providers and of Vectorize on loopback until stopped.

    `port` 0 takes a free one; `polls` is how often a batch is asked for until it ends; `faults` a fault
    script; `idle_exit_seconds` ends the server after so long without a request. `announce` gets the address.
    Raises EmulatorError: not a loopback address, port taken, folder already served, unusable fault script.
    """
    EmulatorServer(
        data_dir,
        host=host,
        port=port,
        polls=polls,
        faults=faults,
        idle_exit_seconds=idle_exit_seconds,
        announce=announce,
    ).run()


def _configured(app: EmulatorApp) -> uvicorn.Config:
    return uvicorn.Config(
        app.asgi,
        http=app.call_faults.connections.protocol(),
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _check_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise EmulatorError(
            f"The emulator serves this machine only, on 127.0.0.1; it does not bind to {host!r}: it has no security."
        )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise EmulatorError(
            f"The emulator cannot use port {port} of {host}: {error.strerror}. Choose another, or 0 for a free one."
        ) from error
    return bound


def _taken(data_dir: Path) -> str:
    running = read_endpoint(data_dir)
    where = f"at {running.url} (process {running.pid})" if running else "and is just starting or stopping"
    return f"An emulator already serves {data_dir}, {where}. Use that one, or stop it first."
