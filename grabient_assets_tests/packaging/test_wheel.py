"""What `pip install .` installs: the wheel holds every file, and the program works from it in any folder."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grabient_assets.places import INSTALLED, SHIPPED_DIR
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import hear_signals, palettes
from grabient_assets_tests.hanging import until
from grabient_assets_tests.packaging.built import Installed, build_wheel, install, project_files
from grabient_assets_tests.pipeline.dev import end_dev
from grabient_assets_tests.pipeline.place import end_emulator

SHIPPED = "grabient_assets/shipped"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    made = install(wheel, tmp_path_factory.mktemp("installed"))
    (made.folder / ".env").write_text("GRABIENT_DATA_DIR=kept/here\nTAG_ANALYSIS_COUNT=1\n", encoding="utf-8")
    yield made
    end_emulator(made.folder / "kept" / "here")


def test_the_wheel_holds_every_file_of_the_package_and_what_lies_beside_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    ours = {name: name for name in project_files("grabient_assets")}
    ours |= {f"{SHIPPED}/{name}": name for name in project_files("prompts", "dagster.yaml", "workspace.yaml")}
    assert f"{SHIPPED}/prompts/v1/tagging.md" in ours and "grabient_assets/studio/static/icon.png" in ours
    assert {name: (PROJECT_DIR / source).read_bytes() for name, source in ours.items()} == held


def test_a_checkout_reads_its_own_files() -> None:
    assert (INSTALLED, SHIPPED_DIR) == (False, PROJECT_DIR)
    assert project_files(SHIPPED) == [], "the copy is made when a wheel is built, and never committed"


def test_palettes_are_refined_by_an_installed_program_in_a_folder_of_its_own(installed: Installed) -> None:
    where = installed.run("python", "-c", "import grabient_assets; print(grabient_assets.__file__)")
    assert Path(where.out.strip()).is_relative_to(installed.programs.parent)
    palettes(installed.folder, 2)
    assert (loaded := installed.run("grabient", "load", "palettes-2.jsonl")).code == 0, loaded.err
    assert (ran := installed.run("grabient", "run")).code == 0, ran.err
    stands = installed.run("grabient", "status", "--json").json
    assert (stands["palettes"], stands["refined"]) == (2, 2)
    assert (installed.folder / "kept" / "here" / "dagster" / "dagster.yaml").is_file()
    assert {path.name for path in installed.folder.iterdir()} == {".env", "palettes-2.jsonl", "kept"}


def test_dagster_loads_an_installed_package_from_any_folder(installed: Installed) -> None:
    validated = installed.run("dagster", "definitions", "validate", "-m", "grabient_assets.definitions")
    assert validated.code == 0, validated.err
    assert "Validation successful for code location grabient_assets.definitions" in validated.out + validated.err


def test_an_installed_program_takes_own_prompt_versions(installed: Installed) -> None:
    assert (copied := installed.run("grabient", "prompts", "copy", "own")).code == 0, copied.err
    own = installed.folder / "own"
    assert f"set GRABIENT_PROMPTS_DIR={own}." in copied.err
    assert (own / "chorus" / "v1" / "statement.md").is_file()
    again = installed.run("grabient", "prompts", "copy", "own")
    assert (again.code, again.err) == (2, "own exists already, and nothing in it is written over. Name a new folder.\n")
    (own / "v2").rename(own / "v3")
    released = own / "released.toml"
    released.write_text(released.read_text(encoding="utf-8").replace("v2", "v3"), encoding="utf-8")
    before = (installed.folder / ".env").read_text(encoding="utf-8")
    try:
        (installed.folder / ".env").write_text(f"{before}GRABIENT_PROMPTS_DIR=own\n", encoding="utf-8")
        named = {row["prompt_version"] for row in installed.run("grabient", "prompts", "--json").json["prompts"]}
    finally:
        (installed.folder / ".env").write_text(before, encoding="utf-8")
    assert named == {"v1", "v3"}
    shipped = installed.run("grabient", "prompts", "--json").json["prompts"]
    assert {row["prompt_version"] for row in shipped} == {"v1", "v2"}


@pytest.mark.slow
def test_dagster_processes_of_an_installed_program_have_its_folder(installed: Installed) -> None:
    """.env and relative folders are looked for there. The daemon's runs are started by the code server."""
    process = subprocess.Popen(
        [installed.programs / "grabient", "dev", "--studio-port", "0", "-p", "0"],
        cwd=installed.folder,
        env=installed.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=hear_signals,
    )
    try:
        until(lambda: process.poll() is not None or _code_servers(process.pid))
        assert process.poll() is None
        assert {one.cwd() for one in _code_servers(process.pid)} == {str(installed.folder)}
    finally:
        end_dev(process)


def _code_servers(pid: int) -> list[psutil.Process]:
    """The processes below this one that serve the code location."""
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        words = one.cmdline() if one.is_running() else []
        if "grpc" in words and "grabient_assets.definitions" in words:
            found.append(one)
    return found
