"""What pyproject.toml cannot say: files that lie beside the package, and in the wheel within it (places.py)."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("prompts", "dagster.yaml", "workspace.yaml")
FOLDER = Path("grabient_assets", "shipped")


class BuildPackage(build_py):
    """Copies into the package what an installed program needs: into the build, so an editable install has no copy."""

    def run(self) -> None:
        super().run()
        shutil.rmtree(Path(self.build_lib) / FOLDER, ignore_errors=True)  # of an earlier build in the same folder
        for source, target in self._shipped():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._shipped())]

    def get_source_files(self) -> list[str]:
        """What an sdist holds."""
        return [*super().get_source_files(), *(str(source) for source, _ in self._shipped())]

    def _shipped(self) -> list[tuple[Path, Path]]:
        """Each file, and its place in the build. Hidden files, such as those of an editor, stay out."""
        found = [Path(name) for name in SHIPPED if Path(name).is_file()]
        found += [path for name in SHIPPED for path in sorted(Path(name).rglob("*")) if path.is_file()]
        kept = [path for path in found if not any(part.startswith(".") for part in path.parts)]
        return [(path, Path(self.build_lib) / FOLDER / path) for path in kept]


setup(cmdclass={"build_py": BuildPackage})
