"""Recognisable keys, planted in live mode against servers that echo them: nothing that is written holds one."""

from __future__ import annotations

import gzip
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from grabient_assets.errors import GrabientError
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.cli import echoing
from grabient_assets_tests.cli.running import command, environment, palettes
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.providers.faces import FACES, Face
from grabient_assets_tests.providers.rawserver import RawServer, raw_server

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

CORES = {name: f"PLANTED{name}Q7xWk2Vn9Lr4Tz{number}" for number, name in enumerate((*PROVIDERS, "r2id", "r2secret"))}
"""What is looked for: the middle of each key, so that half a key counts as one."""
KEYS = {name: f"x7{core}f0e1d2c3b4a5968778695a4b3c2d1e0f" for name, core in CORES.items()}


@dataclass
class Place:
    """Every byte that the commands wrote, and the process list while they ran."""

    data: Path
    said: bytes = b""
    listed: set[bytes] = field(default_factory=set)
    codes: list[int] = field(default_factory=list)

    def type(self, *arguments: str, **values: str) -> str:
        """Run a command; what it said on both streams."""
        live = {
            "GRABIENT_MODE": "live",
            "ANTHROPIC_API_KEY": KEYS["anthropic"],
            "OPENAI_API_KEY": KEYS["openai"],
            "GROQ_API_KEY": KEYS["groq"],
            "GOOGLE_GENERATIVE_AI_API_KEY": KEYS["google"],
        }
        process = subprocess.Popen(
            command(*arguments),
            env=environment(self.data, **live, **values),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while True:
            try:
                said, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                self.listed |= set(process_list())
        self.said += said
        self.codes.append(process.returncode)
        return said.decode()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file below the data folder by name: as it is, unpacked, and tables as text."""
        for path in self.data.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                yield str(path), content
                if path.suffix == ".gz":
                    yield f"{path} unpacked", gzip.decompress(content)
        with duckdb.connect(str(self.data / "grabient.duckdb"), read_only=True) as connection:
            for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                yield f"table {table}", repr(connection.execute(f"FROM {table}").fetchall()).encode()


def process_list() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:  # ended meanwhile
            continue


def urls(**by_provider: str) -> dict[str, str]:
    names = {"google": "GOOGLE_GEMINI_BASE_URL"}
    return {names.get(name, f"{name.upper()}_BASE_URL"): url for name, url in by_provider.items()}


def r2(url: str) -> dict[str, str]:
    token = {"R2_ACCESS_KEY_ID": KEYS["r2id"], "R2_SECRET_ACCESS_KEY": KEYS["r2secret"]}
    return {"R2_BUCKET": "pictures", "R2_ENDPOINT": url, **token}


@pytest.mark.slow
def test_no_key_is_written_anywhere(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    run = ("run", "--until", "consensus", "--analyses", "1")
    with ExitStack() as stack:

        def server(respond: echoing.Respond) -> RawServer:
            return stack.enter_context(raw_server(respond))

        elsewhere = server(echoing.refuses(401))
        unauthorised, losing = server(echoing.refuses(401)), server(echoing.loses_creates)
        leading, objects = server(echoing.leads_to(elsewhere.url)), server(echoing.refuses_objects)
        nobody = f"http://user:{KEYS['google']}@127.0.0.1:{closed_port()}/{KEYS['google']}"
        first = urls(anthropic=losing.url, openai=unauthorised.url, groq=leading.url, google=leading.url)

        assert "1 accepted" in place.type("load", str(palettes(tmp_path, 1)), **first)
        assert "R2 answered" in place.type(*run, "--timeout", "1", **first, **r2(objects.url))
        said = place.type(*run, **first)
        assert "Check the API key of openai" in said and "[key]" in said
        status = place.type("status", "--json", **first)
        assert '"status": "intended"' in status, "nobody knows what became of it"
        [batch, *_] = [line.split('"')[3] for line in status.splitlines() if '"batch_id"' in line]
        place.type("cancel", batch, "--timeout", "1", **first)
        place.type("retry", **first)
        assert "(set)" in place.type("settings", **first, **r2(nobody))
        for asked in (unauthorised, losing, leading, objects):
            assert any(core.encode() in head for head in asked.requests for core in CORES.values()), "it got a key"
    for name, core in CORES.items():
        assert core.encode() not in place.said, f"{name}: {place.said.decode()}"
        for where, content in place.files():
            assert core.encode() not in content, f"the key of {name} is in {where}"
        assert not any(core.encode() in line for line in place.listed), f"the key of {name} is in the process list"
    assert b"Traceback" not in place.said
    assert any(b"grabient" in line for line in place.listed)


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
@pytest.mark.parametrize("kind", ["401", "500", "a page", "text", "a redirect", "nobody"])
def test_no_error_of_a_provider_holds_its_key(kind: str, face: Face) -> None:
    key = KEYS[face.name]
    with raw_server(echoing.refuses(401)) as elsewhere, raw_server(respond_as(kind, elsewhere.url)) as server:
        url = f"http://user:{key}@127.0.0.1:{closed_port()}/{key}" if kind == "nobody" else server.url + face.suffix
        provider = connect(face.name, key, url, Timeouts(attempts=1))
        calls: list[Callable[[], object]] = [
            lambda: provider.submit(face.file(provider, "a-1")),
            lambda: provider.poll(face.batch),
            lambda: provider.find("label", ["a-1"], NOON, 1),
            lambda: list(provider.results(face.batch).lines),
            lambda: provider.cancel(face.batch),
            provider.available_models,
        ]
        for call in calls:
            try:
                call()
            except GrabientError as error:
                trace = "".join(traceback.format_exception(error))
                assert CORES[face.name] not in str(error)
                assert CORES[face.name] not in trace.replace(repr(url), ""), "Dagster keeps the causes as well"
        provider.close()
        assert kind == "nobody" or any(key.encode() in head for head in server.requests)
        assert not any(key in echoing.sent_keys(head) for head in elsewhere.requests), "a redirect carries no key"


def respond_as(kind: str, elsewhere: str) -> echoing.Respond:
    return {
        "401": echoing.refuses(401),
        "500": echoing.refuses(500),
        "a page": echoing.answers_a_page,
        "text": echoing.answers_text,
        "a redirect": echoing.leads_to(elsewhere),
        "nobody": echoing.refuses(401),
    }[kind]
