"""Values from a provider as plain values: JSON, SDK objects, lists, receipts, images and vectors. Pure.

The SDKs build objects from any answer without checking it, text instead of an object included.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from grabient_assets.errors import ResultsError
from grabient_assets.providers.contract import BAD_VECTOR, BatchState, Result
from grabient_assets.registry.usage import Usage


class UnreadableAnswer(Exception):
    """A success whose body is not what the API promises, e.g. the HTML of a proxy."""


EMPTY = "the model returned no text"
TOO_LONG = "the answer reached the token limit before it was finished; raise max_output_tokens or lower the effort"

_NOT_FETCHED = re.compile(
    r"(?i)(?:unable|fail|error|time-?d? ?out|could not|couldn't|cannot|can't|not able)\w*\b.{0,40}"
    r"\b(?:download|fetch|retriev|load|access)\w*\b.{0,60}(?:\bfile|\bimage|\bpicture|\bmedia|\burl|https?:)"
    r"|(?:\bimage|\bpicture|\bmedia|\burl|https?:)\b.{0,200}"
    r"\b(?:not (?:be )?(?:download|fetch|retriev|load|access|reach)"
    r"|disallowed|robots\.txt|returned\b.{0,20}\b[345]\d\d\b)"
    r"|\b[345]\d\d\b.{0,40}\b(?:download|fetch|retriev|load)\w*\b.{0,40}(?:\bimage|\bpicture|\bmedia|\burl)"
    r"|only https urls"
)


def parsed_line(line: bytes, provider: str) -> dict[str, Any]:
    """The JSON object in `line`. Raises ResultsError for anything else."""
    try:
        value = json.loads(line)
    except ValueError as error:  # covers JSONDecodeError and UnicodeDecodeError
        raise bad_line(line, provider, f"it is not JSON ({error})") from None
    except RecursionError:
        raise bad_line(line, provider, "it is nested too deeply") from None
    if not isinstance(value, dict):
        raise bad_line(line, provider, "it is not a JSON object")
    return value


def picture_not_fetched(message: str) -> bool:
    """Whether an error reports that the provider could not fetch a picture from its address.

    Anthropic: "Unable to download the file. Please verify the URL and try again.", "This URL is disallowed by the
    website's robots.txt file". OpenAI: "Error while downloading https://…", "Timeout while downloading …". Groq:
    "failed to retrieve media".
    """
    return _NOT_FETCHED.search(message) is not None


def bad_line(line: bytes, provider: str, reason: str) -> ResultsError:
    start = line[:120].decode("utf-8", "replace")
    return ResultsError(
        provider,
        f"A result line of {provider} cannot be read: {reason}. It begins {start!r}; the raw results are kept.",
    )


def inside(value: object, *path: str | int) -> Any:
    """The value at `path` in nested objects and lists, or None as soon as a step is missing or null."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def items(value: object) -> list[Any]:
    """`value` when it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def tokens(usage: object, *path: str) -> int:
    """A token count; 0 when absent. Raises ValueError for anything but a whole number."""
    value = inside(usage, *path)
    return 0 if value is None else _whole(value, path)


def needed_tokens(usage: object, *path: str) -> int:
    """A token count that every receipt has. Raises ValueError for anything but a whole number."""
    return _whole(inside(usage, *path), path)


def _whole(value: object, path: Sequence[str]) -> int:
    if type(value) is not int:
        raise ValueError(f"token count {'.'.join(path)} is {value!r}")
    return value


def beyond(total: object, counted: int) -> list[str]:
    """The part of a total above the sum of the known counts: tokens of a kind that has no price here."""
    over = total - counted if type(total) is int else 0
    return [f"{over} tokens of its total that are neither input nor output"] if over > 0 else []


def counted(what: str, number: object) -> list[str]:
    """A count of something that has a price of its own, as words; nothing when there is none."""
    return [f"{number} {what}"] if type(number) is int and number > 0 else []


def another(what: str, served: object, usual: Collection[str]) -> list[str]:
    """The service tier, when it has another price than the `usual` ones."""
    return [f"the {what} {served!r}"] if isinstance(served, str) and served and served.lower() not in usual else []


_IMAGE_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def decoded_image(encoded: object) -> tuple[bytes, str]:
    """The bytes of an image in base64 and their media type, recognised by the first bytes. Raises ValueError for
    anything but PNG, JPEG and WebP."""
    data = _from_base64(encoded, "image")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return data, "image/webp"
    for start, media_type in _IMAGE_TYPES:
        if data.startswith(start):
            return data, media_type
    raise ValueError(f"the {len(data)} bytes of the image are neither PNG nor JPEG nor WebP")


def decoded_vector(value: object) -> array[float]:
    """A vector of float32, given as base64 of little-endian numbers or as a list. Raises ValueError for one that is
    empty, has a number that is not finite, or no direction because all of them are 0."""
    vector = array("f")
    if isinstance(value, list):
        if not all(type(number) in (int, float) for number in value):
            raise ValueError("the vector holds something else than numbers")
        try:
            vector.extend(value)
        except OverflowError:
            raise ValueError("the vector holds a number that is not finite") from None
    else:
        data = _from_base64(value, "vector")
        if len(data) % vector.itemsize:
            raise ValueError(f"the {len(data)} bytes of the vector are no whole numbers of 4 bytes")
        vector.frombytes(data)
        if sys.byteorder == "big":
            vector.byteswap()
    if not all(map(math.isfinite, vector)):
        raise ValueError("the vector holds a number that is not finite")
    if not any(vector):
        raise ValueError("the vector is empty" if not vector else "all numbers of the vector are 0")
    return vector


def with_vector(result: Result, found: Sequence[Any], field: str) -> Result:
    """`result` with the vector under `field` of the only one `found`; an errored one for none, several or a bad one."""
    try:
        if len(found) != 1:
            raise ValueError(f"the response holds {len(found)} vectors instead of one")
        return replace(result, vector=decoded_vector(inside(found, 0, field)))
    except ValueError as error:
        return replace(result, fate="errored", error=str(error), error_code=BAD_VECTOR, retryable=True)


def _from_base64(encoded: object, what: str) -> bytes:
    if not isinstance(encoded, str) or not encoded:
        raise ValueError(f"the {what} is missing")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the {what} is no base64") from None


def usage_of(
    *,
    whole_input: int,
    output: int,
    cached: int,
    written: int = 0,
    written_5m: int = 0,
    thinking: int = 0,
    unpriced: Sequence[str] = (),
    images: int = 0,
    cached_images: int = 0,
    made_images: int = 0,
    has_output: bool,
) -> Usage | None:
    """The counts as a Usage. `has_output`: the model produced something. `unpriced`: what else was reported. `images`
    and `cached_images` are parts of the input and of what was cached of it, `made_images` is a part of the output.

    None when a count is negative, when nothing was read, and when something was produced without any output tokens:
    half a receipt is none. Where a part exceeds its whole, the whole is raised. A cost is never reported too low.
    """
    counts = (whole_input, output, cached, written, written_5m, thinking, images, cached_images, made_images)
    if min(counts) < 0 or not whole_input or (has_output and not output):
        return None
    return Usage(
        input_tokens=max(whole_input, cached + written, images),
        output_tokens=max(output, thinking, made_images),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=thinking,
        cache_write_5m_tokens=min(written_5m, written),
        unpriced=", ".join(unpriced),
        input_image_tokens=images,
        cached_image_tokens=min(cached_images, images, cached),
        output_image_tokens=made_images,
    )


DIGITS = 18
"""The most digits that a count may have; int64 has no more."""


def plain(answer: Any, *required: str) -> dict[str, Any]:
    """`answer` as the JSON object that came. Raises UnreadableAnswer when it is none, or lacks one of `required`."""
    value = answer.to_dict(mode="json", warnings=False) if hasattr(answer, "to_dict") else answer
    if not isinstance(value, Mapping):
        raise UnreadableAnswer(f"no JSON object but {str(value)!r}")
    for name in required:
        if not isinstance(value.get(name), str) or not value[name]:
            raise UnreadableAnswer(f"a JSON object without {name}: {dict(value)}")
    return dict(value)


def iso_time(value: object) -> datetime | None:
    """A time such as 2026-11-20T12:00:00Z in UTC, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def unix_time(value: object) -> datetime | None:
    """A time in seconds since 1970, or None for anything else: text, or a number beyond the calendar (milliseconds)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def whole_number(value: object) -> int | None:
    """A count as it came, as a number or in digits as JSON carries int64; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= DIGITS:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**DIGITS else None


def each_once(listed: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """What an SDK lists, each with its `id`. Raises UnreadableAnswer for an id that comes again.

    A server, or a gateway before it, that does not look at where the next page begins sends its first page for ever,
    and the SDKs ask for ever. Not for lists whose pages may overlap.
    """
    seen: set[str] = set()
    for item in listed:
        value = plain(item, "id")
        if value["id"] in seen:
            raise UnreadableAnswer(f"a list that repeats its pages: {value['id']!r} came twice")
        seen.add(value["id"])
        yield value


CLOCK_SKEW = timedelta(hours=24)
"""The assumed lead of this machine's clock over the provider's. A batch that is overlooked is paid for twice; a batch
that is considered in vain only costs a wait."""


def may_be_ours(created_at: datetime | None, submitted_after: datetime | None) -> bool:
    """Whether a batch with this creation time at the provider may have been submitted after that time of ours."""
    return created_at is None or submitted_after is None or created_at >= submitted_after - CLOCK_SKEW


def newest_first(states: Iterable[BatchState]) -> list[BatchState]:
    """The states by the time of creation; those without one last."""
    return sorted(states, key=lambda state: state.created_at or datetime.min.replace(tzinfo=UTC), reverse=True)
