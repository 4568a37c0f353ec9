"""What was asked about one palette under one prompt version: every request, what became of it, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.fates import USABLE
from grabient_assets.ledger.identity import custom_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Carrier:
    """The batch that carried a request last. `fate` and `error` of the request in it, None while it is open."""

    batch_id: str
    status: str
    fate: str | None
    error: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One analysis of one model: what was wanted, and what is stored.

    `state` and `reason` of the ask; None for an answer that nobody asks for any more. `fate` and `error` of the stored
    row, None without one; `again`: it is a failure that is asked again. `held`: why there is no money for it.
    `shared_from`: (seed, prompt version) of the request whose answer was taken over.
    """

    provider: str
    model: str
    analysis_index: int
    state: str | None
    reason: str | None
    fate: str | None
    error: str | None
    again: bool
    carrier: Carrier | None
    held: str | None
    shared_from: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What the requests about a palette took at one model; `basis` as cost_basis in docs/data.md."""

    purpose: str
    provider: str
    model: str
    basis: str | None
    requests: int
    cost_usd: Decimal


_CARRIER = """
    arg_max({'batch_id': b.batch_id, 'status': b.status, 'fate': r.fate, 'error': coalesce(r.error, b.error),
             'since': coalesce(b.submitted_at, b.intended_at)}, (b.intended_at, b.batch_id))
"""
_HELD = """
    (SELECT any_value(h.reason) FROM budget_holds h
     WHERE h.purpose = w.purpose AND h.provider = w.provider AND h.model = w.model
       AND h.prompt_version = w.prompt_version AND h.cap_id IS NOT DISTINCT FROM w.cap_id AND w.state = 'open')
"""


def tagging_inquiries(connection: DuckDBPyConnection, partition: SubjectVersion) -> list[Inquiry]:
    """Every analysis that is wanted or stored, by provider, model and analysis."""
    rows = connection.execute(
        f"""
        WITH wanted AS (
            SELECT a.*, i.analysis_index, {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a, unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = 'tagging' AND a.subject = $seed AND a.prompt_version = $version
        ),
        stored AS (SELECT * FROM palette_tags WHERE seed = $seed AND prompt_version = $version),
        carried AS (
            SELECT r.custom_id, {_CARRIER} AS carrier
            FROM batch_requests r JOIN batches b USING (batch_id) SEMI JOIN wanted USING (custom_id) GROUP BY 1
        ),
        shared AS (
            SELECT t.provider, t.model, t.analysis_index, r.subject AS of_seed, b.prompt_version AS of_version
            FROM stored t JOIN batch_requests r USING (batch_id, custom_id) JOIN batches b USING (batch_id)
            WHERE r.subject <> t.seed OR b.prompt_version <> t.prompt_version
        )
        SELECT provider, model, analysis_index, w.state, w.reason, t.fate, t.error,
               coalesce(w.state = 'open' AND (t.custom_id <> w.custom_id
                        OR (t.error IS NOT NULL AND t.created_at < w.retry_from)), false),
               c.carrier, {_HELD}, s.of_seed, s.of_version
        FROM wanted w FULL JOIN stored t USING (provider, model, analysis_index)
        LEFT JOIN carried c ON c.custom_id = w.custom_id
        LEFT JOIN shared s USING (provider, model, analysis_index)
        ORDER BY 1, 2, 3
        """,
        {"seed": partition.subject, "version": partition.prompt_version},
    ).fetchall()
    return [_inquiry(row) for row in rows]


def refinement_inquiry(connection: DuckDBPyConnection, partition: SubjectVersion) -> Inquiry | None:
    """The refinement that is wanted or stored; None when there is neither."""
    row = connection.execute(
        f"""
        WITH wanted AS (
            SELECT a.*, {custom_id("a.stem", "0")} AS custom_id FROM asks a
            WHERE a.purpose = 'refinement' AND a.subject = $seed AND a.prompt_version = $version
        ),
        stored AS (SELECT * FROM palette_tag_refined WHERE seed = $seed AND prompt_version = $version),
        carried AS (
            SELECT r.custom_id, {_CARRIER} AS carrier
            FROM batch_requests r JOIN batches b USING (batch_id) SEMI JOIN wanted USING (custom_id) GROUP BY 1
        ),
        source AS (
            SELECT t.seed, b.provider, r.subject AS of_seed, b.prompt_version AS of_version
            FROM stored t JOIN batch_requests r USING (batch_id, custom_id) JOIN batches b USING (batch_id)
        )
        SELECT coalesce(w.provider, s.provider), coalesce(t.model, w.model), 0, w.state, w.reason, t.fate, t.error,
               coalesce(w.state = 'open' AND (t.custom_id <> w.custom_id
                        OR (t.error IS NOT NULL AND t.created_at < w.retry_from)), false),
               c.carrier, {_HELD},
               CASE WHEN (s.of_seed, s.of_version) <> ($seed, $version) THEN s.of_seed END,
               CASE WHEN (s.of_seed, s.of_version) <> ($seed, $version) THEN s.of_version END
        FROM wanted w FULL JOIN stored t ON t.seed = w.subject LEFT JOIN carried c ON c.custom_id = w.custom_id
        LEFT JOIN source s ON s.seed = t.seed
        """,
        {"seed": partition.subject, "version": partition.prompt_version},
    ).fetchone()
    return _inquiry(row) if row else None


def costs_of(connection: DuckDBPyConnection, partition: SubjectVersion) -> list[Cost]:
    """What was billed on behalf of this palette, tagging first, by model and basis; failed answers included."""
    rows = connection.execute(
        """
        SELECT purpose, provider, model, cost_basis, count(*), coalesce(sum(cost_usd), 0) FROM (
            SELECT subject, prompt_version, purpose, provider, model, cost_basis, cost_usd FROM cost_by_request
            UNION ALL
            SELECT subject, prompt_version, purpose, provider, model, cost_basis, cost_usd FROM imported_requests)
        WHERE subject = $1 AND prompt_version = $2 GROUP BY ALL ORDER BY purpose DESC, provider, model, cost_basis
        """,
        [partition.subject, partition.prompt_version],
    ).fetchall()
    return [Cost(*row) for row in rows]


def versions_asked(connection: DuckDBPyConnection, seed: str) -> list[str]:
    """The prompt versions under which the palette was ever asked about."""
    rows = connection.execute(
        """
        SELECT prompt_version FROM asks WHERE subject = $1 UNION SELECT prompt_version FROM palette_tags WHERE seed = $1
        UNION SELECT prompt_version FROM palette_tag_refined WHERE seed = $1
        ORDER BY 1
        """,
        [seed],
    ).fetchall()
    return [row[0] for row in rows]


def nearest_palette(connection: DuckDBPyConnection, seed: str, palette_key: str, most: int) -> str | None:
    """The loaded palette with the same colours, or the one whose seed differs in at most `most` characters."""
    row = connection.execute(
        """
        SELECT seed FROM (SELECT seed, palette_key, levenshtein(seed, $1) AS apart FROM palettes)
        WHERE palette_key = $2 OR apart <= $3 ORDER BY palette_key <> $2, apart, seed LIMIT 1
        """,
        [seed, palette_key, most],
    ).fetchone()
    return row[0] if row else None


def _inquiry(row: tuple[Any, ...]) -> Inquiry:
    *fields, carrier, held, seed, version = row
    if carrier is not None:
        carrier = Carrier(**{**carrier, "since": carrier["since"].astimezone(UTC)})
    return Inquiry(*fields, carrier=carrier, held=held, shared_from=(seed, version) if seed else None)


Kind = Literal["answered", "failed", "under way", "waiting", "stopped"]
_OPEN = ("intended", "submitted")


@dataclass(frozen=True, slots=True)
class RequestState:
    """`answered`: usable. `failed`: asked again only by a person. `waiting`: it is sent by itself when it can be."""

    kind: Kind
    reason: str | None


def standing_of(inquiry: Inquiry) -> RequestState:
    """How the request stands. The stored answer comes first: it counts, whatever else is wanted."""
    if inquiry.fate in USABLE:
        return RequestState("answered", _shared(inquiry))
    carrier = inquiry.carrier
    if carrier is not None and carrier.fate is None and carrier.status in _OPEN:
        return RequestState("under way", f"in batch {carrier.batch_id} since {carrier.since:%Y-%m-%d %H:%M} UTC")
    # An answer that cannot be used is one, also where its ask is stopped; a request that errs is none.
    if inquiry.state == "stopped" and (inquiry.again or inquiry.fate in (None, "errored")):
        return RequestState("stopped", inquiry.reason)
    if inquiry.fate is not None and not inquiry.again:
        return RequestState("failed", f"{inquiry.fate}: {inquiry.error}" if inquiry.error else inquiry.fate)
    return RequestState("waiting", _why_waiting(inquiry))


def _shared(inquiry: Inquiry) -> str | None:
    if inquiry.shared_from is None:
        return None
    seed, version = inquiry.shared_from
    return f"taken over from {seed} under {version}, which was asked the same"


def _why_waiting(inquiry: Inquiry) -> str:
    if inquiry.held:
        return inquiry.held
    carrier = inquiry.carrier
    if inquiry.again:
        return f"{inquiry.fate} before, and asked again"
    if carrier is not None and carrier.status == "deferred":
        return f"put off by the provider: {carrier.error}" if carrier.error else "put off by the provider"
    if carrier is not None and carrier.fate is not None:
        return f"{carrier.fate} in batch {carrier.batch_id}, and due again"
    return "asked, not sent yet"
