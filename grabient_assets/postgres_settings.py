"""Where the warehouse lies when GRABIENT_WAREHOUSE names a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from grabient_assets.errors import SettingsError

SCHEMES = ("postgresql", "postgres")
RIGHT = "It must be postgresql://user@host/database, with :port after the host where it is not 5432"


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A database on a PostgreSQL server. None: what libpq takes (PGHOST, PGUSER and so on, then its own defaults).

    `options` are further parameters of libpq, such as sslmode. Without a password libpq reads PGPASSWORD or ~/.pgpass.
    """

    host: str | None
    port: int | None
    user: str | None
    database: str
    options: tuple[tuple[str, str], ...] = ()
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The address for people and logs, without a password."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or dict(self.options).get("host", "")
        return f"postgresql://{user}{host}{port}/{self.database}"


def read_postgres(values: Mapping[str, str]) -> PostgresAddress | None:
    """What GRABIENT_WAREHOUSE and PGPASSWORD say; None when the warehouse is the file in the data folder.

    Raises SettingsError for anything but the address of a PostgreSQL database.
    """
    text = values.get("GRABIENT_WAREHOUSE")
    return None if text is None else parse_postgres(text, "GRABIENT_WAREHOUSE", values.get("PGPASSWORD"))


def parse_postgres(text: str, name: str, password: str | None = None) -> PostgresAddress:
    """The database that `text` names; `name` is the setting or argument it came from. A password in it wins.

    Raises SettingsError, which shows nothing of the text: it may hold a password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise SettingsError(f"{name} has a port that is no number. {RIGHT}.") from None
    if parts.scheme not in SCHEMES:
        raise SettingsError(f"{name} is not the address of a PostgreSQL database. {RIGHT}.")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise SettingsError(f"{name} names no database. {RIGHT}.")
    options = dict(parse_qsl(parts.query))
    given = unquote(parts.password) if parts.password else options.pop("password", None)
    return PostgresAddress(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username) if parts.username else None,
        database=database,
        options=tuple(options.items()),
        password=given or password,
    )
