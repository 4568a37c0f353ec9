"""A server that can do what an HTTP library will not: hang up, answer half, or say nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count


class Dripping(bytes):
    """An answer that comes byte by byte and never to its end."""


class RawServer:
    """Answers each request with the bytes of `respond(head)`; None hangs up, `SILENCE` waits until the server stops,
    `Dripping` bytes come one at a time and without end. With `deaf` it takes connections and reads nothing."""

    SILENCE = b"\x00silence"

    def __init__(self, respond: Callable[[bytes], bytes | None], *, deaf: bool = False) -> None:
        self.requests: list[bytes] = []
        self._respond = respond
        self._deaf = deaf
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def count(self, start: str) -> int:
        """How many requests began with `start`, e.g. "POST /v1/batches "."""
        return sum(request.startswith(start.encode()) for request in self.requests)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            if self._deaf:
                self._over.wait()
                return
            head = self._read(connection)
            self.requests.append(head)
            answer = self._respond(head)
            if answer == self.SILENCE:
                self._over.wait()
            elif isinstance(answer, Dripping):
                self._drip(connection, answer)
            elif answer is not None:
                connection.sendall(answer)

    def _drip(self, connection: socket.socket, answer: bytes) -> None:
        """A head that is whole at once, then byte by byte, and blanks until the other side or the server has enough."""
        head = answer[: answer.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in answer else b""
        with suppress(OSError):
            connection.sendall(head)
            for number in count(len(head)):
                connection.sendall(answer[number : number + 1] or b" ")
                if self._over.wait(0.01):
                    return

    def _read(self, connection: socket.socket) -> bytes:
        """The head of the request; its body is read and dropped."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, body = data.split(b"\r\n\r\n", 1)
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head

    def stop(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the accepting thread
        self._socket.close()
        self._thread.join()


@contextmanager
def raw_server(respond: Callable[[bytes], bytes | None], *, deaf: bool = False) -> Iterator[RawServer]:
    server = RawServer(respond, deaf=deaf)
    try:
        yield server
    finally:
        server.stop()


def http(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An HTTP answer; `length` lies about the body, -1 leaves the length out."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", "Connection: close", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
