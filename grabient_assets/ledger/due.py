"""The SQL that asking, planning and sending share: which answers are wanted, missing, carried and due.

It works ask by ask, with the analyses of an ask as the bits of an integer, so that eight million requests are a million
rows. Equal subjects have one stem (identity.py), and each of its requests is sent on behalf of the first subject that
wants it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import close_asks
from grabient_assets.ledger.identity import ANALYSES, bit, custom_id, is_in, stem_of
from grabient_assets.ledger.money import HoldKey

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import AnswerTable, Purpose
    from grabient_assets.registry.model import Delivery


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request without an answer that no batch is carrying.

    `allow_unpriced`: some ask allows an unknown price.
    """

    custom_id: str
    subject: str
    prompt_version: str
    model: str
    analysis_index: int
    allow_unpriced: bool = False


@dataclass(frozen=True, slots=True)
class DueTarget:
    """The due requests of one model under one prompt version and one cap, in one delivery; `subject` is the first among
    them.

    `digest` changes when a request is added or taken away.
    """

    prompt_version: str
    model: str
    requests: int
    subject: str
    digest: str
    cap_id: str | None = None
    delivery: Delivery = "batch"

    def hold_key(self, purpose: str, provider: str) -> HoldKey:
        """The key under which these requests are held when there is no money for them."""
        return HoldKey(purpose, provider, self.model, self.prompt_version, self.cap_id)


def open_asks(purpose: Purpose, condition: str = "true") -> str:
    """Relation of the asks that sending is about; `condition` is SQL."""
    return f"SELECT * FROM asks WHERE purpose = '{purpose.name}' AND state = 'open' AND {condition}"


def lacking(asks: str, table: AnswerTable) -> str:
    """Common table expressions `asked`, `outcomes` and `lacking` for a relation of asks.

    `asked` is the relation, without asks that have no stem yet, numbered by `ask`. `outcomes` is what the subject has
    in the table, by `ask`: the bits `answered`, and the bits `failed` that no retry was asked for since. `lacking` is
    `asked` where bits are missing, with these as `bits`.
    """
    asked_of = "".join(f" AND t.{name} = a.{name}" for name in table.asked_of)
    number = bit(table.analysis_of("t"))
    return f"""
        asked AS (
            SELECT *, row_number() OVER () AS ask FROM ({asks}) WHERE stem IS NOT NULL
        ),
        outcomes AS MATERIALIZED (
            SELECT a.ask, coalesce(bit_or({number}) FILTER (t.error IS NULL), 0) AS answered,
                   coalesce(bit_or({number}) FILTER (t.error IS NOT NULL), 0) AS failed
            FROM asked a JOIN {table.name} t ON t.{table.subject} = a.subject
                AND t.{table.version} = a.prompt_version AND {stem_of("t.custom_id")} = a.stem{asked_of}
            WHERE (t.error IS NULL OR a.retry_from IS NULL OR t.created_at >= a.retry_from)
            GROUP BY a.ask
        ),
        lacking AS (
            SELECT a.*, ((1 << a.analyses) - 1) & ~coalesce(h.answered | h.failed, 0) AS bits
            FROM asked a LEFT JOIN outcomes h USING (ask)
            WHERE ((1 << a.analyses) - 1) & ~coalesce(h.answered | h.failed, 0) <> 0
        )
    """


def ready(purpose: Purpose) -> str:
    """Common table expression `ready`: the part of `lacking` that may be sent, or shared, now."""
    if purpose.kept_back is None:
        return "ready AS (SELECT * FROM lacking)"
    kept_back = purpose.kept_back("SELECT * FROM lacking")
    return f"{kept_back}, ready AS (SELECT l.* FROM lacking l ANTI JOIN kept_back USING (subject, prompt_version))"


def carried(which: str = "true") -> str:
    """Common table expression `carried`: by `stem` the bits that open batches carry; `which` is a condition on b."""
    return f"""
        carried AS (
            SELECT {stem_of("r.custom_id")} AS stem, bit_or({bit("r.analysis_index")}) AS bits
            FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') AND {which} GROUP BY 1
        )
    """


def due(missing: str) -> str:
    """Common table expression `due`: `missing` with, as `bits`, the requests to send on behalf of each subject.

    Equal requests are sent once, for the first subject that wants them, by prompt version and subject. `unpriced` holds
    the bits that some ask allows at an unknown price. Needs `carried`. Only stems shared by several subjects are
    sorted: sorting all of them takes most of the time.
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


def due_targets(connection: DuckDBPyConnection, purpose: Purpose, provider: str) -> list[DueTarget]:
    """The requests that must be sent to the provider now, counted, ordered by prompt version, model, cap and
    delivery."""
    rows = connection.execute(
        f"""
        WITH {lacking(open_asks(purpose, "provider = $1"), purpose.table)}, {ready(purpose)},
             {carried("b.provider = $1")}, {due("ready")}
        SELECT prompt_version, model, sum(bit_count(bits))::BIGINT, min(subject),
               bit_xor(md5_number_lower(stem || '-' || bits))::VARCHAR, cap_id, delivery
        FROM due GROUP BY ALL ORDER BY prompt_version, model, cap_id NULLS FIRST, delivery
        """,
        [provider],
    ).fetchall()
    return [DueTarget(*row) for row in rows]


def due_requests(
    connection: DuckDBPyConnection, purpose: Purpose, provider: str, target: DueTarget | None = None
) -> list[DueRequest]:
    """The requests that must be sent to the provider now, or those of one target: equal ones once, ordered by prompt
    version, model and subject."""
    at = "provider = $provider AND ($model IS NULL OR model = $model)"
    rows = connection.execute(
        f"""
        WITH {lacking(open_asks(purpose, at), purpose.table)},
             {ready(purpose)}, {carried("b.provider = $provider")}, {due("ready")}
        SELECT {custom_id("stem")}, subject, prompt_version, model, analysis_index, {is_in("unpriced")}
        FROM due JOIN {ANALYSES} ON {is_in("bits")}
        WHERE $version IS NULL OR (prompt_version = $version AND cap_id IS NOT DISTINCT FROM $cap
                                   AND delivery = $delivery)
        ORDER BY prompt_version, model, subject, analysis_index
        """,
        {
            "provider": provider,
            "model": target.model if target else None,
            "version": target.prompt_version if target else None,
            "cap": target.cap_id if target else None,
            "delivery": target.delivery if target else None,
        },
    ).fetchall()
    return [DueRequest(*row) for row in rows]


def share_answers(connection: DuckDBPyConnection, purpose: Purpose) -> None:
    """Give waiting subjects the answer that exists for the same request, free of charge."""
    table = purpose.table
    of_subject = {table.subject: "m.subject", **table.derived, **dict.fromkeys(table.versions, "m.prompt_version")}
    replaced = ", ".join(f"{value} AS {name}" for name, value in {**of_subject, "cost_usd": "0"}.items())
    connection.execute(
        f"""
        WITH {lacking(open_asks(purpose), table)}, {ready(purpose)},
        best AS (
            SELECT * FROM {table.name} WHERE {stem_of("custom_id")} IN (SELECT stem FROM ready)
            QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY (error IS NOT NULL), created_at DESC) = 1
        )
        INSERT INTO {table.name} BY NAME
        SELECT b.* REPLACE ({replaced})
        FROM ready m JOIN best b ON {stem_of("b.custom_id")} = m.stem AND {is_in("m.bits", table.analysis_of("b"))}
        WHERE b.error IS NULL OR m.retry_from IS NULL OR b.created_at >= m.retry_from
        {table.keep_the_better}
        """
    )


def close_finished(connection: DuckDBPyConnection, purpose: Purpose, now: datetime) -> None:
    """Close the open asks that miss nothing any more."""
    close_asks(connection, lacking(open_asks(purpose), purpose.table), finished(purpose), now)


def finished(purpose: Purpose) -> str:
    """SQL condition on `asks`, which needs `lacking`: the ask is open and misses nothing any more."""
    settled = f"AND (subject, prompt_version) NOT IN ({purpose.unsettled})" if purpose.unsettled else ""
    return f"""
        purpose = '{purpose.name}' AND state = 'open' AND stem IS NOT NULL {settled} AND NOT EXISTS (
            SELECT 1 FROM lacking u WHERE u.subject = asks.subject AND u.prompt_version = asks.prompt_version
               AND u.provider = asks.provider AND u.model = asks.model)
    """
