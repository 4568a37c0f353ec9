"""The house rules that a machine can hold: who may import what, who reads the environment, who says what it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.hanging import HANGING_SECONDS

PACKAGE = PROJECT_DIR / "grabient_assets"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = PROJECT_DIR / "grabient_assets_tests"
SDKS = {"anthropic", "openai", "groq", "google"}
DAGSTER_FILES = {
    "assets",
    "checks",
    "sensors",
    "jobs",
    "partitions",
    "definitions",
    "driver",
    "reports",
    "markdown",
    "purpose_assets",
}
ENVIRONMENT_FILES = {
    "settings.py": "reads every setting",
    "resources/home.py": "tells Dagster where its home is; writes only",
}
VAGUE = {"utils", "helpers", "common", "manager", "misc"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """The packages that these nodes import, by their first name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def at_import(module: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: not the inside of functions, nor what only types need."""
    for child in ast.iter_child_nodes(module):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def test_imports_go_down_only():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_dagster_is_imported_only_in_files_named_for_a_dagster_idea_and_in_resources():
    users = {path for path in MODULES if "dagster" in imports(ast.walk(tree_of(path)))}
    strangers = {name_of(path) for path in users if path.parent.name != "resources" and path.stem not in DAGSTER_FILES}
    assert strangers == set()
    assert {"definitions.py", "partitions.py", "groups/tagging/assets.py"} <= {name_of(path) for path in users}


def test_reports_for_the_ui_are_made_in_groups_and_asking():
    assert {name_of(path).partition("/")[0] for path in MODULES if path.stem == "reports"} == {"groups", "asking"}


@pytest.mark.parametrize("room", ["cli", "gradient", "registry", "warehouse", "store", "prompting", "groups", "ledger"])
def test_no_provider_sdk_is_loaded_before_it_is_needed(room: str):
    files = [path for path in MODULES if name_of(path).startswith(f"{room}/")]
    assert files
    assert {name_of(path) for path in files if imports(at_import(tree_of(path))) & SDKS} == set()


def test_the_command_line_starts_without_dagster_pandas_or_a_provider_sdk():
    program = "import sys, grabient_assets.cli.main; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, timeout=HANGING_SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & {*SDKS, "dagster", "pandas", "duckdb", "cairosvg", "boto3"} == set()


def test_only_settings_reads_the_environment():
    """What runs at import or later, in whatever spelling: os.environ, os.getenv, os.putenv, from os import environ."""
    found = {name_of(path): _environment(tree_of(path)) for path in MODULES}
    assert {name for name, uses in found.items() if uses} == set(ENVIRONMENT_FILES)
    assert found["resources/home.py"] == ["os.environ['DAGSTER_HOME'] = str(home)"]


def _environment(tree: ast.Module) -> list[str]:
    """The statements that touch the environment."""
    words = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    found: list[str] = []
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or isinstance(
            statement, ast.FunctionDef | ast.ClassDef | ast.With | ast.Try
        ):
            continue
        for node in ast.walk(statement):
            attribute = isinstance(node, ast.Attribute) and node.attr in words and ast.unparse(node.value) == "os"
            imported = isinstance(node, ast.ImportFrom) and node.module == "os" and words & {a.name for a in node.names}
            if attribute or imported:
                found.append(ast.unparse(statement))
                break
    return found


def test_no_test_module_is_imported():
    """What tests share lies in a conftest.py or in a module named for what it holds. Programs in strings count too."""
    wrong = {
        f"{path.relative_to(TESTS).as_posix()}: {name}"
        for path in TESTS.rglob("*.py")
        for name in imported_modules(path)
        if name.startswith(f"{TESTS.name}.") and name.rpartition(".")[2].startswith("test_")
    }
    assert wrong == set()


def imported_modules(path: Path) -> set[str]:
    """The full names of what a file imports, modules and what is taken from them; also in a program within a string."""
    programs = [tree := tree_of(path)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            with suppress(SyntaxError):
                programs.append(ast.parse(dedent(node.value)))
    found: set[str] = set()
    for node in (node for program in programs for node in ast.walk(program)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_every_module_says_what_it_is():
    silent = {
        name_of(path)
        for path in MODULES
        if path.name != "__init__.py" and len(ast.get_docstring(tree_of(path)) or "") < 20
    }
    assert silent == set()


def test_no_room_is_for_odds_and_ends():
    assert {name_of(path) for path in MODULES if path.stem in VAGUE or path.parent.name in VAGUE} == set()


def test_asks_are_written_in_one_file():
    written = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) asks\b")
    assert {name_of(path) for path in MODULES if written.search(path.read_text(encoding="utf-8"))} == {"ledger/asks.py"}
