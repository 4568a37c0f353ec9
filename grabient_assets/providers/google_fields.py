"""Which fields of an operation are asked for. A small batch carries all its answers, up to 20 MB, in its operation:
they are fetched once, with the results, and not with every look at how far the batch is.

`fields` is a parameter of every method of the API. An operation's metadata is of type Any, and nowhere is it said that
a selection may reach into one: a server that refuses the narrow selection, or leaves out what it names, is asked for
the wide one, and at last for everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grabient_assets.providers.reading import inside, items, text_or_none

_NARROW = "name,done,error,metadata(state,displayName,createTime,endTime,batchStats,inputConfig(fileName))"
_WIDE = "name,done,error,metadata"

OF_AN_OPERATION = (_NARROW, _WIDE)
OF_A_LIST = tuple(f"operations({fields}),nextPageToken" for fields in OF_AN_OPERATION)


def operation_tells(operation: Mapping[str, Any]) -> bool:
    """Whether the state is told, and why the batch failed if it did."""
    state = text_or_none(inside(operation, "metadata", "state"))
    return state is not None and (not state.endswith("_FAILED") or bool(operation.get("error")))


def list_tells(page: Mapping[str, Any]) -> bool:
    """Whether there are operations, and every one tells its state and its name: ours, overlooked, is paid for twice."""
    operations = items(page.get("operations"))
    told = [text_or_none(inside(one, "metadata", field)) for one in operations for field in ("state", "displayName")]
    return bool(told) and all(told)
