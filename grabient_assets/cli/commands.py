"""The commands of `grabient`. Each lies in a module of its own, which is imported when the command is used."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer


class Entry(NamedTuple):
    """Where a command lies: a module of this package, a function or a group of commands in it."""

    module: str
    name: str
    epilog: str


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}
"""`grabient dev` gives Dagster every option that it does not know."""

COMMANDS = {
    "demo": Entry("demo", "demo", "grabient demo"),
    "load": Entry("load", "load", "grabient load palettes.jsonl --strict"),
    "import-tags": Entry("import_tags", "import_tags", "grabient import-tags convex-export.zip --strict"),
    "plan": Entry("plan", "plan", "grabient plan --limit 100 --analyses 4"),
    "run": Entry("run", "run", "grabient run --limit 100 --until consensus"),
    "status": Entry("status", "status", "grabient status --json"),
    "costs": Entry("costs", "costs", "grabient costs --by day --since 2026-11-01"),
    "export": Entry("export", "export", "grabient export --format sql --since last --out palettes.sql"),
    "retry": Entry("retry", "retry", "grabient retry --run"),
    "cancel": Entry("cancel", "cancel", "grabient cancel tagging-20261120T120000-0a1b2c3d4e"),
    "reparse": Entry("reparse", "reparse", "grabient reparse --prompt-version v1"),
    "palette": Entry(
        "palette",
        "palette",
        "grabient palette _gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf --png harbour.png. "
        "A seed that begins with '-' goes behind '--': grabient palette --json -- -0.5,0.5,...",
    ),
    "palettes": Entry("palettes", "palettes", "grabient palettes --failed --like harbour"),
    "errors": Entry("errors", "errors", "grabient errors --prompt-version v1"),
    "explain": Entry("explain", "explain", "grabient explain 'Harbour at dusk' --field mood"),
    "search": Entry("search", "search", "grabient search 'misty forest at dawn' --where temperature=cool"),
    "models": Entry("models", "models", "grabient models --all"),
    "reports": Entry("model_reports", "reports", "grabient reports --prompt-version v1"),
    "settings": Entry("settings", "settings", "grabient settings --env-example > .env"),
    "emulator": Entry("emulator", "emulator", "grabient emulator --port 8900 --polls 3"),
    "studio": Entry("studio", "studio", "grabient studio -p 3800"),
    "dev": Entry("dev", "dev", "grabient dev -p 4000 --studio-port 4700"),
    "warehouse": Entry(
        "warehouse", "warehouse", "grabient warehouse copy .grabient postgresql://grabient@db.example.com/grabient"
    ),
    "index": Entry("index", "index", "grabient index status"),
    "chorus": Entry("chorus", "chorus", "grabient chorus new --iterations 2 --run"),
    "knowledge": Entry("knowledge", "knowledge", "grabient knowledge search 'it is too expensive' --areas 4"),
    "images": Entry("images", "images", "grabient images show downloaded.png"),
    "edits": Entry("edits", "edits", "grabient edits new IMAGE --kind prompt --prompt 'a red door' --run"),
    "prompts": Entry("prompts", "prompts", "grabient prompts diff v1 v2"),
}


class Commands(MutableMapping[str, Any]):
    """Click's commands by name. One is built when it is looked up: importing and building all of them took a fifth of
    a second (measured), at the start of every command."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, COMMANDS[name])
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _build(name: str, entry: Entry) -> Any:
    found = getattr(import_module(f"grabient_assets.cli.{entry.module}"), entry.name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command()(found)
        found = alone
    command: Any = typer.main.get_command(found)
    command.name, command.epilog = name, f"Example: {entry.epilog}"
    if name == "dev":
        command.context_settings = _PASSED_ON
    return command
