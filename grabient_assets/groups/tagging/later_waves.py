"""How many palettes are expected in later waves, of whom these are asked, and what they will need.

The numbers are measured by benchmarks/adaptive.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.wave_audit import AUDITED
from grabient_assets.groups.tagging.waves import WaveCount, wave_counts
from grabient_assets.ledger.request_sizes import WantedTarget

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASSUMED_TO_GO_ON = 0.75
"""The part of the palettes that is expected to go on to the next wave until there are figures. On the emulator 78 %
went on after wave one, chosen by price, and 29 % of these after wave two; a plan that is too dear does less harm than
one that is too cheap."""

EXPECTED_TO_GO_ON = ASSUMED_TO_GO_ON + (1 - ASSUMED_TO_GO_ON) * AUDITED
"""The same of the wave after the first, with the audited ones. What happened before contains them already."""

FEWEST_JUDGED = 20
"""The least number of judged palettes from which the measured share replaces the assumption."""


def went_on(counts: Sequence[WaveCount], wave: int) -> float | None:
    """The part of the palettes judged after this wave that went on to the next; None while too few were judged."""
    went = sum(one.palettes for one in counts if one.wave > wave)
    stayed = sum(one.palettes for one in counts if one.wave == wave and one.reason in ("certain", "held"))
    return went / (went + stayed) if went + stayed >= FEWEST_JUDGED else None


def step_shares(counts: Sequence[WaveCount]) -> dict[int, float]:
    """By wave the part of the palettes judged after it that is expected to go on to the next one."""
    found: dict[int, float] = {}
    for wave in range(1, max((one.waves for one in counts), default=1)):
        measured = went_on(counts, wave)
        assumed = EXPECTED_TO_GO_ON if wave == 1 else ASSUMED_TO_GO_ON
        found[wave] = assumed if measured is None else measured
    return found


# What the waves after `wave` add, for a palette in it: every further request of a model, as far as the palette is
# expected to come.
LATER_WAVES = """
    WITH steps AS (
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
    SELECT w.seed AS subject, w.prompt_version, NULL::VARCHAR AS provider, NULL::VARCHAR AS model, w.cap_id,
           w.allow_unpriced, 0 AS requests, l.high, l.expected, l.spread
    FROM tagging_waves w JOIN later_waves l USING (plan_id, wave) WHERE w.state = 'open'
"""


def wanted_taggers(connection: DuckDBPyConnection) -> list[WantedTarget]:
    """Everybody who was ever asked for tags, or may be in a later wave."""
    rows = connection.execute(
        """
        SELECT DISTINCT provider, model, prompt_version FROM asks WHERE purpose = 'tagging'
        UNION SELECT provider, model, prompt_version FROM wave_members JOIN wave_plans USING (plan_id)
        ORDER BY ALL
        """
    ).fetchall()
    return [WantedTarget(*row) for row in rows]


def taggers_to_come(connection: DuckDBPyConnection, _: Sequence[str]) -> list[WantedTarget]:
    """The same, after recording what LATER_WAVES reads: the part of the palettes that goes from wave to wave."""
    found = wanted_taggers(connection)
    for version in {target.prompt_version for target in found}:
        _record_wave_shares(connection, version, step_shares(wave_counts(connection, version)))
    return found


def _record_wave_shares(connection: DuckDBPyConnection, version: str, shares: Mapping[int, float]) -> None:
    for wave, share in shares.items():
        connection.execute(
            "INSERT INTO wave_shares VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET share = excluded.share",
            [version, wave, share],
        )
