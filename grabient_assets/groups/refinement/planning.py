"""What refinement would send: counted in SQL, nothing is written; its size is taken from others.

A refinement is known by the consensus that it reads. The consensus of a palette is known when it stands and no answer
is missing; and when the palette was never asked about under this version, but everything it would be asked was answered
for a palette of equal colours, whose consensus rests on exactly these answers. Refinements of any other consensus are
expected, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.tables import COLOUR_BYTES
from grabient_assets.groups.refinement.purpose import (
    REFINEMENT,
    picture_bytes_in_line,
    refinement_bytes,
    refinement_prompt,
    refiner,
)
from grabient_assets.groups.refinement.refined import PALETTE_TAG_REFINED
from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.estimates import Measured, MeasuredKey
from grabient_assets.ledger.identity import custom_id, stem, stem_of
from grabient_assets.ledger.plan import TargetPlan, count_asks
from grabient_assets.ledger.planning import Lines, PlannedModel, sending, why_not_sent
from grabient_assets.ledger.request_sizes import SIZED
from grabient_assets.registry.load import load_registry

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the consensus of a palette is foreseen from: what each model would be asked, and how often.

    `majority`: whether votes alone rank the values. Error rates differ between prompt versions, so under another method
    equal answers do not make an equal consensus.
    """

    targets: Sequence[AskTarget]
    analyses: int
    majority: bool


@dataclass(frozen=True, slots=True)
class RefinementCounts:
    """What becomes of the refinements of chosen palettes, one each; and the means, in bytes: of the colours in a
    request, and of the pictures that are drawn (None: none is)."""

    plan: TargetPlan
    colour_bytes: float
    picture_bytes: float | None


# The consensus of each palette, as far as it is known, and the custom_id of the refinement that reads it.
_KNOWN = f"""
    CREATE TEMP TABLE known_refinements AS
    WITH target AS (
        SELECT unnest($providers::VARCHAR[]) AS provider, unnest($models::VARCHAR[]) AS model,
               unnest($digests::VARCHAR[]) AS request_digest
    ),
    named AS (SELECT n.seed, n.tagged, p.palette_key FROM named_palettes n JOIN palettes p USING (seed)),
    never_asked AS (
        SELECT seed, palette_key FROM named n WHERE NOT tagged AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.subject = n.seed AND a.prompt_version = $version)
    ),
    candidates AS (
        SELECT q.palette_key, c.seed, c.prompt_version, c.digest, c.answers
        FROM tag_consensus c JOIN palettes q USING (seed)
        SEMI JOIN (SELECT DISTINCT palette_key FROM never_asked) USING (palette_key)
        WHERE $majority AND c.method = 'majority'
    ),
    votes AS (
        SELECT c.*, t.error IS NULL AS usable, t.analysis_index < $analyses
               AND coalesce({stem_of("t.custom_id")} = {stem("c.palette_key", "g.request_digest")}, false) AS asked
        FROM candidates c JOIN palette_tags t USING (seed, prompt_version) LEFT JOIN target g USING (provider, model)
    ),
    same_votes AS (
        SELECT palette_key, digest FROM votes GROUP BY palette_key, seed, prompt_version, digest, answers
        HAVING count(*) FILTER (asked) = len($models::VARCHAR[]) * $analyses AND count(*) FILTER (usable) = answers
           AND count(*) FILTER (usable AND NOT asked) = 0
    ),
    standing AS (
        SELECT n.seed, n.palette_key, c.digest FROM named n JOIN tag_consensus c USING (seed)
        WHERE n.tagged AND c.prompt_version = $version
        UNION ALL
        SELECT n.seed, palette_key, min(s.digest) FROM never_asked n JOIN same_votes s USING (palette_key)
        GROUP BY n.seed, palette_key HAVING min(s.digest) = max(s.digest)
    )
    SELECT *, {custom_id(stem("palette_key", "$request_digest", "digest"), "0")} AS custom_id FROM standing
"""

# The asks of the known ones, as ledger/plan.py counts them. The answers tell what was asked before: they stay.
_ASKS = f"""
    SELECT k.seed AS subject, $version AS prompt_version, $model AS model, $provider AS provider,
           {stem_of("k.custom_id")} AS stem, 1 AS analyses, a.retry_from,
           coalesce(a.allow_unpriced, false) AS allow_unpriced, NULL::VARCHAR AS cap_id,
           true AS chosen, false AS idle, a.state, a.reason,
           coalesce(r.consensus_digest <> k.digest, false) AS rebased, a.state IS NOT DISTINCT FROM 'open' AS was_asked,
           r.seed IS NOT NULL OR coalesce(a.request_digest <> $request_digest, false) AS reworded, 1 AS analyses_before
    FROM known_refinements k
    LEFT JOIN palette_tag_refined r ON r.seed = k.seed AND r.prompt_version = $version
    LEFT JOIN asks a ON a.purpose = 'refinement' AND a.subject = k.seed AND a.prompt_version = $version
"""
_ASKED_BEFORE = """
    CREATE TEMP TABLE asked_before AS SELECT DISTINCT seed AS subject, prompt_version
    FROM palette_tag_refined SEMI JOIN known_refinements USING (seed)
"""

# Of the others: with the same answers, equal colours are one request.
_UNTAGGED = """
    WITH carried_now AS (
        SELECT DISTINCT r.subject AS seed FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.purpose = 'refinement' AND r.fate IS NULL AND b.status IN ('intended', 'submitted')
    )
    SELECT count(*) FILTER (c.seed IS NOT NULL), count(*) FILTER (c.seed IS NULL),
           count(DISTINCT p.palette_key) FILTER (c.seed IS NULL)
    FROM named_palettes n JOIN palettes p USING (seed) ANTI JOIN known_refinements k ON k.seed = n.seed
    LEFT JOIN carried_now c ON c.seed = n.seed
"""

_REFINED = """
    SELECT count(*) FILTER (error IS NULL), count(*) FILTER (error IS NOT NULL)
    FROM palette_tag_refined SEMI JOIN refined_already USING (seed) WHERE prompt_version = $1
"""

_SIZES = f"""
    SELECT coalesce((SELECT avg({COLOUR_BYTES}) FROM (
               FROM palettes SEMI JOIN named_palettes USING (seed) ORDER BY seed LIMIT {SIZED})), 0),
           (SELECT avg(bytes) FROM palette_images SEMI JOIN named_palettes USING (seed))
"""


def plan_refinement(
    connection: DuckDBPyConnection,
    prompt_version: str,
    target: AskTarget,
    tagged: Sequence[str],
    untagged: Sequence[str],
    refined: Sequence[str],
    foreseen: Foreseen | None,
) -> RefinementCounts:
    """The counts if these palettes were refined by this target.

    `tagged` are those whose consensus stands and lacks no answer, `untagged` the others; `refined` were chosen too and
    lack nothing: what they have is counted. Without `foreseen`, nothing is known of the untagged ones.
    """
    _name(connection, "named_palettes", [*tagged, *untagged], [True] * len(tagged) + [False] * len(untagged))
    _name(connection, "refined_already", refined, [True] * len(refined))
    targets = foreseen.targets if foreseen else ()
    connection.execute(
        _KNOWN,
        {
            "version": prompt_version,
            "request_digest": target.request_digest,
            "providers": [one.provider for one in targets],
            "models": [one.model for one in targets],
            "digests": [one.request_digest for one in targets],
            "analyses": foreseen.analyses if foreseen else 0,
            "majority": foreseen is not None and foreseen.majority and bool(targets),
        },
    )
    connection.execute(_ASKED_BEFORE)
    at = {"version": prompt_version, "request_digest": target.request_digest}
    known = count_asks(connection, PALETTE_TAG_REFINED, target, _ASKS, {**at, "provider": target.provider})
    (flying, unknown, expected), (cached, failed), sizes = (
        connection.execute(_UNTAGGED).fetchall()[0],
        connection.execute(_REFINED, [prompt_version]).fetchall()[0],
        connection.execute(_SIZES).fetchall()[0],
    )
    connection.execute(
        "DROP TABLE known_refinements; DROP TABLE named_palettes; DROP TABLE refined_already; DROP TABLE asked_before"
    )
    counts = TargetPlan(
        cached=cached + known.cached,
        failed=failed + known.failed,
        in_flight=flying + known.in_flight,
        equal=known.equal + unknown - expected,
        missing={**known.missing, "basis_to_come": expected},
    )
    return RefinementCounts(counts, *sizes)


def _name(connection: DuckDBPyConnection, table: str, seeds: Sequence[str], tagged: Sequence[bool]) -> None:
    """As a frame, because 100,000 strings take DuckDB twenty times as long when they come as a parameter."""
    import pandas

    columns = {"seed": pandas.Series(seeds, dtype="object"), "tagged": pandas.Series(tagged, dtype="bool")}
    connection.register("new_named", pandas.DataFrame(columns))
    connection.execute(
        f"CREATE TEMP TABLE {table} AS SELECT seed::VARCHAR AS seed, tagged::BOOLEAN AS tagged FROM new_named"
    )
    connection.unregister("new_named")


def plan_refinements(
    connection: DuckDBPyConnection,
    prompt_version: str,
    tagged: Sequence[str],
    answers_from: str,
    on: date,
    measured: Mapping[MeasuredKey, Measured],
    *,
    by_url: bool,
    untagged: Sequence[str] = (),
    refined: Sequence[str] = (),
    foreseen: Foreseen | None = None,
) -> PlannedModel:
    """The plan for palettes that are tagged, and for `untagged` ones once they are; `refined` were chosen too and lack
    nothing.

    `foreseen`: what the consensus of untagged ones may be known from. `measured`: tokens of past answers, as
    `measured_tokens` finds them. `by_url`: pictures go as addresses.
    """
    import numpy

    model, registry = refiner(), load_registry()
    prompt = refinement_prompt(prompt_version)
    target = REFINEMENT.target(prompt_version, model, answers_from)
    found = plan_refinement(connection, prompt_version, target, tagged, untagged, refined, foreseen)
    picture = 0 if by_url else picture_bytes_in_line(found.picture_bytes)
    size = refinement_bytes(connection, prompt, model) + round(found.colour_bytes) + picture
    requests = numpy.array([sum(found.plan.missing.values())])
    whole = sending(
        model,
        Lines(requests, numpy.array([size]), pictures=1, picture_bytes=picture),
        prompt.parameters,
        measured.get((model.provider, model.id, prompt.digest)),
        registry.limits[model.provider],
        on,
    )
    return PlannedModel(model, found.plan, whole, why_not_sent(registry, model, whole, on))
