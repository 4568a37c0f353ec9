"""How each palette stands under a prompt version, for people who look for some of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.refinement.refined import chained_refinements
from grabient_assets.groups.tagging.tag_consensus import without_current_consensus
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.groups.tagging.withheld import Withheld, withheld_palettes
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.wording import counted, folded

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

State = Literal["refined", "tagged", "pending", "withheld", "failed", "loaded"]
Filter = Literal["failed", "pending", "withheld", "uncertain", "refined", "tagged", "loaded", "changed"]
MOST_TAGS = 6


@dataclass(frozen=True, slots=True)
class Undecided:
    """A categorical field in which no value is probable enough: the two best, with their probabilities."""

    field: str
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ListedPalette:
    """One palette. `answers` are usable ones of the taggers, `failures` stored failures to get one, the refiner's
    included. `waiting` and `stopped` count the models (the refiner too) whose answers are still to come, and those that
    could not be asked. `error`: what the refiner failed with, or why a model was stopped, or what a tagger failed with.
    """

    seed: str
    name: str | None
    hex: tuple[str, ...]
    state: State
    tags: tuple[str, ...]
    answers: int
    failures: int
    waiting: int
    stopped: int
    error: str | None
    withheld: Withheld | None
    undecided: tuple[Undecided, ...]

    @property
    def reason(self) -> str:
        """The reasons for its state, as half sentences; empty when there are none."""
        reasons: list[str] = []
        if self.state == "pending":
            reasons.append(
                f"waits for {counted(self.waiting, 'model')}" if self.waiting else "goes on with the next run"
            )
        if self.withheld and self.state != "pending":
            reasons.append(self.withheld.why)
        if self.failures:
            reasons.append(f"{counted(self.failures, 'answer')} failed")
        if self.stopped:
            reasons.append(f"{counted(self.stopped, 'model')} stopped")
        if self.error and (self.failures or self.stopped):
            reasons.append(self.error)
        reasons += [
            f"{undecided.field} undecided: {' or '.join(f'{value} ({p:.0%})' for value, p in undecided.values)}"
            for undecided in self.undecided
        ]
        return "; ".join(reasons)


_FILTERS: dict[Filter, str] = {
    "failed": "state = 'failed' OR failures > 0 OR stopped > 0",
    "pending": "state = 'pending'",
    "withheld": "kept AND state <> 'pending'",
    "uncertain": "uncertain",
    "refined": "state = 'refined'",
    "tagged": "state = 'tagged'",
    "loaded": "state = 'loaded'",
    "changed": "refined AND changed",
}


@dataclass(frozen=True, slots=True)
class PalettePage:
    """Some of the palettes that were looked for, and how many there are in all and in each state."""

    palettes: tuple[ListedPalette, ...]
    total: int
    states: dict[str, int]


_TEXTS = """
    SELECT p.seed, concat_ws(chr(10), p.name, p.source_seed, p.seed, r.embed_text, array_to_string(
        flatten([r.mood, r.style, r.dominant_colors, r.seasonal, r.associations]), chr(10)))
    FROM palettes p LEFT JOIN palette_tag_refined r
        ON r.seed = p.seed AND r.prompt_version = $1 AND r.error IS NULL
"""


def _alike(connection: DuckDBPyConnection, prompt_version: str, like: str) -> list[str]:
    """The palettes that hold the text. DuckDB's `lower` takes "STRASSE" and "Straße" for two words."""
    wanted = folded(like)
    return [seed for seed, text in connection.execute(_TEXTS, [prompt_version]).fetchall() if wanted in folded(text)]


def list_palettes(
    connection: DuckDBPyConnection,
    prompt_version: str,
    providers: Sequence[str],
    certain: float,
    filters: Sequence[Filter] = (),
    like: str | None = None,
    limit: int = 20,
    offset: int = 0,
    among: Sequence[str] | None = None,
) -> PalettePage:
    """The palettes (all, or those `among` these) that one of the filters takes (all without filters) and that have
    `like` in their name, seed, tags or text, in order of arrival. A field is undecided below the probability `certain`;
    `providers` are those that can be asked now, as for `counts`. Changed is what was refined since it was exported, or
    was never exported."""
    some = None if among is None else [SubjectVersion(prompt_version, seed) for seed in among]
    withheld = withheld_palettes(connection, some)
    kept = {w.partition.subject: w for w in withheld if w.partition.prompt_version == prompt_version}
    _stand(connection, prompt_version, providers, list(kept), certain, among)
    chosen = " OR ".join(_FILTERS[one] for one in filters) or "true"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE chosen_palettes AS
        SELECT s.*, row_number() OVER (ORDER BY created_at, place) AS number FROM palette_states s
        WHERE ({chosen}) AND ($1::VARCHAR[] IS NULL OR seed IN (SELECT unnest($1::VARCHAR[])))
        """,
        [None if like is None else _alike(connection, prompt_version, like)],
    )
    states = connection.execute("SELECT state, count(*) FROM chosen_palettes GROUP BY ALL ORDER BY ALL").fetchall()
    rows = connection.execute(
        """
        WITH page AS (SELECT * FROM chosen_palettes WHERE number > $offset AND number <= $offset + $limit),
        wrong AS (
            SELECT seed, min(error) AS error FROM palette_tags SEMI JOIN page USING (seed)
            WHERE prompt_version = $version AND error IS NOT NULL GROUP BY ALL
        ),
        halted AS (
            SELECT a.subject AS seed, min(a.reason) AS reason FROM asks a SEMI JOIN page p ON p.seed = a.subject
            WHERE prompt_version = $version AND state = 'stopped' GROUP BY ALL
        )
        SELECT s.seed, p.name, p.hex::VARCHAR[], s.state,
               CASE WHEN r.seed IS NOT NULL AND r.error IS NULL THEN flatten([r.mood, r.style, r.associations])
                    ELSE flatten([json_extract_string(c.votes, '$.mood[*].value'),
                                  json_extract_string(c.votes, '$.style[*].value')]) END,
               s.answers, s.failures, s.waiting, s.stopped, coalesce(r.error, h.reason, w.error), c.estimates
        FROM page s JOIN palettes p USING (seed)
        LEFT JOIN palette_tag_refined r ON r.seed = s.seed AND r.prompt_version = $version
        LEFT JOIN tag_consensus c ON c.seed = s.seed AND c.prompt_version = $version
        LEFT JOIN wrong w ON w.seed = s.seed LEFT JOIN halted h ON h.seed = s.seed
        ORDER BY s.number
        """,
        {"limit": limit, "offset": offset, "version": prompt_version},
    ).fetchall()
    listed: list[ListedPalette] = []
    for seed, name, hex_colors, state, tags, answers, failures, waiting, stopped, error, estimates in rows:
        listed.append(
            ListedPalette(
                seed=seed,
                name=name,
                hex=tuple(hex_colors),
                state=state,
                tags=tuple(dict.fromkeys(tags or ()))[:MOST_TAGS],
                answers=answers,
                failures=failures,
                waiting=waiting,
                stopped=stopped,
                error=error,
                withheld=kept.get(seed),
                undecided=_undecided(estimates, certain),
            )
        )
    return PalettePage(tuple(listed), sum(count for _, count in states), dict(states))


def _stand(
    connection: DuckDBPyConnection,
    prompt_version: str,
    providers: Sequence[str],
    kept: Sequence[str],
    certain: float,
    among: Sequence[str] | None,
) -> None:
    """How every palette stands, in the temporary table palette_states. `kept` are those that a check keeps back."""
    some = None if among is None else [SubjectVersion(prompt_version, seed) for seed in among]
    tagged = complete_tagging(connection, providers, some)
    to_come = [
        *(one.partition for one in without_current_consensus(connection, tagged)),
        *chained_refinements(connection, [one.partition for one in tagged if one.answers]),
    ]
    unsure = " OR ".join(
        f"coalesce(json_extract(estimates, '$.{field}[0].probability')::DOUBLE, 1) < $certain"
        for field in CATEGORICAL_VALUES
    )
    chosen = "palettes"
    if among is not None:
        chosen = "(FROM palettes WHERE seed IN (SELECT unnest($among::VARCHAR[])))"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE palette_states AS
        WITH asked AS (
            SELECT a.subject AS seed, count(*) FILTER (a.state = 'open') AS waiting,
                   count(*) FILTER (a.state = 'stopped' AND r.error IS NULL) AS stopped
            FROM asks a LEFT JOIN palette_tag_refined r ON r.prompt_version = a.prompt_version
                AND r.seed = CASE WHEN a.purpose = 'refinement' THEN a.subject END  -- as AND it is no hash join
            WHERE a.prompt_version = $version GROUP BY ALL
        ),
        tags AS (
            SELECT seed, count(*) FILTER (error IS NULL) AS answers, count(*) FILTER (error IS NOT NULL) AS failures
            FROM palette_tags WHERE prompt_version = $version GROUP BY ALL
        ),
        coming AS (
            SELECT unnest($to_come::VARCHAR[]) AS seed
            UNION SELECT seed FROM tagging_waves WHERE prompt_version = $version AND state = 'open'
        ),
        kept AS (SELECT unnest($kept::VARCHAR[]) AS seed),
        exported AS (
            SELECT seed, max(exported_at) AS at FROM exported_palettes WHERE prompt_version = $version GROUP BY ALL
        ),
        found AS (
            SELECT p.seed, p.created_at, p.place, coalesce(t.answers, 0) AS answers,
                   coalesce(t.failures, 0) + (r.error IS NOT NULL)::INTEGER AS failures,
                   coalesce(a.waiting, 0) AS waiting, coalesce(a.stopped, 0) AS stopped,
                   coalesce({unsure}, false) AS uncertain, n.seed IS NOT NULL AS coming, k.seed IS NOT NULL AS kept,
                   r.seed IS NOT NULL AND r.error IS NULL AS refined, r.error IS NOT NULL AS unrefined,
                   c.seed IS NOT NULL AS tagged, e.at IS NULL OR e.at < r.created_at AS changed
            FROM {chosen} p LEFT JOIN asked a USING (seed) LEFT JOIN tags t USING (seed) LEFT JOIN coming n USING (seed)
            LEFT JOIN kept k USING (seed) LEFT JOIN exported e USING (seed)
            LEFT JOIN tag_consensus c ON c.seed = p.seed AND c.prompt_version = $version
            LEFT JOIN palette_tag_refined r ON r.seed = p.seed AND r.prompt_version = $version
        )
        SELECT *, CASE WHEN waiting > 0 OR coming THEN 'pending' WHEN answers = 0 AND failures > 0 THEN 'failed'
                       WHEN kept THEN 'withheld' WHEN refined THEN 'refined'
                       WHEN unrefined OR stopped > 0 THEN 'failed' WHEN tagged THEN 'tagged' ELSE 'loaded' END AS state
        FROM found
        """,
        {
            "version": prompt_version,
            "to_come": [p.subject for p in to_come if p.prompt_version == prompt_version],
            "kept": list(kept),
            "certain": certain,
            **({} if among is None else {"among": list(among)}),
        },
    )


def _undecided(estimates: str | None, certain: float) -> tuple[Undecided, ...]:
    found: list[Undecided] = []
    fields = json.loads(estimates) if estimates else {}
    for field in CATEGORICAL_VALUES:
        values = [(one["value"], one["probability"]) for one in fields.get(field) or ()]
        if values and values[0][1] < certain:
            found.append(Undecided(field, tuple(values[:2])))
    return tuple(found)
