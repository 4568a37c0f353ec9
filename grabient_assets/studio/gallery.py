"""The gallery: palettes by meaning, by name, by their tags and by how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from grabient_assets.errors import UsageError
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.indexes.versions import index_versions
from grabient_assets.groups.search.searching import Hit, checked_query, comparison
from grabient_assets.groups.tagging.waves import CERTAIN
from grabient_assets.headless.palette_list import Filter, ListedPalette, list_palettes
from grabient_assets.headless.run_goal import answered_prompt_version
from grabient_assets.resources.modes import usable_providers
from grabient_assets.studio.pages import Ask, Page, Routes
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PER_PAGE = 60
MOST_HITS = 10 * PER_PAGE
"""So many of the nearest palettes are a search's result. What comes later has little to do with the query."""
MOST_CHOICES = 40
STATES: tuple[Filter, ...] = get_args(Filter)
_CHOICES = {"mood": "Mood", "style": "Style", "dominant_colors": "Colour"}
_NO_INDEX = (
    "There is no search index yet, so names, tags and texts are looked through for these letters. `grabient run` makes "
    "the index at its end, `grabient index sync` at once."
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Palettes for one page, in their order, how many there are in all, and hits where there was a query. `listed`: how
    they stand, where that was read already."""

    seeds: tuple[str, ...]
    total: int
    hits: dict[str, Hit]
    found_by: str
    note: str = ""
    listed: tuple[ListedPalette, ...] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What the address says."""

    q: str
    where: tuple[str, ...]
    state: Filter | None
    page: int
    version: str

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """The conditions on tags and facts. Raises UsageError for one that is none."""
        return checked_query("palette", where=self.where).where

    def address(self, **changed: Any) -> str:
        """The address of the gallery with another value in it."""
        values = {"q": self.q, "where": self.where, "state": self.state or "", "page": self.page, **changed}
        pairs = [("q", values["q"]), *(("where", one) for one in values["where"]), ("state", values["state"])]
        pairs += [("page", values["page"])] if values["page"] != 1 else []
        query = urlencode([(name, value) for name, value in pairs if value])
        return f"/palettes?{query}" if query else "/palettes"


def gallery(ask: Ask) -> dict[str, Any]:
    """A page of palettes, the choices of the filters, and the addresses of the pages beside it."""
    state = ask.text("state")
    wanted = Request(
        ask.text("q"),
        tuple(dict.fromkeys(ask.texts("where"))),
        next((one for one in STATES if one == state), None),
        ask.number("page", 1),
        answered_prompt_version(ask.text("version") or None, ask.warehouse),
    )
    if state and wanted.state is None:
        raise UsageError(f"There is no state {state!r}; it can be {', '.join(STATES)}.")
    index = _index(ask) if wanted.q else None
    if wanted.q and isinstance(index, int):
        chosen = _by_meaning(ask, wanted)
    else:
        chosen = _by_letters(ask, wanted, index if isinstance(index, str) else "")
    with ask.warehouse.read() as connection:
        found = chosen.listed
        if found is None:
            usable = usable_providers(ask.settings)
            page = list_palettes(connection, wanted.version, usable, CERTAIN, limit=PER_PAGE, among=chosen.seeds)
            found = page.palettes
        looks = _looks(connection, chosen.seeds, wanted.version)
        choices = _choices(connection, wanted.version)
    listed = {one.seed: one for one in found}
    pages = max(1, -(-chosen.total // PER_PAGE))
    return {
        "q": wanted.q,
        "where": list(wanted.where),
        "state": wanted.state or "",
        "prompt_version": wanted.version,
        "found_by": chosen.found_by,
        "note": chosen.note,
        "total": chosen.total,
        "page": wanted.page,
        "pages": pages,
        "previous": wanted.address(page=wanted.page - 1) if 1 < wanted.page <= pages else None,
        "next": wanted.address(page=wanted.page + 1) if wanted.page < pages else None,
        "filters": _set_filters(wanted),
        "choices": choices,
        "states": list(STATES),
        "palettes": [
            _shown(listed[seed], looks[seed], chosen.hits.get(seed)) for seed in chosen.seeds if seed in listed
        ],
    }


def _set_filters(wanted: Request) -> list[dict[str, str]]:
    """The filters that are set, each with the address without it."""
    found = [{"text": f"state: {wanted.state}", "without": wanted.address(state="", page=1)}] if wanted.state else []
    for one in wanted.where:
        text = one.replace("=", ": ").replace("dominant_colors", "colour").replace("_", " ")
        others = tuple(other for other in wanted.where if other != one)
        found.append({"text": text, "without": wanted.address(where=others, page=1)})
    return found


def _index(ask: Ask) -> int | str:
    """The live version of the index, or why it cannot be asked by a page."""
    with ask.warehouse.read() as connection:
        live = next((one for one in index_versions(connection, "palettes") if one.state == "live"), None)
    if live is None:
        return _NO_INDEX
    if live.embedder != LOCAL_EMBEDDER:
        return (
            f"The index was made by {live.embedder}, which takes a call for each query, and a page sends nothing. So "
            "names, tags and texts are looked through. `grabient search` asks the index."
        )
    return live.version


def _by_meaning(ask: Ask, wanted: Request) -> Chosen:
    """The nearest palettes that meet the conditions."""
    found = ask.studio.index.find(checked_query(wanted.q, MOST_HITS, where=wanted.where))
    hits = {hit.seed: hit for hit in found.hits if hit.prompt_version == wanted.version}
    seeds = tuple(hits)
    if wanted.state:
        standing = _standing(ask, wanted, seeds)
        seeds = tuple(seed for seed in seeds if seed in standing)
    start = (wanted.page - 1) * PER_PAGE
    return Chosen(seeds[start : start + PER_PAGE], len(seeds), hits, "meaning")


def _standing(ask: Ask, wanted: Request, among: Sequence[str]) -> set[str]:
    assert wanted.state is not None
    providers = usable_providers(ask.settings)
    with ask.warehouse.read() as connection:
        found = list_palettes(
            connection, wanted.version, providers, CERTAIN, [wanted.state], limit=len(among), among=among
        )
    return {one.seed for one in found.palettes}


def _by_letters(ask: Ask, wanted: Request, note: str) -> Chosen:
    """All palettes in order of arrival, or those that meet the conditions and hold the text."""
    start, providers = (wanted.page - 1) * PER_PAGE, usable_providers(ask.settings)
    how = "letters" if wanted.q else "all"
    with ask.warehouse.read() as connection:
        if not wanted.q and not wanted.state:
            seeds, total = _page_of(connection, wanted, start)
            return Chosen(seeds, total, {}, how, note)
        among = _meeting(connection, wanted) if wanted.where else None
        filters: list[Filter] = [wanted.state] if wanted.state else []
        found = list_palettes(
            connection, wanted.version, providers, CERTAIN, filters, wanted.q or None, PER_PAGE, start, among
        )
    return Chosen(tuple(one.seed for one in found.palettes), found.total, {}, how, note, found.palettes)


def _from(wanted: Request) -> tuple[str, dict[str, Any]]:
    """FROM and WHERE of the palettes that meet the conditions."""
    values: dict[str, Any] = {f"where{at}": value for at, (_, value) in enumerate(wanted.conditions)}
    tests = [comparison(name, f"$where{at}") for at, (name, _) in enumerate(wanted.conditions)]
    joined = ""
    if tests:
        joined = (
            "LEFT JOIN palette_tag_refined r ON r.seed = p.seed AND r.error IS NULL AND r.prompt_version = $version"
        )
        values["version"] = wanted.version
    return f"FROM palettes p {joined} WHERE {' AND '.join(tests) or 'true'}", values


def _page_of(connection: DuckDBPyConnection, wanted: Request, start: int) -> tuple[tuple[str, ...], int]:
    where, values = _from(wanted)
    total = connection.execute(f"SELECT count(*) {where}", values).fetchall()[0][0]
    rows = connection.execute(
        f"SELECT p.seed {where} ORDER BY p.created_at, p.place LIMIT {PER_PAGE} OFFSET $start",
        {**values, "start": start},
    ).fetchall()
    return tuple(row[0] for row in rows), total


def _meeting(connection: DuckDBPyConnection, wanted: Request) -> list[str]:
    where, values = _from(wanted)
    return [row[0] for row in connection.execute(f"SELECT p.seed {where}", values).fetchall()]


def _looks(connection: DuckDBPyConnection, seeds: Sequence[str], version: str) -> dict[str, dict[str, Any]]:
    """What a card shows besides: how the palette is drawn, and its text."""
    rows = connection.execute(
        """
        SELECT p.seed, p.style, p.angle, r.embed_text FROM palettes p
        LEFT JOIN palette_tag_refined r ON r.seed = p.seed AND r.error IS NULL AND r.prompt_version = $version
        WHERE p.seed IN (SELECT unnest($seeds::VARCHAR[]))
        """,
        {"seeds": list(seeds), "version": version},
    ).fetchall()
    return {seed: {"style": style, "angle": angle, "text": text or ""} for seed, style, angle, text in rows}


def _choices(connection: DuckDBPyConnection, version: str) -> list[dict[str, Any]]:
    """The filters: words of the closed lists, and the most frequent refined tags with how many palettes have them."""
    columns = ", ".join(f"'{name}', {name}" for name in _CHOICES)
    rows = connection.execute(
        f"""
        WITH tags AS (
            SELECT unnest(map_entries(map {{{columns.replace("', ", "': ")}}})) AS entry FROM palette_tag_refined
            WHERE error IS NULL AND prompt_version = $version
        ),
        words AS (SELECT entry.key AS name, unnest(entry.value) AS value FROM tags),
        counted AS (SELECT name, value, count(*) AS palettes FROM words GROUP BY ALL)
        SELECT * FROM counted
        QUALIFY row_number() OVER (PARTITION BY name ORDER BY palettes DESC, value) <= {MOST_CHOICES}
        ORDER BY name, value
        """,
        {"version": version},
    ).fetchall()
    closed = [
        {"name": name, "label": name.capitalize(), "values": [{"value": one, "palettes": None} for one in values]}
        for name, values in CATEGORICAL_VALUES.items()
    ]
    return [
        *(
            {
                "name": name,
                "label": label,
                "values": [{"value": value, "palettes": count} for key, value, count in rows if key == name],
            }
            for name, label in _CHOICES.items()
        ),
        *closed,
    ]


def _shown(one: ListedPalette, looks: dict[str, Any], hit: Hit | None) -> dict[str, Any]:
    return {
        "seed": one.seed,
        "name": one.name,
        "hex": list(one.hex),
        **looks,
        "tags": list(hit.why if hit else one.tags[:4]),
        "state": one.state,
        "reason": one.reason,
        "score": hit.score if hit else None,
    }


ROUTES: Routes = [Page("/palettes", "gallery.html", gallery, label="Gallery")]
