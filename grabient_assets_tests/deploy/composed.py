"""compose.yaml without Docker: its own commands, environments, files, order and health checks, as processes here.

Only what a container gives is replaced: names of hosts and ports by free ports of 127.0.0.1, folders of the image by
folders of the test. The two images of others are a PostgreSQL cluster of the tests and moto's S3 server.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from moto.server import ThreadedMotoServer

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import hear_signals
from grabient_assets_tests.pipeline.place import COMMANDS
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.postgres import HOST, Server, postgres

COMPOSE = PROJECT_DIR / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_HERE = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
"""What a process needs of this machine. The rest of the environment is what compose.yaml says."""
PATIENCE_SECONDS = 1200.0
"""Guards against hanging for ever: ten processes on a busy machine take their time."""
PAUSE_SECONDS = 0.3
HOSTS = ("PGHOST", "host")
"""The names of variables and keys whose value is the name of a service alone."""
LOG_LINES = 40


def read_compose(file: Path = COMPOSE, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with `${NAME:-default}` filled in as Docker Compose does it. Raises KeyError for `${NAME:?reason}`."""
    known = environ or {}

    def filled(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if known.get(name):
            return known[name]
        if how == "?":
            raise KeyError(f"{name}: {rest}")
        return rest or ""

    def interpolated(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: interpolated(one) for name, one in value.items()}
        if isinstance(value, list):
            return [interpolated(one) for one in value]
        return _VARIABLE.sub(filled, value) if isinstance(value, str) else value

    return interpolated(yaml.safe_load(file.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Machine:
    """The folders of one machine: its volume and its home of Dagster."""

    data: Path
    home: Path


@dataclass
class Composed:
    """The services of compose.yaml that run, by name."""

    document: dict[str, Any]
    ports: dict[int, int]
    folder: Path
    database: Server
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def services(self) -> dict[str, Any]:
        return self.document["services"]

    def machine(self, name: str) -> Machine:
        """The machine of that name, with the files that compose.yaml mounts. All machines have one emulator, as they
        have one OpenAI: its folder is a link."""
        made = Machine(self.folder / name / "data", self.folder / name / "dagster")
        if not made.home.exists():
            made.home.mkdir(parents=True)
            made.data.mkdir()
            shared = self.folder / "emulator"
            shared.mkdir(exist_ok=True)
            (made.data / "emulator").symlink_to(shared)
            for mounted in self.services["code"]["configs"]:
                source = PROJECT_DIR / self.document["configs"][mounted["source"]]["file"]
                text = yaml.safe_dump(self._moved(yaml.safe_load(source.read_text(encoding="utf-8")), made))
                Path(self._moved(mounted["target"], made)).write_text(text, encoding="utf-8")
        return made

    def environment(self, service: str, machine: Machine) -> dict[str, str]:
        """What a process of the service sees."""
        here = {name: os.environ[name] for name in _HERE if name in os.environ}
        path = f"{COMMANDS}{os.pathsep}{here['PATH']}"
        return {**here, "PATH": path, "NO_COLOR": "1", **self._moved(self.services[service]["environment"], machine)}

    def up(self, service: str) -> None:
        """Start the service after those it depends on, each when its condition is met; wait until it is healthy, or has
        ended well where it is one that ends."""
        if service in self.running:
            return
        for other in self.services[service].get("depends_on", {}):
            self.up(other)
        if self.services[service]["image"].startswith("grabient:"):
            self.start(service)
            self._wait_for(service)

    def start(self, service: str) -> None:
        """Start the process of the service on the first machine, without waiting for anything."""
        self.running[service] = self.process(service, self.services[service]["command"], "one")

    def process(
        self, service: str, command: list[str], machine: str, output: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """A command in the environment of the service, as `docker compose run` starts it, on that machine."""
        where = self.machine(machine)
        with self.log(service).open("ab") as log, (output or self.log(service)).open("ab") as out:
            return subprocess.Popen(
                self._moved(command, where),
                env=self.environment(service, where),
                cwd=where.data,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
                preexec_fn=hear_signals,
            )

    def run(self, service: str, *command: str) -> str:
        """What the command prints on the first machine. It must end well."""
        where = self.machine("one")
        done = subprocess.run(
            command,
            env=self.environment(service, where),
            cwd=where.data,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def kill(self, service: str) -> None:
        """SIGKILL for every process of the service, as when its container or machine dies."""
        end_at_once(self.running.pop(service))

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def url(self, port: int) -> str:
        """Where the port that compose.yaml names is served."""
        return f"http://{HOST}:{self.ports[port]}"

    def is_healthy(self, service: str) -> bool:
        """Whether the health check of the service succeeds now."""
        [how, *command] = self.services[service]["healthcheck"]["test"]
        assert how == "CMD", "a list of arguments, without a shell"
        where = self.machine("one")
        done = subprocess.run(
            self._moved(command, where),
            env=self.environment(service, where),
            cwd=where.data,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.returncode == 0

    def _wait_for(self, service: str) -> None:
        process = self.running[service]
        if self.services[service]["healthcheck"].get("disable", False):
            assert process.wait(PATIENCE_SECONDS) == 0, f"{service} failed: {self._end_of_log(service)}"
            return

        def healthy() -> bool:
            assert process.poll() is None, f"{service} ended: {self._end_of_log(service)}"
            return self.is_healthy(service)

        self.until(f"the health of {service}", healthy, lambda: self._end_of_log(service))

    def until(self, what: str, done: Callable[[], bool], still_open: Callable[[], object]) -> None:
        """Ask again and again until it is done. Fails with what is still open when that never comes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            assert time.monotonic() < deadline, f"{what}: not done. Still open: {still_open()}"
            time.sleep(PAUSE_SECONDS)

    def _end_of_log(self, service: str) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-LOG_LINES:])

    def _moved(self, value: Any, machine: Machine) -> Any:
        """A value of the file as it is on this machine."""
        if isinstance(value, dict):
            return {name: HOST if name in HOSTS else self._moved(one, machine) for name, one in value.items()}
        if isinstance(value, list):
            return [self._moved(one, machine) for one in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self.ports.get(value, value)
        if not isinstance(value, str):
            return value
        if value == "0.0.0.0":
            return HOST
        if value.isdigit():
            return str(self.ports.get(int(value), value))
        hosts = "|".join([*self.services, re.escape(HOST)])
        moved = re.sub(rf"\b({hosts}):(\d+)\b", lambda at: f"{HOST}:{self.ports[int(at[2])]}", value)
        moved = moved.replace("/opt/dagster", str(machine.home))
        return str(machine.data) if moved == "/data" else moved


@contextmanager
def composed(folder: Path, **environ: str) -> Iterator[Composed]:
    """PostgreSQL and the S3 server of compose.yaml, set up as it says; the other services are started with `up`. All
    end with the block. `environ` is what stands in `.env`."""
    document = read_compose(environ=environ)
    of_postgres = document["services"]["postgres"]
    initial = of_postgres["environment"]
    with ExitStack() as stack:
        server = stack.enter_context(postgres(options=of_postgres["command"][1:]))
        user, password = initial["POSTGRES_USER"], initial["POSTGRES_PASSWORD"]
        server.psql(f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'")
        server.psql(f"CREATE DATABASE {initial['POSTGRES_DB']} OWNER {user}")
        for mounted in of_postgres["configs"]:
            assert mounted["target"].startswith("/docker-entrypoint-initdb.d/")
            file = PROJECT_DIR / document["configs"][mounted["source"]]["file"]
            server.psql(file.read_text(encoding="utf-8"), initial["POSTGRES_DB"])
        server.run(*of_postgres["healthcheck"]["test"][1:])
        objects = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
        objects.start()
        stack.callback(objects.stop)
        ports = {5432: server.port, 8333: objects.get_host_and_port()[1]}
        ports |= {port: closed_port() for port in (3000, 3700, 4000)}
        made = Composed(document, ports, folder, server)
        try:
            yield made
        finally:
            for process in made.running.values():
                end_at_once(process)


def end_at_once(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid)
        doomed = [started, *started.children(recursive=True)]
        for one in doomed:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(doomed, 10)
    process.wait(10)
