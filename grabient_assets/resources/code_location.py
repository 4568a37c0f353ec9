"""The code location as Dagster's webserver and daemon know it, and runs in this process that belong to it.

The pages Timeline, Jobs and every job's own list only runs that name the code location and repository of their job.
`execute_in_process` makes runs that name neither (Dagster 1.13), so what it does is done here, with the origin added.
Private modules of Dagster that this needs: `_core.remote_origin`, `_core.origin`, `_core.code_pointer`,
`_core.workspace.load_target` and `_core.execution`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from grabient_assets.places import SHIPPED_DIR

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.execution.execution_result import ExecutionResult
    from dagster._core.origin import JobPythonOrigin
    from dagster._core.remote_origin import CodeLocationOrigin, RemoteJobOrigin

WORKSPACE = SHIPPED_DIR / "workspace.yaml"
DEFINITIONS = "grabient"
"""The function in the module of the code location that returns the definitions."""


def execute_in_location(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_config: Mapping[str, object],
    tags: Mapping[str, str],
    partition_key: str | None = None,
    asset_selection: Sequence[dg.AssetKey] | None = None,
) -> ExecutionResult:
    """Execute the job in this process, as a run of the code location. A failure is in the result, not raised.

    Raises DagsterUnknownPartitionError for a partition that the instance does not have.
    """
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run
    from dagster._core.execution.execute_in_process import merge_run_tags

    chosen = list(asset_selection or ())
    here = job.as_ephemeral_job(resource_defs={}, input_values={}, asset_selection=chosen)
    run = instance.create_run_for_job(
        here,
        run_config=run_config,
        tags={**here.run_tags, **merge_run_tags(job, partition_key, tags, chosen, instance, run_config)},
        asset_selection=frozenset(chosen) or None,
        remote_job_origin=job_origin(job.name),
        job_code_origin=_code_origin(job.name),
    )
    return execute_run(InMemoryJob(here), run, instance, raise_on_error=False)


def job_origin(job_name: str) -> RemoteJobOrigin:
    """What the webserver and the daemon write on a run of this job: location, repository and name."""
    from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
    from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin

    return RemoteJobOrigin(RemoteRepositoryOrigin(_location(), SINGLETON_REPOSITORY_NAME), job_name)


def is_ours(code: JobPythonOrigin) -> bool:
    """Whether the code of a job is that of the code location."""
    return getattr(code.repository_origin.code_pointer, "module", None) == _module()


def _module() -> str:
    module = _location().loadable_target_origin.module_name
    assert module is not None
    return module


@cache
def _location() -> CodeLocationOrigin:
    """The only code location of workspace.yaml."""
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    [location] = WorkspaceFileTarget([str(WORKSPACE)]).create_origins()
    return location


def _code_origin(job_name: str) -> JobPythonOrigin:
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

    pointer = ModuleCodePointer(_module(), DEFINITIONS, None)
    return JobPythonOrigin(job_name, RepositoryPythonOrigin(sys.executable, pointer, None, None, None))
