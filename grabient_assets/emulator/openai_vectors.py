"""`/v1/embeddings` of OpenAI, and Groq's copy of it: one body checked and answered."""

from __future__ import annotations

import json
from typing import Any

from grabient_assets.emulator.answering import Ending, tokens
from grabient_assets.emulator.chat import invalid
from grabient_assets.emulator.vectors import in_base64, vector_of
from grabient_assets.emulator.wire import Line, Refused, ServedModel
from grabient_assets.registry.model import VectorRules

KNOWN = ("model", "input", "dimensions", "encoding_format", "user")
MAX_INPUTS = 2_048
MAX_TOKENS = 300_000


def embedded(model: ServedModel, key: str, body: dict[str, Any], forced: Ending | None) -> Line:
    """The answer to one body. Raises Refused."""
    rules = model.vectors
    if rules is None:
        raise Refused(403, "invalid_request_error", "You are not allowed to generate embeddings from this model")
    body = {name: value for name, value in body.items() if value is not None}
    for name in body:
        if name not in KNOWN:
            raise invalid(f"Unrecognized request argument supplied: {name}", name)
    dimensions, form = _dimensions(body, rules), body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise invalid(f"Invalid value: {form!r}. Supported values are: 'float' and 'base64'.", "encoding_format")
    texts = _texts(body.get("input"), rules)
    read = sum(count for _, count in texts)
    if read > MAX_TOKENS:
        message = f"Requested {read} tokens, max {MAX_TOKENS} tokens per request"
        raise Refused(400, "max_tokens_per_request", message, code="max_tokens_per_request", param="input")
    vectors = [vector_of(model.id, "", text, rules, dimensions, forced) for text, _ in texts]
    data = [
        {
            "object": "embedding",
            "index": place,
            "embedding": in_base64(vector) if form == "base64" else vector.tolist(),
        }
        for place, vector in enumerate([] if forced == "empty" else vectors)
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return Line(key, True, {"body": {"object": "list", "data": data, "model": model.id, "usage": usage}}, (read, 0, 0))


def _dimensions(body: dict[str, Any], rules: VectorRules) -> int:
    asked = body.get("dimensions", rules.dimensions)
    if "dimensions" in body and rules.least == rules.most:
        raise invalid("This model does not support specifying dimensions.", "dimensions")
    if type(asked) is not int:
        raise invalid("Invalid type for 'dimensions': expected an integer.", "dimensions", "invalid_type")
    if asked < rules.least:
        message = f"Invalid value for 'dimensions' = {asked}. Must be greater than or equal to {rules.least}."
        raise invalid(message, "dimensions")
    if asked > rules.most:
        message = f"Invalid value for 'dimensions' = {asked}. Must be less than or equal to {rules.most}."
        raise invalid(message, "dimensions")
    return asked


def _texts(given: Any, rules: VectorRules) -> list[tuple[str, int]]:
    """The inputs and their tokens. An input is a text, or a list of tokens."""
    if given is None:
        raise invalid("you must provide an input", "input")
    if isinstance(given, str) or (isinstance(given, list) and given and _are_tokens(given)):
        given = [given]
    if not isinstance(given, list) or not 0 < len(given) <= MAX_INPUTS:
        raise _unreadable()
    found = []
    for one in given:
        if isinstance(one, str) and one:
            text, count = one, tokens(one)
        elif isinstance(one, list) and one and _are_tokens(one):
            text, count = json.dumps(one), len(one)
        else:
            raise _unreadable()
        if count > rules.most_input_tokens:
            most = rules.most_input_tokens
            message = f"This model's maximum context length is {most} tokens, however you requested {count} tokens."
            raise invalid(message, "input", "context_length_exceeded")
        found.append((text, count))
    return found


def _are_tokens(given: list[Any]) -> bool:
    return all(type(one) is int and one >= 0 for one in given)


def _unreadable() -> Refused:
    return invalid("'$.input' is invalid. Please check the API reference.", "input")
