"""Palettes that are kept from refinement, and why: the one rule that asking, sending, planning and waiting share.

It is judged palette by palette, from the requests about that palette and their results. Asked means asked of this
palette: a model that was stopped before its first answer does not count, nor one that was not wanted here. So a small
panel, a single provider or a first wave is measured by its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, CLOSED_LISTS
from grabient_assets.ledger.asks import SubjectVersion, chosen, named
from grabient_assets.thresholds import ANSWERING_MODELS, MODELS_OUTSIDE
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Withheld:
    """A palette that is not refined: of `asked` models, `answering` gave a usable answer; `words` are the values that
    most models named in a field, such as `contrast=enormous`, and that its list lacks."""

    partition: SubjectVersion
    asked: int
    answering: int
    words: tuple[str, ...] = ()

    @property
    def too_few(self) -> bool:
        """Whether too few of the asked models gave a usable answer."""
        return self.answering < ANSWERING_MODELS.limit * self.asked

    @property
    def why(self) -> str:
        """The reasons, as half sentences."""
        models = f"{self.answering} of the {self.asked} models that were asked gave a usable answer"
        least = f"{models}; {ANSWERING_MODELS.limit:.0%} is the least"
        words = f"most models named what no list has: {', '.join(self.words)}"
        return "; ".join([*([least] if self.too_few else []), *([words] if self.words else [])])


def _in_field(field: str, listed: str) -> str:
    words = f"[word FOR word IN outside IF starts_with(word, '{field}=')]"
    return f"{{'field': '{field}', 'listed': {listed}, 'words': {words}}}"


_IN_FIELDS = ", ".join(
    [
        *(_in_field(field, f"{field} IS NOT NULL") for field in CATEGORICAL_VALUES),
        *(_in_field(field, f"coalesce(len({field}), 0) > 0") for field in CLOSED_LISTS),
    ]
)


def withheld(candidates: str) -> str:
    """Common table expression `withheld` (seed, prompt_version, asked, answering, words): those of the relation
    `candidates` (seed, prompt_version) that are not to be refined. Their tagging is taken for complete."""
    return f"""
        candidates AS MATERIALIZED (SELECT DISTINCT seed, prompt_version FROM ({candidates})),
        spoken AS (
            SELECT seed, prompt_version, provider, model, bool_or(error IS NULL) AS usable
            FROM palette_tags SEMI JOIN candidates USING (seed, prompt_version) GROUP BY ALL
        ),
        panels AS (
            SELECT a.seed, a.prompt_version, count(*) AS asked,
                   count(*) FILTER (coalesce(s.usable, false)) AS answering
            FROM (SELECT *, subject AS seed FROM asks) a SEMI JOIN candidates USING (seed, prompt_version)
            LEFT JOIN spoken s USING (seed, prompt_version, provider, model)
            WHERE a.purpose = 'tagging' AND (a.state <> 'stopped' OR s.usable IS NOT NULL) GROUP BY ALL
        ),
        suspected AS (
            SELECT DISTINCT seed, prompt_version FROM palette_tags SEMI JOIN candidates USING (seed, prompt_version)
            WHERE error IS NULL AND len(outside) > 0
        ),
        field_answers AS (
            SELECT seed, prompt_version, provider, model, unnest([{_IN_FIELDS}], recursive := true)
            FROM palette_tags SEMI JOIN suspected USING (seed, prompt_version) WHERE error IS NULL
        ),
        field_models AS (
            SELECT seed, prompt_version, field, provider, model, flatten(list(words)) AS words,
                   count(*) FILTER (NOT listed AND len(words) > 0) > count(*) FILTER (listed) AS is_outside
            FROM field_answers GROUP BY seed, prompt_version, field, provider, model
        ),
        odd_fields AS (
            SELECT seed, prompt_version, unnest(flatten(list(words) FILTER (is_outside))) AS word
            FROM field_models GROUP BY seed, prompt_version, field
            HAVING count(*) FILTER (is_outside) > {MODELS_OUTSIDE.limit} * count(*)
        ),
        odd AS (
            SELECT seed, prompt_version, list(DISTINCT word ORDER BY word) AS words FROM odd_fields GROUP BY ALL
        ),
        withheld AS (
            SELECT c.seed, c.prompt_version, coalesce(p.asked, 0) AS asked, coalesce(p.answering, 0) AS answering,
                   coalesce(o.words, []) AS words
            FROM candidates c LEFT JOIN panels p USING (seed, prompt_version)
            LEFT JOIN odd o USING (seed, prompt_version)
            WHERE p.answering < {ANSWERING_MODELS.limit} * p.asked OR o.words IS NOT NULL
        )
    """


@dataclass(frozen=True, slots=True)
class Panels:
    """Who spoke about the palettes whose tagging is complete.

    How many these are, the lowest share of the asked models that gave a usable answer (1 without a palette), and those
    that are not to be refined. `models`: by "provider model", of the palettes with too few, how many it was asked about
    and about how many of them it gave no usable answer.
    """

    palettes: int
    lowest: float
    failing: tuple[Withheld, ...]
    models: Mapping[str, tuple[int, int]]


_COMPLETE = (
    "SELECT subject AS seed, prompt_version FROM asks WHERE purpose = 'tagging' GROUP BY ALL"
    " HAVING bool_and(state <> 'open')"
)


def panels(connection: DuckDBPyConnection) -> Panels:
    """The panels of all palettes whose tagging is complete, refined or not."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE spoken_panels AS WITH {withheld(_COMPLETE)}
        SELECT p.prompt_version, p.seed, p.asked, p.answering, coalesce(w.words, []) AS words,
               w.asked IS NOT NULL AS fails
        FROM panels p LEFT JOIN withheld w USING (seed, prompt_version)
        """
    )
    row = connection.execute("SELECT count(*), coalesce(min(answering / asked), 1) FROM spoken_panels").fetchone()
    assert row is not None
    found = connection.execute(
        "SELECT prompt_version, seed, asked, answering, words FROM spoken_panels WHERE fails ORDER BY 1, 2"
    ).fetchall()
    models = connection.execute(
        f"""
        SELECT provider || ' ' || model, count(DISTINCT (seed, prompt_version)),
               count(DISTINCT (seed, prompt_version)) FILTER (NOT usable) FROM (
            SELECT a.provider, a.model, a.seed, a.prompt_version,
                   coalesce(bool_or(t.error IS NULL) FILTER (t.seed IS NOT NULL), false) AS usable
            FROM (SELECT *, subject AS seed FROM asks) a JOIN spoken_panels s USING (seed, prompt_version)
            LEFT JOIN palette_tags t USING (seed, prompt_version, provider, model)
            WHERE a.purpose = 'tagging' AND s.answering < {ANSWERING_MODELS.limit} * s.asked
              AND (a.state <> 'stopped' OR t.seed IS NOT NULL) GROUP BY ALL)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    connection.execute("DROP TABLE spoken_panels")
    failing = tuple(Withheld(SubjectVersion(one[0], one[1]), one[2], one[3], tuple(one[4])) for one in found)
    return Panels(row[0], row[1], failing, {name: (asked, silent) for name, asked, silent in models})


# Of a palette whose tagging is not at its end nothing is said yet; one that is refined as it stands, or is to be
# refined despite its checks, is kept from nothing.
_UNREFINED = """
    SELECT a.seed, a.prompt_version FROM (SELECT *, subject AS seed FROM asks) a
    LEFT JOIN tag_consensus c USING (seed, prompt_version)
    LEFT JOIN palette_tag_refined r USING (seed, prompt_version)
    LEFT JOIN asks w ON w.purpose = 'refinement' AND w.state = 'open' AND w.subject = a.seed
        AND w.prompt_version = a.prompt_version
    WHERE a.purpose = 'tagging' AND (c.digest IS NULL OR r.consensus_digest IS DISTINCT FROM c.digest)
      AND NOT coalesce(w.despite_checks, false)
    GROUP BY ALL HAVING bool_and(a.state <> 'open')
"""


def withheld_palettes(connection: DuckDBPyConnection, among: Sequence[SubjectVersion] | None = None) -> list[Withheld]:
    """Palettes, all or some, whose tagging is complete and whose refinement a check keeps back, by version and seed."""
    some = (
        f"SELECT * FROM ({_UNREFINED}) "
        "WHERE $everything OR (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)"
    )
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}, {withheld(some)}
        SELECT prompt_version, seed, asked, answering, words FROM withheld ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            **named(among or ()),
        },
    ).fetchall()
    return [Withheld(SubjectVersion(row[0], row[1]), row[2], row[3], tuple(row[4])) for row in rows]


NAMED_AT_MOST = 5
_AGAIN = "`grabient retry --run` asks the failed ones again, and refinement follows"
_ANYWAY = "to have it as it is, materialize refinement_batches with despite_checks"
_REPARSE = (
    "write down in gradient/vocabulary.py what the words mean, and `grabient reparse` reads the archived answers again"
)


def explained(one: Withheld) -> str:
    """Why this palette is kept from refinement, and what can be done."""
    ways = [
        *([_AGAIN] if one.too_few else []),
        *([_REPARSE] if one.words else []),
        *([_ANYWAY] if one.answering else []),
    ]
    return f"Kept from refinement: {one.why}. Way out: {'; '.join(ways)}."


def sentences(found: Sequence[Withheld]) -> tuple[str, ...]:
    """One sentence per reason, with its palettes and the way out; none when nothing is kept back."""
    silent = [one for one in found if one.too_few and not one.answering]
    few = [one for one in found if one.too_few and one.answering]
    odd = [one for one in found if one.words]
    written = [
        _sentence(silent, "no model gave a usable answer", lambda one: f"0 of {one.asked}", _AGAIN),
        _sentence(
            few,
            f"fewer than {ANSWERING_MODELS.limit:.0%} of the models that were asked gave a usable answer",
            lambda one: f"{one.answering} of {one.asked}",
            f"{_AGAIN}; {_ANYWAY}",
        ),
        _sentence(
            odd,
            "most models named in a field what its list lacks",
            lambda one: ", ".join(one.words),
            f"{_REPARSE}; {_ANYWAY}",
        ),
    ]
    return tuple(sentence for sentence in written if sentence)


def _sentence(found: Sequence[Withheld], reason: str, figure: Callable[[Withheld], str], way_out: str) -> str:
    if not found:
        return ""
    named = [f"{one.partition.prompt_version}|{one.partition.subject}: {figure(one)}" for one in found[:NAMED_AT_MOST]]
    more = [f"and {len(found) - NAMED_AT_MOST} more"] if len(found) > NAMED_AT_MOST else []
    return (
        f"{counted(len(found), 'palette')} kept from refinement because {reason} ({'; '.join([*named, *more])}). "
        f"Way out: {way_out}."
    )
