"""What docs/search.md tells people to type is run as they would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.groups.search.shelf import Shelf

PAGE = (PROJECT_DIR / "docs" / "search.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_and_the_query_run_as_they_stand(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    [commands], [query] = blocks("sh"), blocks("sql")
    typed_commands = [shlex.split(line)[1:] for line in commands.splitlines()]
    assert [command[0] for command in typed_commands] == ["index", "search", "search", "index"]
    for command in typed_commands:
        done = typed(tmp_path, *command)
        assert done.code == 0, (command, done.err)
    assert shelf.rows(query)[0][1] > 0.999, "the first text is nearest to itself"


def test_it_names_every_filter() -> None:
    from grabient_assets.groups.search.searching import FILTERS

    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {name for name in FILTERS if not name.startswith("computed_")} | {"computed_temperature"} <= named
