"""What open palettes still need, request by request, and what a request of each kind is made of.

A palette is finished when nothing that was asked about it is missing, its refinement included. Palettes of equal
colours under one prompt version are one here: what one of them needs is asked once for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.due import carried, lacking
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.refined import refinements_to_come
from grabient_assets.ledger.tags import PALETTE_TAGS
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery


@dataclass(frozen=True, slots=True)
class RequestSize:
    """One row of `request_sizes`: what a request of this purpose is made of, a mean one.

    `text_bytes` is the length of its line without a picture; the other numbers are the prompt's parameters. A
    refinement follows by itself when all providers in `follows` were asked.
    """

    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_digest: str
    text_bytes: int
    pictures: int
    max_output_tokens: int
    thinking_budget: int | None
    effort: str | None
    follows: tuple[str, ...] = ()
    delivery: Delivery = "batch"


@dataclass(frozen=True, slots=True)
class RequestPrice:
    """What one request of this kind may cost and is expected to cost, in US dollars; None: its price is not known."""

    purpose: str
    provider: str
    model: str
    prompt_version: str
    high: Decimal | None
    expected: Decimal | None


@dataclass(frozen=True, slots=True)
class Need:
    """US dollars that an unfinished palette needs out of one cap (None: asked under no cap), at most and as expected.

    `spread` is the most by which the high end of a single one of its requests lies above what is expected of it. With
    `unpriced`, some of it may be sent at an unknown price.
    """

    cap_id: str | None
    high: Decimal
    expected: Decimal
    spread: Decimal
    unpriced: bool


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A palette with something still to ask, and every `seed` of these colours that wants it.

    `begun`: something was answered or is with a provider. `arrival` orders palettes as they were loaded.
    """

    palette_key: str
    prompt_version: str
    seeds: int
    begun: bool
    arrival: int
    needs: tuple[Need, ...]

    @property
    def key(self) -> PaletteKey:
        """What tells it from others."""
        return PaletteKey(self.palette_key, self.prompt_version)


@dataclass(frozen=True, slots=True)
class PaletteKey:
    """Colours under a prompt version."""

    palette_key: str
    prompt_version: str


def wanted_targets(connection: DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """(provider, model, prompt version) of every tagging request that was ever asked for, or may be in a later wave."""
    rows = connection.execute(
        """
        SELECT DISTINCT provider, model, prompt_version FROM asks WHERE purpose = 'tagging'
        UNION SELECT provider, model, prompt_version FROM wave_members JOIN wave_plans USING (plan_id)
        ORDER BY ALL
        """
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def record_request_sizes(connection: DuckDBPyConnection, sizes: Sequence[RequestSize]) -> None:
    """Make these the rows of the table. A size that stands for the same prompt stays: it may have been measured on the
    lines that were sent (`measure_request`)."""
    connection.execute("CREATE OR REPLACE TEMP TABLE sizes_before AS FROM request_sizes")
    connection.execute("DELETE FROM request_sizes")
    insert_rows(connection, "request_sizes", sizes)
    connection.execute(
        """
        UPDATE request_sizes AS r SET text_bytes = b.text_bytes FROM sizes_before b
        WHERE b.purpose = r.purpose AND b.provider = r.provider AND b.model = r.model
          AND b.prompt_version = r.prompt_version AND b.prompt_digest = r.prompt_digest
        """
    )
    connection.execute("DROP TABLE sizes_before")


def measure_request(connection: DuckDBPyConnection, size: RequestSize) -> None:
    """Record the size that lines about to be sent have. What has to be asked before stays as it stands."""
    insert_rows(
        connection,
        "request_sizes",
        [size],
        """
        ON CONFLICT DO UPDATE SET
            prompt_digest = excluded.prompt_digest, text_bytes = excluded.text_bytes, pictures = excluded.pictures,
            max_output_tokens = excluded.max_output_tokens, thinking_budget = excluded.thinking_budget,
            effort = excluded.effort, delivery = excluded.delivery
        """,
    )


def request_sizes(connection: DuckDBPyConnection) -> list[RequestSize]:
    """All rows."""
    columns = ", ".join(RequestSize.__dataclass_fields__)
    rows = connection.execute(f"SELECT {columns} FROM request_sizes ORDER BY ALL").fetchall()
    found = (RequestSize(*row) for row in rows)
    return [replace(size, follows=tuple(size.follows)) for size in found]


def record_wave_shares(connection: DuckDBPyConnection, shares: Mapping[str, Mapping[int, float]]) -> None:
    """By prompt version and wave, the part of the palettes in it that is expected to go on to the next one."""
    for version, steps in shares.items():
        for wave, share in steps.items():
            connection.execute(
                "INSERT INTO wave_shares VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET share = excluded.share",
                [version, wave, share],
            )


# What the waves after `wave` add, for a palette in it: every further request of a model, as far as the palette is
# expected to come.
_LATER_WAVES = """
    steps AS (
        SELECT m.plan_id, p.prompt_version, m.wave, m.provider, m.model,
               m.analyses - coalesce(max(m.analyses) OVER (
                   PARTITION BY m.plan_id, m.provider, m.model ORDER BY m.wave
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS requests
        FROM wave_members m JOIN wave_plans p USING (plan_id)
        WHERE plan_id IN (SELECT plan_id FROM tagging_waves WHERE state = 'open')
    ),
    step_prices AS (
        SELECT s.plan_id, s.prompt_version, s.wave, sum(s.requests * p.high) AS high,
               sum(s.requests * p.expected) AS expected, max(p.high - p.expected) AS spread
        FROM steps s JOIN request_prices p USING (provider, model, prompt_version)
        WHERE p.purpose = 'tagging' AND s.requests > 0 GROUP BY ALL
    ),
    reached AS (
        SELECT n.plan_id, n.wave, l.wave AS later, product(coalesce(h.share, 1)) AS share
        FROM (SELECT DISTINCT plan_id, wave FROM tagging_waves WHERE state = 'open') n
        JOIN step_prices l ON l.plan_id = n.plan_id AND l.wave > n.wave
        LEFT JOIN wave_shares h ON h.prompt_version = l.prompt_version AND h.wave >= n.wave AND h.wave < l.wave
        GROUP BY ALL
    ),
    later_waves AS (
        SELECT r.plan_id, r.wave, sum(r.share * l.high)::DECIMAL(18, 10) AS high,
               sum(r.share * l.expected)::DECIMAL(18, 10) AS expected, max(l.spread) AS spread
        FROM reached r JOIN step_prices l ON l.plan_id = r.plan_id AND l.wave = r.later GROUP BY ALL
    )
"""

_OPEN_TAGGING = "SELECT * FROM asks WHERE purpose = 'tagging' AND state = 'open'"
_PRICED = f"""
    CREATE OR REPLACE TEMP TABLE priced_steps AS
    WITH {lacking(_OPEN_TAGGING, PALETTE_TAGS)}, {carried()}, {refinements_to_come()}, {_LATER_WAVES},
    wanted AS (
        SELECT l.subject AS seed, l.prompt_version, 'tagging' AS purpose, l.provider, l.model, l.cap_id,
               l.allow_unpriced, l.stem, bit_count(l.bits & ~coalesce(c.bits, 0))::INTEGER AS requests, false AS later
        FROM lacking l LEFT JOIN carried c USING (stem) WHERE l.bits & ~coalesce(c.bits, 0) <> 0
        UNION ALL
        SELECT seed, prompt_version, 'refinement', provider, model, cap_id, allow_unpriced, stem, 1, tagging_goes_on
        FROM to_refine
    )
    SELECT w.*, coalesce(p.high * w.requests, 0) AS high, coalesce(p.expected * w.requests, 0) AS expected,
           coalesce(p.high - p.expected, 0) AS spread,
           p.purpose IS NOT NULL AND p.high IS NULL AND w.allow_unpriced AS unpriced
    FROM wanted w LEFT JOIN request_prices p USING (purpose, provider, model, prompt_version)
    UNION ALL
    SELECT w.seed, w.prompt_version, 'tagging', NULL, NULL, w.cap_id, w.allow_unpriced, NULL, 0, true,
           l.high, l.expected, l.spread, false
    FROM tagging_waves w JOIN later_waves l USING (plan_id, wave) WHERE w.state = 'open'
"""

# Of one palette there is one row of a kind, so rows of a group are palettes of equal colours.
_STEPS = """
    CREATE OR REPLACE TEMP TABLE open_steps AS
    SELECT q.palette_key, p.prompt_version, p.purpose, p.provider, p.model, p.stem,
           arg_min_null(p.cap_id, p.seed) AS cap_id, max(p.requests) AS requests, p.later,
           max(p.high) AS high, max(p.expected) AS expected, max(p.spread) AS spread, bool_or(p.unpriced) AS unpriced,
           count(*) AS seeds, min(q.rowid) AS arrival
    FROM priced_steps p JOIN palettes q USING (seed) GROUP BY ALL
"""

_BEGUN = """
    SELECT q.palette_key, t.prompt_version FROM palette_tags t JOIN palettes q USING (seed)
    SEMI JOIN open_steps s ON s.palette_key = q.palette_key AND s.prompt_version = t.prompt_version
    UNION SELECT q.palette_key, b.prompt_version
    FROM batch_requests r JOIN batches b USING (batch_id) JOIN palettes q ON q.seed = r.subject
    WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted')
"""


def price_steps(connection: DuckDBPyConnection, prices: Sequence[RequestPrice]) -> dict[str | None, Decimal]:
    """Lay out what every palette needs by itself at these prices. Returns the US dollars that all of it may cost, by
    cap (None: asked under no cap); what palettes of equal colours share counts for each of them.

    What has no row in `prices` costs nothing: it is stopped when it is sent.
    """
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE request_prices (
            purpose VARCHAR, provider VARCHAR, model VARCHAR, prompt_version VARCHAR,
            high DECIMAL(18, 10), expected DECIMAL(18, 10))
        """
    )
    insert_rows(connection, "request_prices", prices)
    connection.execute(_PRICED)
    return dict(connection.execute("SELECT cap_id, sum(high) FROM priced_steps GROUP BY ALL").fetchall())


def lay_out_steps(connection: DuckDBPyConnection) -> None:
    """Lay out, after `price_steps`, the temporary table `open_steps` that the functions below read: the requests that
    can be sent now, and those that come later, each once for all palettes of equal colours."""
    connection.execute(_STEPS)


def unfinished(connection: DuckDBPyConnection) -> list[Unfinished]:
    """Every palette with something in `open_steps`, as they were loaded."""
    rows = connection.execute(
        f"""
        WITH begun AS ({_BEGUN}),
        by_cap AS (
            SELECT palette_key, prompt_version, cap_id, max(seeds) AS seeds, min(arrival) AS arrival,
                   sum(high) AS high, sum(expected) AS expected, max(spread) AS spread,
                   bool_or(unpriced) AS unpriced
            FROM open_steps GROUP BY ALL
        )
        SELECT c.palette_key, c.prompt_version, c.seeds, b.palette_key IS NOT NULL, c.arrival,
               c.cap_id, c.high, c.expected, c.spread, c.unpriced
        FROM by_cap c LEFT JOIN begun b USING (palette_key, prompt_version)
        ORDER BY c.arrival, c.prompt_version, c.palette_key, c.cap_id NULLS FIRST
        """
    ).fetchall()
    found: dict[tuple[str, str], Unfinished] = {}
    for key, version, seeds, begun, arrival, *need in rows:
        known = found.get((key, version))
        needs = (*(known.needs if known else ()), Need(*need))
        found[key, version] = Unfinished(key, version, seeds, begun, arrival, needs)
    return list(found.values())


def with_providers(connection: DuckDBPyConnection) -> list[tuple[PaletteKey, str | None]]:
    """The palettes of which something is with a provider, each under the cap it was sent under (None: no cap)."""
    rows = connection.execute(
        """
        SELECT DISTINCT q.palette_key, b.prompt_version, b.cap_id
        FROM batch_requests r JOIN batches b USING (batch_id) JOIN palettes q ON q.seed = r.subject
        WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted')
        """
    ).fetchall()
    return [(PaletteKey(row[0], row[1]), row[2]) for row in rows]


def open_stems(connection: DuckDBPyConnection, key: HoldKey) -> list[tuple[str, PaletteKey, int]]:
    """What can be sent now under this key: the stem of a custom_id, the palette that wants it, how many requests."""
    rows = connection.execute(
        """
        SELECT stem, palette_key, prompt_version, requests FROM open_steps
        WHERE NOT later AND stem IS NOT NULL AND purpose = $1 AND provider = $2 AND model = $3
          AND stem IN (SELECT stem FROM open_steps WHERE prompt_version = $4 AND cap_id IS NOT DISTINCT FROM $5)
        """,
        [key.purpose, key.provider, key.model, key.prompt_version, key.cap_id],
    ).fetchall()
    return [(row[0], PaletteKey(row[1], row[2]), row[3]) for row in rows]
