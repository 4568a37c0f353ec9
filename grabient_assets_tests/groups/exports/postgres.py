"""A PostgreSQL server of one test, reached through a socket in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
"""PostgreSQL refuses to run as root; who runs the tests as root lets this user."""


class Server:
    """A running server; `folder` holds its socket."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder

    def psql(self, sql: str) -> str:
        """What psql prints, unaligned and without headings; the first error ends it and is raised."""
        command = [self._binaries / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self._folder, "-U", "postgres"]
        done = subprocess.run([*command, "-f", "-"], input=sql.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@contextmanager
def postgres(binaries: Path) -> Iterator[Server]:
    """A server with an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path is short
    user = NOBODY if os.getuid() == 0 else os.getuid()
    os.chown(folder, user, -1)

    def run(*command: str | Path) -> int:
        with (folder / "said").open("ab") as said:
            done = subprocess.run(command, check=False, stdout=said, stderr=said, user=None if user != NOBODY else user)
        return done.returncode

    data = folder / "data"
    try:
        initdb = (binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        assert run(*initdb, "--locale=C") == 0, (folder / "said").read_text()
        control = (binaries / "pg_ctl", "-D", data, "-w")
        server = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
        assert run(*control, "-o", server, "start") == 0, (folder / "said").read_text()
        try:
            yield Server(binaries, folder)
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
