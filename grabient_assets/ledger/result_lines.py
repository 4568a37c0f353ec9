"""Result lines and the requests they are for. Pure.

The key of a line names its request. Where the key is missing or unknown, the `ref` in the answer names it. Where that
is missing too, or the line cannot be read at all, the answer has been paid for nevertheless: its request is not
unanswered but unreadable, and it is never bought again automatically.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from grabient_assets.errors import ResultsError
from grabient_assets.ledger.batches import RequestRecord
from grabient_assets.providers.connect import usages_in
from grabient_assets.providers.contract import ReadLine, Result
from grabient_assets.registry.usage import Usage

_WORTH: Mapping[str, int] = {"answered": 2, "refused": 1, "truncated": 1}
"""The rank of results: an answer is worth more than a refusal or a similar text, and that more than no result."""

_REF = re.compile(r'"ref"\s*:\s*"([A-Za-z0-9_-]{1,64})"', re.IGNORECASE)
_ANY_DEPTH = re.compile(rb'ref\\*"\s*:\s*\\*"([A-Za-z0-9_-]{1,64})', re.IGNORECASE)
_NAMES = re.compile(rb"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Unread:
    """A line that cannot be read: the requests it names anywhere, the tokens it reports, and the error."""

    names: tuple[str, ...]
    usages: tuple[Usage, ...]
    why: str


@dataclass(slots=True)
class Results:
    """The results by request, and the oddities of the lines.

    `contradicted`: requests with two different answers. `free`: unreadable requests for which no line is left, so that
    nothing was billed. `unread`: the error of the first line, when none can be read.
    """

    of: dict[str, Result] = field(default_factory=dict)
    contradicted: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    unread: str | None = None


def read_results(
    lines: Sequence[bytes], read_line: ReadLine, requests: Mapping[str, RequestRecord], provider: str
) -> Results:
    """Every line read and bound to its request, and a sentence for every line that is odd."""
    found = Results()
    unread: list[_Unread] = []
    unbound: list[tuple[int, Result]] = []
    for number, line in enumerate(lines, start=1):
        try:
            result = read_line(line)
        except ResultsError as error:
            found.problems.append(f"Result line {number} cannot be read: {error}")
            unread.append(_Unread(_named_in(line, requests), tuple(usages_in(line, provider)), str(error)))
            continue
        hidden = _ref_within(line, requests) if result.text is None else None
        if hidden is not None and (result.retryable or result.custom_id not in requests):
            why = f"it holds the answer to {hidden}, where no answer is looked for"
            found.problems.append(f"Result line {number} cannot be read: {why}.")
            unread.append(_Unread((hidden,), tuple(usages_in(line, provider))[:1], why))
        elif result.custom_id not in requests:
            unbound.append((number, result))
        else:
            _add(found, number, result)
    keyed = set(found.of)
    for number, result in unbound:
        ref = _ref_in(result.text, requests)
        if ref is not None and ref not in keyed:
            _add(found, number, replace(result, custom_id=ref))
            continue
        found.problems.append(f"Result line {number} {_of_nobody(result)}")
        if result.has_response:
            why = "it names no request of this batch, neither by its key nor by the `ref` in its answer"
            unread.append(_Unread((), (result.usage,) if result.usage else (), why))
    if unread:
        found.unread = None if found.of else unread[0].why
        _mark_unreadable(found, unread, requests)
    return found


def _add(found: Results, number: int, result: Result) -> None:
    assert result.custom_id is not None
    earlier = found.of.get(result.custom_id)
    if earlier is None:
        found.of[result.custom_id] = result
        return
    if earlier.fate == result.fate == "answered" and _content(earlier) != _content(result):
        found.contradicted.add(result.custom_id)
    found.of[result.custom_id] = _better(earlier, result)
    found.problems.append(f"Result line {number} {_duplicate_problem(earlier, result)}")


def _mark_unreadable(found: Results, unread: Sequence[_Unread], requests: Mapping[str, RequestRecord]) -> None:
    """Requests without a result to which an unreadable line belongs, or may belong.

    A line that names no request may belong to any that is left, so all of them are unreadable. The tokens of such lines
    are booked to the first of them, so that the cost of the batch is right.
    """
    loose: list[_Unread] = []
    for one in unread:
        lacking = [name for name in one.names if name not in found.of]
        usages = one.usages if len(one.usages) == len(one.names) else (None,) * len(one.names)
        booked = dict(zip(one.names, usages, strict=True))
        for name in lacking:
            error = f"An answer came that cannot be read: {one.why}"
            found.of[name] = Result(name, "unreadable", error=error, usage=booked[name])
        loose += [] if one.names else [one]
    left = [custom_id for custom_id in requests if custom_id not in found.of]
    if not loose or not left:
        return
    error = f"{len(loose)} result lines do not say which request they are for, so this one may be among them."
    usages = [usage for one in loose for usage in (one.usages or (None,))]
    for number, custom_id in enumerate(left):
        usage = usages[number] if number < len(usages) else None
        found.of[custom_id] = Result(custom_id, "unreadable", error=error, usage=usage)
    found.free |= set(left[len(usages) :])


def _named_in(line: bytes, requests: Collection[str]) -> tuple[str, ...]:
    """The requests whose id occurs anywhere in the line, in the order of occurrence."""
    words = dict.fromkeys(word.decode() for word in _NAMES.findall(line))
    return tuple(word for word in words if word in requests)


def _ref_within(line: bytes, requests: Collection[str]) -> str | None:
    """The one request that something in the line names as its own, at any depth and with any number of string
    encodings."""
    refs = {ref for word in _ANY_DEPTH.findall(line) if (ref := word.decode()) in requests}
    return refs.pop() if len(refs) == 1 else None


def _ref_in(text: str | None, requests: Collection[str]) -> str | None:
    """The one request that the answer names as its own."""
    refs = {ref for ref in _REF.findall(text or "") if ref in requests}
    return refs.pop() if len(refs) == 1 else None


def _of_nobody(result: Result) -> str:
    if result.custom_id is None:
        return "does not say which request it is for, neither by a key nor by the `ref` in its answer."
    return f"is for {result.custom_id!r}, which this batch never asked."


def _better(earlier: Result, later: Result) -> Result:
    """The better of two results for one request; the earlier one when they are worth the same."""
    return later if _WORTH.get(later.fate, 0) > _WORTH.get(earlier.fate, 0) else earlier


def _content(result: Result) -> tuple[object, ...]:
    """The content of the model's answer."""
    return result.text, result.image, result.vector


def _duplicate_problem(earlier: Result, later: Result) -> str:
    """The rest of the sentence about a duplicate line for a request."""
    name = later.custom_id
    if earlier.fate != later.fate:
        return f"says {later.fate} of {name}, an earlier one {earlier.fate}; {_better(earlier, later).fate} counts."
    if (_content(earlier), earlier.error) == (_content(later), later.error):
        return f"is another for {name} and says the same; it counts once."
    if later.fate == "answered":
        return f"answers {name} a second time, and differently; neither answer is taken."
    return f"is another for {name}, {later.fate} like the first, which counts."
