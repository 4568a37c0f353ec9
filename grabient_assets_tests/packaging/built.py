"""The package as `pip install .` makes it: an sdist, the wheel from it, and an environment that holds the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

from grabient_assets.settings import PROJECT_DIR, SETTINGS
from grabient_assets_tests.cli.running import OTHER_NAMES, Ended
from grabient_assets_tests.hanging import HANGING_SECONDS

FOLDERS = ("grabient_assets", "prompts")
FILES = ("pyproject.toml", "setup.py", "README.md", "dagster.yaml", "workspace.yaml")
_BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
DAGSTER_PROGRAMS = ("dagster", "dg")


def project_files(*where: str) -> list[str]:
    """The files of the checkout that git knows or would add, in these places, as relative paths."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *where],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({name for name in listed.stdout.split("\0") if name and (PROJECT_DIR / name).is_file()})


def build_wheel(folder: Path) -> Path:
    """The wheel, built from the sdist of what is in the checkout now. Nothing is fetched or written in the checkout."""
    copy = folder / "checkout"
    for name in project_files(*FOLDERS, *FILES):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((PROJECT_DIR / name).read_bytes())
    with tarfile.open(_built("build_sdist", copy, folder)) as archive:
        archive.extractall(folder / "sdist", filter="data")
    [source] = (folder / "sdist").iterdir()
    return _built("build_wheel", source, folder)


def _built(what: str, source: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, what, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and a folder in which its programs are started."""

    programs: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> Ended:
        """Run one of its programs to its end."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def environment(self) -> dict[str, str]:
        """No setting of ours, and no way to the checkout."""
        ours = {*(setting.name for setting in SETTINGS), *OTHER_NAMES, "PYTHONPATH"}
        rest = {name: value for name, value in os.environ.items() if name not in ours}
        return {**rest, "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"}


def install(wheel: Path, folder: Path) -> Installed:
    """A new environment with this wheel. What it depends on is read from the environment of the tests, and nothing is
    fetched; the checkout, which is installed there as editable, is not seen from the new one."""
    root, started_in = folder / "environment", folder / "elsewhere"
    venv.EnvBuilder(symlinks=True).create(root)
    programs = root / "bin"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(programs / "python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True, timeout=HANGING_SECONDS)
    packages = next(root.glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    for name in DAGSTER_PROGRAMS:
        script = Path(sys.executable).with_name(name).read_text(encoding="utf-8").partition("\n")[2]
        (programs / name).write_text(f"#!{programs / 'python'}\n{script}", encoding="utf-8")
        (programs / name).chmod(0o755)
    started_in.mkdir()
    return Installed(programs, started_in)
