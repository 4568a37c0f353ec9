"""Where Dagster keeps its records: in SQLite files of its folder, or in the PostgreSQL database of dagster.yaml.

Dagster is not imported to find that out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from grabient_assets.errors import RecordsError, SettingsError
from grabient_assets.secrets import hide
from grabient_assets.settings import environment_value

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage")
"""The keys of dagster.yaml by which records lie elsewhere than in files of the folder."""

DRIVER = "postgresql+psycopg2"
EXTRA = "pip install 'grabient-assets[postgres]'"
CONNECT_SECONDS = 10

FIRST_OPENING = 4_713_201_612
"""The advisory lock under which Dagster's tables are made; any number that no other program takes."""

TABLES = ("runs", "instance_info", "event_logs", "jobs")
"""One table of each of Dagster's three storages, and one that it makes by itself where it is missing."""

NOTHING_LOST = "What was sent and answered is in the ledger, and nothing of it is lost."

_WAYS_OUT = (
    ("password", "Correct the password: dagster.yaml names the variable, otherwise PGPASSWORD or ~/.pgpass holds it."),
    ("(database|role) .* does not exist", "Create it (`createdb`, `createuser`), or correct `storage` in {file}."),
    ("starting up", "Try again in a moment."),
    ("shutting down", "Try again when it is up."),
    ("too many clients", "Raise max_connections of the server, or end what holds connections."),
    (r"pg_hba\.conf", "Let this machine in (pg_hba.conf of the server), or correct `storage` in {file}."),
)
"""What a person can do, by patterns of the server's reason. A server that speaks another language gets the last one."""
_ANY_WAY_OUT = "Start the server, or correct `storage` in {file}."


@dataclass(frozen=True, slots=True)
class PostgresRecords:
    """The database that `file`, a dagster.yaml, names: what it says of it, and the parameters for libpq."""

    file: Path
    host: str
    port: str
    database: str
    storage: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, Any] = field(repr=False)
    password: str = field(repr=False)

    def __str__(self) -> str:
        """The database and the host, for people."""
        return f"the PostgreSQL database {self.database} at {self.host}:{self.port}"

    @contextmanager
    def connection(self, seconds: int = CONNECT_SECONDS) -> Iterator[Connection]:
        """A connection, made within so many seconds, in which every statement is a transaction.

        Raises RecordsError, also for a statement that fails.
        """
        import psycopg2

        try:
            opened = psycopg2.connect(**{"connect_timeout": seconds, **self.parameters})
            try:
                opened.autocommit = True
                yield opened
            finally:
                opened.close()
        except psycopg2.Error as error:
            raise RecordsError(self.sentence(error)) from None

    def sentence(self, error: BaseException) -> str:
        """What is wrong and the way out, for an error of psycopg2. It holds no password."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        refused = [line.rpartition(" failed: ")[2] for line in lines if " failed: " in line]
        said = hide((refused or lines[:1])[-1], self.password).rstrip(".")
        way_out = next((way for pattern, way in _WAYS_OUT if re.search(pattern, said)), _ANY_WAY_OUT)
        return f"Dagster's records in {self} cannot be used: {said}. {way_out.format(file=self.file)} {NOTHING_LOST}"

    def make_tables(self) -> None:
        """Have Dagster make its tables where they are missing, in one process at a time.

        Dagster does not expect company there: of 56 processes that opened 14 empty databases by fours, 5 ended with an
        error (dagster-postgres 0.29.27). Raises RecordsError.
        """
        from psycopg2.errors import InsufficientPrivilege
        from psycopg2.extensions import quote_ident

        with self.connection() as connection, connection.cursor() as cursor:
            if _has(cursor, *TABLES):
                return
            cursor.execute("SELECT pg_advisory_lock(%s)", [FIRST_OPENING])  # until the connection is closed
            if not _has(cursor, *TABLES):
                if not _is_utc(cursor):
                    with suppress(InsufficientPrivilege):  # of a database of somebody else; check_tables says it
                        cursor.execute(f"ALTER DATABASE {quote_ident(self.database, connection)} SET timezone TO 'UTC'")
                self._open_as_dagster()

    def _open_as_dagster(self) -> None:
        import yaml
        from dagster._serdes import ConfigurableClassData
        from dagster_postgres import DagsterPostgresStorage
        from sqlalchemy.exc import DBAPIError

        configured = ConfigurableClassData("dagster_postgres", "DagsterPostgresStorage", yaml.dump(dict(self.storage)))
        try:
            configured.rehydrate(as_type=DagsterPostgresStorage)
        except DBAPIError as error:
            raise (error.orig or error) from None

    def check_tables(self) -> None:
        """Raise RecordsError when the tables are those of an older or a newer Dagster, or hold other times than UTC.

        Dagster takes the times that the server writes for UTC. In another time zone a run of this minute seems hours
        old, and nothing waits for it.
        """
        from psycopg2.extensions import quote_ident

        with self.connection() as connection, connection.cursor() as cursor:
            if not _is_utc(cursor):
                raise RecordsError(
                    f"Dagster's records in {self} are written in the time zone of the server, and Dagster takes them "
                    f"for UTC. Let the owner of the database say: ALTER DATABASE "
                    f"{quote_ident(self.database, connection)} SET timezone TO 'UTC'."
                )
            if not _has(cursor, "alembic_version"):
                return
            cursor.execute("SELECT version_num FROM alembic_version")
            found = {row[0] for row in cursor.fetchall()}
        newest, known = _revisions()
        if found == {newest}:
            return
        named = ", ".join(sorted(found)) or "none"
        if found <= known:
            home = shlex.quote(str(self.file.parent))
            raise RecordsError(
                f"The tables of Dagster in {self} are those of an older version (revision {named}; this one has "
                f"{newest}). Stop Dagster's processes, save the database (pg_dump), then migrate it: "
                f"DAGSTER_HOME={home} dagster instance migrate."
            )
        raise RecordsError(
            f"The tables in {self} are of a revision that the installed Dagster does not know ({named}): a newer "
            f"Dagster made them, or another program. Install the Dagster that made them, or name a database of "
            f"Dagster's own in {self.file}."
        )


def records_in_files(home: Path) -> bool:
    """Whether Dagster's records of this folder are SQLite files in it. Raises SettingsError for a dagster.yaml that
    cannot be read."""
    return not _configuration(home).keys() & set(STORAGES)


def postgres_records(home: Path) -> PostgresRecords | None:
    """The database that the folder's dagster.yaml names; None when it names none, or one that is entered by a token of
    a cloud (`auth_provider`).

    Raises SettingsError when something in dagster.yaml has to be changed or installed before it can be used: a password
    that stands in it, a variable that is not set, a driver that is missing.
    """
    file = home / "dagster.yaml"
    storage = _named(_configuration(home))
    if storage is None or "auth_provider" in storage:
        return None
    _check_password(storage, file)
    if find_spec("dagster_postgres") is None:
        raise SettingsError(
            f"{file} keeps Dagster's records in PostgreSQL, and what Dagster needs for that is not installed. Install "
            f"it: {EXTRA}."
        )
    if "postgres_url" in storage:
        url = _value(storage["postgres_url"], file)
        scheme, _, rest = url.partition("://")
        parameters = {"dsn": f"postgresql://{rest}"}
    else:
        given = {**(storage.get("postgres_db") or {})}
        scheme = _value(given.get("scheme", "postgresql"), file)
        found = {name: _value(given.get(key, ""), file) for name, key in _LIBPQ.items()}
        parameters = {name: value for name, value in found.items() if value} | (given.get("params") or {})
    _check_driver(scheme, file)
    shown, password = _shown(parameters, file)
    return PostgresRecords(file, *shown, storage=storage, parameters=parameters, password=password)


_LIBPQ = {"host": "hostname", "port": "port", "user": "username", "password": "password", "dbname": "db_name"}


def _configuration(home: Path) -> dict[str, Any]:
    file = home / "dagster.yaml"
    if not file.is_file():
        return {}
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not YAML: {' '.join(str(error).split())}. Correct it.") from None
    return found if isinstance(found, dict) else {}


def _named(configuration: Mapping[str, Any]) -> dict[str, Any] | None:
    """What dagster.yaml says of a PostgreSQL database: under `storage`, or as Dagster's Helm chart writes it."""
    named = configuration.get("storage")
    if isinstance(named, dict) and isinstance(named.get("postgres"), dict):
        return named["postgres"]
    runs = configuration.get("run_storage")
    if isinstance(runs, dict) and str(runs.get("module")).startswith("dagster_postgres"):
        return runs.get("config") or {}
    return None


def _value(configured: Any, file: Path) -> str:
    """The value of a setting that may name a variable of the environment."""
    if not isinstance(configured, dict):
        return str(configured)
    name = str(configured.get("env"))
    found = environment_value(name)
    if found is None:
        raise SettingsError(f"{file} takes a value from the variable {name}, which is not set. Set it.")
    return found


def _check_password(storage: Mapping[str, Any], file: Path) -> None:
    """Refuse a password in dagster.yaml: Dagster hands the file's text to every process that it starts, as an argument,
    and shows it in its UI."""
    url, named = storage.get("postgres_url"), storage.get("postgres_db") or {}
    user = url.partition("://")[2].rpartition("@")[0] if isinstance(url, str) else ""
    in_url = ":" in user or (isinstance(url, str) and "password=" in url)
    plain = not isinstance(named.get("password", ""), dict) and named.get("password", "") not in ("", None)
    if in_url or plain or "password" in (named.get("params") or {}):
        raise SettingsError(
            f"{file} holds the password of the database, and Dagster shows that in its UI and in the list of "
            "processes. Write `password: {env: PGPASSWORD}` and set PGPASSWORD, or leave it out and use ~/.pgpass."
        )


def _check_driver(scheme: str, file: Path) -> None:
    """SQLAlchemy 2.1 takes `postgresql` for psycopg 3, which dagster-postgres does not install."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(f"{scheme}://").get_dialect().import_dbapi()
    except (ImportError, ArgumentError):
        raise SettingsError(
            f"{file} asks for the database driver {scheme!r}, which is not installed. Write `scheme: {DRIVER}` under "
            f"`postgres_db`, or begin the `postgres_url` with {DRIVER}://."
        ) from None


def _shown(parameters: Mapping[str, Any], file: Path) -> tuple[tuple[str, str, str], str]:
    """Host, port and database for people, and the password to keep from them."""
    import psycopg2
    from psycopg2.extensions import make_dsn, parse_dsn

    try:
        found = parse_dsn(make_dsn(**parameters))
        found.setdefault("password", urlsplit(parameters.get("dsn", "")).password or "")
    except (psycopg2.Error, ValueError):
        raise SettingsError(
            f"What {file} says of the PostgreSQL database cannot be used as an address. It must be like "
            f"{DRIVER}://user@host:5432/database."
        ) from None
    host = found.get("host") or environment_value("PGHOST") or "localhost"
    port = found.get("port") or environment_value("PGPORT") or "5432"
    name = found.get("dbname") or environment_value("PGDATABASE") or found.get("user", "")
    return (host, port, name), found["password"] or environment_value("PGPASSWORD") or ""


def _has(cursor: Any, *tables: str) -> bool:
    cursor.execute("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s) AS name", [list(tables)])
    return cursor.fetchone()[0]


def _is_utc(cursor: Any) -> bool:
    """Whether a time that the server writes without a zone is UTC, in winter and in summer."""
    days = "('2026-01-01 00:00+00'), ('2026-07-01 00:00+00')"
    cursor.execute(f"SELECT bool_and(day::timestamptz::time = '00:00') FROM (VALUES {days}) AS days(day)")
    return cursor.fetchone()[0]


def _revisions() -> tuple[str | None, set[str]]:
    """The newest revision of the installed Dagster's tables, and all that it knows."""
    from alembic.script import ScriptDirectory
    from dagster_postgres.run_storage import run_storage
    from dagster_postgres.utils import pg_alembic_config

    scripts = ScriptDirectory.from_config(pg_alembic_config(run_storage.__file__))
    return scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}
