"""Where a running emulator can be found: `<data_dir>/emulator/endpoint.json`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

BASE_PATHS = {"anthropic": "/anthropic", "openai": "/openai/v1", "groq": "/groq", "google": "/google"}


@dataclass(frozen=True, slots=True)
class EmulatorEndpoint:
    """A running emulator: its address, its process and the base URL for each provider's SDK."""

    url: str
    pid: int

    @property
    def base_urls(self) -> dict[str, str]:
        return {provider: self.url + path for provider, path in BASE_PATHS.items()}


def emulator_dir(data_dir: Path) -> Path:
    return data_dir / "emulator"


def endpoint_file(data_dir: Path) -> Path:
    return emulator_dir(data_dir) / "endpoint.json"


def read_endpoint(data_dir: Path) -> EmulatorEndpoint | None:
    """What endpoint.json says; None when there is none, or one that cannot be read (left by a killed process)."""
    try:
        found = json.loads(endpoint_file(data_dir).read_text(encoding="utf-8"))
        return EmulatorEndpoint(str(found["url"]), int(found["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_endpoint(data_dir: Path, endpoint: EmulatorEndpoint, started_at: str) -> None:
    """Writes endpoint.json in one step: a reader sees the old file or the new one, never half."""
    path = endpoint_file(data_dir)
    draft = path.with_name(f"endpoint.{os.getpid()}.tmp")
    document = {"url": endpoint.url, "pid": endpoint.pid, "started_at": started_at}
    draft.write_text(json.dumps(document) + "\n", encoding="utf-8")
    draft.replace(path)


def remove_endpoint(data_dir: Path) -> None:
    endpoint_file(data_dir).unlink(missing_ok=True)
