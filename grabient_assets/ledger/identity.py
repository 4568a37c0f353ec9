"""The identity of a request, in one place: no other module builds or parses a custom_id.

A custom_id is `<stem>-<NN>`, `^[a-zA-Z0-9_-]{1,64}$`. NN is the analysis, two digits. The stem is `<subject_key>-<20
hex>`: the key identifies the subject (equal subjects have one key), the 20 digits identify the request and the model.
The stem is stored on the ask (table `asks`); batches, answers and plans join on it.

Some requests contain more than the ask: they show the answers to other requests. Such an ask `rests_on` a table, and
the digest of its present contents is the `basis`. Without it there is no stem yet, and nothing to send.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from grabient_assets.ledger.purpose import Purpose

MOST_ANALYSES = 20
"""The most analyses of one ask: each is a bit of an integer in the queries, and two digits of a custom_id."""

ANALYSES = f"(SELECT unnest(range({MOST_ANALYSES}))::INTEGER AS analysis_index) AS analysis"
"""Relation of every analysis there can be; join it with `is_in`."""


def request_digest(purpose: str, answers_from: str, model: Model, prompt_digest: str) -> str:
    """20 hexadecimal digits that change when the request or its target changes, apart from subject and basis.

    `answers_from` is `emulator` or `live`, so that an emulated answer never replaces a real one.
    """
    return digest_of_request(purpose, answers_from, model.provider, model.id, prompt_digest)


def digest_of_request(purpose: str, answers_from: str, provider: str, model_id: str, prompt_digest: str) -> str:
    """The same, for a model that may have left the registry."""
    identifying = f"{purpose}\n{answers_from}\n{provider}\n{model_id}\n{prompt_digest}"
    return hashlib.sha256(identifying.encode()).hexdigest()[:20]


def stem(subject_key: str, request_digest: str, basis: str | None = None) -> str:
    """SQL of the stem; all arguments are SQL. With a `basis`, it is null while the basis is."""
    digits = request_digest if basis is None else f"substr(sha256({request_digest} || {basis}), 1, 20)"
    return f"{subject_key} || '-' || {digits}"


def custom_id(stem: str, analysis_index: str = "analysis_index") -> str:
    """SQL of the custom_id; both arguments are SQL."""
    return f"{stem} || '-' || lpad({analysis_index}::VARCHAR, 2, '0')"


def custom_id_of(subject_key: str, request_digest: str, analysis_index: int) -> str:
    """The custom_id itself, of a request that rests on nothing."""
    return f"{subject_key}-{request_digest}-{analysis_index:02}"


def stem_of(custom_id: str) -> str:
    """SQL of the stem of a custom_id."""
    return f"left({custom_id}, -3)"


def key_of(custom_id: str) -> str:
    """SQL of the subject key in a custom_id: all but the last 24 characters, since a key may hold dashes."""
    return f"left({custom_id}, -24)"


def bit(analysis_index: str = "analysis_index") -> str:
    """SQL of the bit that stands for an analysis."""
    return f"(1 << {analysis_index})"


def is_in(bits: str, analysis_index: str = "analysis_index") -> str:
    """SQL condition: the analysis is among the bits."""
    return f"({bits} & {bit(analysis_index)}) <> 0"


def imported_id(subject_key: str, identifying: Iterable[str], analysis_index: int) -> str:
    """The custom_id of an answer that an earlier system asked for. No request here has its digits."""
    digits = hashlib.sha256("\n".join(("imported", *identifying)).encode()).hexdigest()[:20]
    return f"{subject_key}-{digits}-{analysis_index:02}"


def identified(wanted: str, purpose: Purpose) -> str:
    """SQL: the relation `wanted` (subject, prompt_version, request_digest, ...) with the columns of its identity."""
    if purpose.bases is None:
        basis, join, digits = "NULL::VARCHAR", "", stem("k.subject_key", "w.request_digest")
    else:
        join = f"LEFT JOIN ({purpose.bases}) b ON b.subject = w.subject AND b.prompt_version = w.prompt_version"
        basis, digits = "b.basis", stem("k.subject_key", "w.request_digest", "b.basis")
    rests_on = f"'{purpose.rests_on}'" if purpose.rests_on else "NULL::VARCHAR"
    return f"""
        SELECT w.*, k.subject_key, {rests_on} AS rests_on, {basis} AS basis, {digits} AS stem
        FROM ({wanted}) w JOIN ({purpose.keys}) k ON k.subject = w.subject {join}
    """
