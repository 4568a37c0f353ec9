"""What is wanted of the taggers, what of it is missing, and what is on its way: the SQL that asking, planning and
sending share.

It works ask by ask, with the analyses of an ask as the bits of an integer, so that eight million requests are a million
rows. Equal colours under two seeds have one stem (identity.py), and each of its requests is sent on behalf of the first
palette that wants it.
"""

from __future__ import annotations

from grabient_assets.ledger.identity import bit, stem_of

OPEN_ASKS = "SELECT * FROM asks WHERE purpose = 'tagging' AND state = 'open'"
"""The asks that sending is about. Whoever uses it may add `AND ...`."""


def lacking(asks: str) -> str:
    """Common table expressions `asked`, `heard` and `lacking` for a relation of asks.

    `asked` is the relation, as far as its stems are known, with `ask` (a number); `heard` is what the palette itself
    has an answer to, or with no retry since a failure: `answered` and `failed`, bits by `ask`. `lacking` is `asked`
    where that leaves something, with it as `bits`.
    """
    return f"""
        asked AS (
            SELECT *, row_number() OVER () AS ask FROM ({asks}) WHERE stem IS NOT NULL
        ),
        heard AS MATERIALIZED (
            SELECT a.ask, coalesce(bit_or({bit("t.analysis_index")}) FILTER (t.error IS NULL), 0) AS answered,
                   coalesce(bit_or({bit("t.analysis_index")}) FILTER (t.error IS NOT NULL), 0) AS failed
            FROM asked a JOIN palette_tags t
              ON t.seed = a.subject AND t.prompt_version = a.prompt_version AND {stem_of("t.custom_id")} = a.stem
            WHERE (t.error IS NULL OR a.retry_from IS NULL OR t.created_at >= a.retry_from)
            GROUP BY a.ask
        ),
        lacking AS (
            SELECT a.*, ((1 << a.analyses) - 1) & ~coalesce(h.answered | h.failed, 0) AS bits
            FROM asked a LEFT JOIN heard h USING (ask)
            WHERE ((1 << a.analyses) - 1) & ~coalesce(h.answered | h.failed, 0) <> 0
        )
    """


def carried(which: str = "true") -> str:
    """Common table expression `carried`: by `stem` the bits of what open batches carry; `which` is a condition on b."""
    return f"""
        carried AS (
            SELECT {stem_of("r.custom_id")} AS stem, bit_or({bit("r.analysis_index")}) AS bits
            FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') AND {which} GROUP BY 1
        )
    """


def due(missing: str = "lacking") -> str:
    """Common table expression `due`: `missing` with, as `bits`, what is to be sent on behalf of each palette.

    Equal requests go out once, for the first palette by prompt version and seed that wants them. `unpriced` holds the
    bits that somebody allowed to be sent at an unknown price. Needs `carried`. Only colours that several palettes have
    are sorted: sorting all of them takes most of the time.
    """
    return f"""
        open_bits AS MATERIALIZED (
            SELECT m.* EXCLUDE (bits), m.bits & ~coalesce(c.bits, 0) AS wished
            FROM {missing} m LEFT JOIN carried c USING (stem) WHERE m.bits & ~coalesce(c.bits, 0) <> 0
        ),
        several AS MATERIALIZED (SELECT stem FROM open_bits GROUP BY stem HAVING count(*) > 1),
        due AS (
            SELECT * EXCLUDE (wished), wished AS bits, CASE WHEN allow_unpriced THEN wished ELSE 0 END AS unpriced
            FROM open_bits ANTI JOIN several USING (stem)
            UNION ALL
            SELECT * EXCLUDE (wished), wished & ~coalesce(bit_or(wished) OVER earlier, 0) AS bits,
                   bit_or(CASE WHEN allow_unpriced THEN wished ELSE 0 END) OVER (PARTITION BY stem) AS unpriced
            FROM open_bits SEMI JOIN several USING (stem)
            WINDOW earlier AS (
                PARTITION BY stem ORDER BY prompt_version, subject ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            QUALIFY wished & ~coalesce(bit_or(wished) OVER earlier, 0) <> 0
        )
    """
