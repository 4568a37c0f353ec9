"""A Dagster folder whose dagster.yaml keeps the records in a PostgreSQL database of a test."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.postgres import HOST, USER, Server

VARIABLE = "DAGSTER_DATABASE_PASSWORD"
"""The variable that dagster.yaml names."""


def keep_in_postgres(home: Path, server: Server, database: str, **named: object) -> Path:
    """Write the project's dagster.yaml with this database as its storage; the file. `named` stands under postgres_db,
    where None leaves out what would stand there."""
    where = {"hostname": HOST, "port": server.port, "username": USER, "db_name": database}
    given = {**where, "password": f"{{env: {VARIABLE}}}", "scheme": "postgresql+psycopg2", **named}
    lines = [f"      {name}: {value}" for name, value in given.items() if value is not None]
    text = (PROJECT_DIR / "dagster.yaml").read_text(encoding="utf-8")
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    file.write_text("\n".join([text, "storage:", "  postgres:", "    postgres_db:", *lines, ""]), encoding="utf-8")
    return file
