"""deploy/Dockerfile, .dockerignore and the workflow that builds the image, as far as no registry is needed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import yaml

from grabient_assets.settings import PROJECT_DIR, SETTINGS
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.packaging.built import FILES, FOLDERS

WORKFLOW = PROJECT_DIR / ".github" / "workflows" / "ci.yml"
PROJECT = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions() -> list[str]:
    """The instructions of the Dockerfile, one a line, without comments."""
    lines = (PROJECT_DIR / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return re.sub(r"\\\n\s*", "", text).splitlines()


def test_the_image_is_built_from_what_the_wheel_needs_and_sees_nothing_else() -> None:
    copied = [word for line in instructions() if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]]
    ignore = (PROJECT_DIR / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*" and rules[-1] == "**/__pycache__"
    assert sorted(copied) == sorted(rule.removeprefix("!") for rule in rules[1:-1])
    assert sorted(copied) == sorted([*FOLDERS, *FILES, "constraints.txt"])


def test_the_image_has_the_extras_of_a_cluster_at_the_versions_of_the_tests() -> None:
    [cluster] = PROJECT["optional-dependencies"]["cluster"]
    text = "\n".join(instructions())
    extras = re.findall(r"\*extras\['(\w+)'\]", text)
    assert cluster == f"grabient-assets[{','.join(extras)}]" and len(extras) == 3
    assert text.count("install --quiet -c constraints.txt") == 2, "of what builds, and of what runs"
    pinned = (PROJECT_DIR / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for name in extras:
        for one in PROJECT["optional-dependencies"][name]:
            package = re.split(r"[<>=]", one)[0]
            assert f"\n{package}==" in pinned, one
    duckdb = re.findall(r"^duckdb(?:-extension-postgres-scanner)?==(.*)$", pinned, re.MULTILINE)
    assert len(duckdb) == 2 and len({*duckdb}) == 1, "DuckDB loads an extension of its own version only"


def test_the_image_runs_as_an_ordinary_user_and_holds_no_key() -> None:
    last = instructions()[next(n for n in range(len(instructions()) - 1, -1, -1) if instructions()[n][:4] == "FROM") :]
    assert [line for line in last if line.startswith("USER")] == ["USER 10001:10001"]
    assert any(line.startswith("HEALTHCHECK") for line in last)
    secrets = {setting.name for setting in SETTINGS if setting.secret}
    set_here = {word.split("=")[0] for line in instructions() if re.match("ENV|ARG", line) for word in line.split()[1:]}
    assert {"DAGSTER_HOME", "GRABIENT_DATA_DIR"} <= set_here and not set_here & secrets


def test_the_workflow_is_one_that_github_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)],
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_may_only_read_and_names_exact_versions() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"]) for step in steps if "uses" in step)
    assert [step["with"]["push"] for step in steps if "build-push" in step.get("uses", "")] == [False]
    assert {"make test", "make check"} <= {step.get("run") for step in steps}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert oldest in workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
