"""Where in the pipeline a process can be caught: functions, known by their code, and for which provider they work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Literal

from dagster import DagsterInstance, SensorDefinition

from grabient_assets import interrupts
from grabient_assets.groups.palettes import pictures
from grabient_assets.groups.tagging import collection
from grabient_assets.headless import driver, run_goal
from grabient_assets.headless.pipeline_run import PipelineRun
from grabient_assets.ledger import batches, collect, submit
from grabient_assets.providers import client, connect, google
from grabient_assets.providers.anthropic import AnthropicBatches
from grabient_assets.providers.contract import Accepted
from grabient_assets.providers.google import GoogleBatches
from grabient_assets.providers.openai import FileBatchClient
from grabient_assets.resources import home
from grabient_assets.warehouse import attaching

Subject = tuple[str, str]
"""Provider and purpose of the work at hand."""


@dataclass(frozen=True, slots=True)
class Trap:
    """A moment in one of several functions: when it is called, or when it returns (or a generator yields).

    `subject` is given the frame and what is returned; it answers None when this is not the moment after all.
    """

    codes: tuple[CodeType, ...]
    happening: Literal["call", "return"]
    subject: Callable[[FrameType, Any], Subject | None]


def _codes(*functions: Any) -> tuple[CodeType, ...]:
    return tuple(function.__code__ for function in functions)


def _batch(frame: FrameType, _: Any) -> Subject:
    batch = frame.f_locals["batch"]
    return batch.provider, batch.purpose


def _batch_of_caller(frame: FrameType, _: Any) -> Subject:
    assert frame.f_back is not None
    return _batch(frame.f_back, None)


def _accepted(frame: FrameType, returned: Any) -> Subject | None:
    """An error leaves `submit` too, and returns nothing."""
    at = frame.f_locals
    return (at["self"].name, at["batch"].batch_id.split("-")[0]) if isinstance(returned, Accepted) else None


def _download(frame: FrameType, _: Any) -> Subject:
    return frame.f_locals["self"].name, "tagging"  # nothing else is downloaded before tags are


def _line(frame: FrameType, returned: Any) -> Subject | None:
    return (frame.f_locals["provider"], "tagging") if isinstance(returned, bytes) else None


def _fetched(frame: FrameType, _: Any) -> Subject:
    batch = frame.f_locals["fetched"].batch
    return batch.provider, batch.purpose


def _always(*_: Any) -> Subject:
    return "any", "tagging"


def _from_drive(frame: FrameType, _: Any) -> Subject | None:
    caller = frame.f_back
    return _always() if caller is not None and caller.f_code is driver.drive.__code__ else None


def _own(frame: FrameType, _: Any) -> Subject:
    return frame.f_locals["self"].name, "tagging"


_PROVIDERS = (AnthropicBatches, FileBatchClient, GoogleBatches)
_SETTLED = (Trap(_codes(collect.write_settled), "return", _batch),)

TRAPS: dict[str, tuple[Trap, ...]] = {
    "intent": (Trap(_codes(batches.insert_intent), "call", _batch),),
    "intended": (Trap(_codes(submit._create), "call", _batch),),
    "accepted": (Trap(_codes(*(provider.submit for provider in _PROVIDERS)), "return", _accepted),),
    "receipt": (Trap(_codes(batches.record_receipt), "return", _batch_of_caller),),
    "download": (Trap(_codes(*(provider.results for provider in _PROVIDERS)), "call", _download),),
    "line": (
        Trap(_codes(client.whole_lines), "return", _line),
        Trap(_codes(google.line_of), "return", lambda *_: ("google", "tagging")),
    ),
    "archived": (Trap(_codes(collect.settle_batch), "call", _fetched),),
    "settled": _SETTLED,
    "committing": _SETTLED,
    "committed": _SETTLED,
    "closing": _SETTLED,
    "instance": (Trap(_codes(home.dagster_instance), "call", _always),),
    "opening": (Trap(_codes(attaching.attach), "call", _always),),
    "wish": (Trap(_codes(run_goal.record_goal), "call", _always),),
    "sensor": (Trap(_codes(SensorDefinition.evaluate_tick), "call", _always),),
    "run": (Trap(_codes(driver.execute_job), "call", _always),),
    "event": (Trap(_codes(DagsterInstance.handle_new_event), "call", _always),),
    "pictures": (Trap(_codes(pictures.draw_palettes), "call", _always),),
    "transaction": (Trap(_codes(batches.taken), "call", _always),),
    "connecting": (Trap(_codes(connect.connect), "return", _always),),
    "completing": (Trap(_codes(collection.complete_palettes), "call", _always),),
    "open": (Trap(_codes(PipelineRun._is_open), "call", _always),),
    "pause": (Trap(_codes(interrupts.sleep), "call", _from_drive),),
    "polling": (Trap(_codes(*(provider.poll for provider in _PROVIDERS)), "call", _own),),
}
