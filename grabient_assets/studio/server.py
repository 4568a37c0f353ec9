"""The studio as a server: started and ended by a command, or in a thread beside `grabient dev` and in tests."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import uvicorn

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError, WarehouseLockedError
from grabient_assets.settings import Settings
from grabient_assets.studio.access import LOOPBACK, Access
from grabient_assets.studio.application import make_application
from grabient_assets.studio.pages import Studio

PORT = 3700
GRACE_SECONDS = 2


class StudioServer:
    """One studio on one address. `run` serves until `stop` or a signal.

    Raises GrabientError when the address cannot be had. `port` 0 takes a free one.
    """

    def __init__(self, studio: Studio, host: str = "127.0.0.1", port: int = PORT) -> None:
        self._socket = _bound(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.ended_by: int | None = None
        self._studio = studio
        studio.at_home = host in (*LOOPBACK, "::1")
        application = make_application(studio, Access(studio.token, host, self.port))
        config = uvicorn.Config(
            application,
            loop="asyncio",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config)

    def run(self, announce: Callable[[str], None] = lambda url: None) -> None:
        """Serve, with signals handled in the main thread; `announce` gets the address once it answers."""
        self._server.listening = lambda: announce(self.url)
        try:
            asyncio.run(self._serve())
        finally:
            self._socket.close()

    def start(self) -> threading.Thread:
        """Serve in a thread that ends with the process; returns once it answers."""
        answers = threading.Event()
        thread = threading.Thread(target=lambda: self.run(lambda _: answers.set()), name="studio", daemon=True)
        thread.start()
        while not answers.wait(interrupts.SLICE_SECONDS) and thread.is_alive():
            pass
        return thread

    def stop(self) -> None:
        """Asks the server to end; may be called from any thread."""
        self._studio.closing = True
        self._server.should_exit = True

    async def _serve(self) -> None:
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for one in interrupts.signals_to_handle():
                loop.add_signal_handler(one, self._end, one)
        await self._server.serve(sockets=[self._socket])

    def _end(self, number: signal.Signals) -> None:
        """The first signal ends what is under way in order, the second at once."""
        self._server.force_exit = self.ended_by is not None
        self.ended_by = self.ended_by or number
        self.stop()


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and leaves signals to us."""

    listening: Callable[[], None] = staticmethod(lambda: None)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening()


def start_studio(settings: Settings, host: str, port: int) -> StudioServer:
    """A studio that is ready to be served. A database of an older version is brought up to date here, so that looking
    at a page changes nothing. Raises GrabientError when the address cannot be had or the database cannot be read."""
    studio = Studio(settings)
    server = StudioServer(studio, host, port)
    with suppress(WarehouseLockedError), studio.to_read().read():
        pass
    return server


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise GrabientError(
            f"The studio cannot use port {port} of {host}: {error.strerror or error}. Choose another one, or 0 for one "
            "that is free."
        ) from error
    return bound
