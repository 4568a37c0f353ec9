"""What the documents promise exists: their links, make targets and commands."""

from __future__ import annotations

import re
import subprocess

import pytest

from grabient_assets.settings import PROJECT_DIR

DOCUMENTS = [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").rglob("*.md"))]
NAMES = [path.relative_to(PROJECT_DIR).as_posix() for path in DOCUMENTS]
TARGETS = ("setup", "demo", "dev", "test", "test-slow", "check", "bench", "clean")


def texts() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_something(name: str):
    path = PROJECT_DIR / name
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_the_readme_links_to_documents():
    links = re.findall(r"\]\((docs[^)]+)\)", (PROJECT_DIR / "README.md").read_text(encoding="utf-8"))
    assert len(links) >= 4


def test_every_make_target_that_is_named_exists():
    makefile = (PROJECT_DIR / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", texts(), re.MULTILINE))
    assert {"demo", "test", "dev"} <= named <= targets
    assert set(TARGETS) <= targets


def test_the_recipes_of_make_run_files_that_exist():
    makefile = (PROJECT_DIR / "Makefile").read_text(encoding="utf-8")
    scripts = set(re.findall(r"\bscripts/\w+", makefile))
    assert scripts == {"scripts/setup", "scripts/test"}
    for script in scripts:
        assert (PROJECT_DIR / script).stat().st_mode & 0o111


def test_every_command_and_option_that_is_named_exists():
    from typer.main import get_command

    from grabient_assets.cli.main import app

    commands = getattr(get_command(app), "commands")  # noqa: B009 - typer's type does not say that it is a group
    calls = re.findall(r"(?:`|^(?:\.venv/bin/)?)grabient ([a-z]+(?:-[a-z]+)*)([^`\n#]*)", texts(), re.MULTILINE)
    assert {"load", "run", "status", "explain"} <= {name for name, _ in calls}
    for name, rest in calls:
        assert name in commands, f"grabient {name} is named and does not exist"
        command, word = commands[name], rest.split()[0] if rest.split() else ""
        found = getattr(command, "commands", None)  # of a group of commands, such as `grabient index`
        if found and not word.startswith("--"):  # an option of the group itself
            assert word.partition("|")[0] in {*found, ""}, f"grabient {name} {word} is named and does not exist"
            command = found.get(word, command)
        options = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in options | {"--help", "--"}, f"grabient {name} {option} is named and does not exist"


def test_every_setting_that_is_named_exists():
    from grabient_assets.settings import SETTINGS

    named = set(re.findall(r"\b(?:GRABIENT|TAG|R2)_[A-Z_]+\b", texts()))
    assert named <= {setting.name for setting in SETTINGS}


def test_files_that_the_readme_and_the_recipes_name_exist():
    for name in (".env.example", "workspace.yaml", "dagster.yaml", "constraints.txt"):
        assert (PROJECT_DIR / name).is_file(), f"{name} is named and does not exist"


def test_no_data_folder_that_is_proposed_can_be_committed():
    proposed = {".grabient", *re.findall(r"GRABIENT_DATA_DIR=([^\s`,)]+)", texts())}
    assert ".grabient-live" in proposed
    for name in proposed:
        for inside in ("grabient.duckdb", "objects/batches/b/requests.jsonl.gz"):
            command = ["git", "check-ignore", "--quiet", "--no-index", f"{name}/{inside}"]
            assert subprocess.run(command, cwd=PROJECT_DIR, check=False).returncode == 0, f"{name} is not ignored"
