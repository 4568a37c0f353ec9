"""Which JSON the requests of the providers are made of: types and nesting, before any rule of a model is looked at.

Everything a client sends passes here first, so that the code behind it reads objects, lists and texts where it expects
them, and a request of another shape is refused with the place where it differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, StrictInt, StrictStr, Tag, ValidationError

from grabient_assets.emulator.wire import Refused, nested_deeper

DEEPEST_REQUEST = 100
"""Levels of nesting in one request: the limit of Google's JSON reader, about that of the others."""


class Shape(BaseModel):
    """An object whose other names are looked at elsewhere."""

    model_config = ConfigDict(extra="allow")


def _kind(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<list>"


class Schema(Shape):
    """A JSON Schema, as far as an answer is shaped by it."""

    type: StrictStr | Annotated[list[StrictStr], Field(min_length=1)] | None = None
    enum: Annotated[list[Any], Field(min_length=1)] | None = None
    properties: dict[str, Schema] | None = None
    required: list[StrictStr] | None = None
    items: Schema | None = None
    anyOf: Annotated[list[Schema], Field(min_length=1)] | None = None
    additionalProperties: StrictBool | Schema | None = None
    minItems: Annotated[StrictInt, Field(ge=0)] | None = None
    maxItems: Annotated[StrictInt, Field(ge=0)] | None = None


T = TypeVar("T")
TextOr = Annotated[
    Annotated[StrictStr, Tag("<text>")] | Annotated[list[T], Tag("<list>")],
    Discriminator(_kind),
]
"""A text, or a list of parts."""


def read_shape(shape: type[Shape], value: Any, refusal: Callable[[str, str], Refused]) -> Any:
    """The value without its nulls, which say the same as an absent name.

    Raises what `refusal` makes of the first place that differs from the shape (as `messages.0.content`, empty for the
    value itself) and of how it differs.
    """
    if nested_deeper(value, DEEPEST_REQUEST):
        raise refusal("", f"nested more than {DEEPEST_REQUEST} levels deep")
    found = _present(value)
    try:
        shape.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<"))
        raise refusal(place, first["msg"]) from error
    return found


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
