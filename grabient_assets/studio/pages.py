"""What a page of the studio is: a path, the data behind it, and a template; and what a form does.

A page is read by a plain function that gets an Ask and returns a dataclass or a dict. The same data are rendered as
HTML and as JSON (rendering.py). A form is a plain function too, which runs only for a request that access.py lets in.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.routing import BaseRoute

from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse, open_warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout

if TYPE_CHECKING:
    from grabient_assets.groups.retrieval.searching import KnowledgeSearch
    from grabient_assets.groups.search.loaded_index import LoadedIndex
    from grabient_assets.ledger.planning import PlannedModel
    from grabient_assets.studio.edits_watch import EditWatch

READING_SECONDS = 2.0
"""How long a page waits for the database. After that it shows what it showed last."""
WRITING_SECONDS = 10.0
"""How long a form waits. Whoever pressed the button would have to press it again."""
FORM_BYTES = 1_000_000
"""The most that a form may send, unless it says otherwise."""


def _now() -> datetime:
    return datetime.now(UTC)


class Studio:
    """What all pages of one process share. The token is new at each start."""

    def __init__(
        self, settings: Settings, clock: Callable[[], datetime] = _now, reading_seconds: float = READING_SECONDS
    ) -> None:
        self.settings, self.clock = settings, clock
        self.token = secrets.token_urlsafe(32)
        self.at_home = True  # nobody at another machine reaches it
        self.closing = False  # streams end then, so that nobody waits for them
        self._plan: tuple[object, PlannedModel] | None = None
        self._reading = open_warehouse(settings, LockTimeout(reading_seconds))

    def to_read(self) -> Warehouse:
        """The warehouse for a page. A missing file is replaced by an empty one elsewhere: a page creates nothing."""
        return self._reading if self._reading.exists() else self._empty

    def to_write(self) -> Warehouse:
        """The warehouse for a form."""
        return open_warehouse(self.settings, LockTimeout(WRITING_SECONDS))

    def kept_plan(self, key: object, make: Callable[[], PlannedModel]) -> PlannedModel:
        """The plan with that key, made once: the last one is kept."""
        if self._plan is None or self._plan[0] != key:
            self._plan = (key, make())
        return self._plan[1]

    @cached_property
    def _elsewhere(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="grabient-studio-")

    @cached_property
    def _empty(self) -> Warehouse:
        return Warehouse(Path(self._elsewhere.name) / self.settings.database.name, LockTimeout(READING_SECONDS))

    @cached_property
    def index(self) -> LoadedIndex:
        """The search index, kept in memory between requests."""
        from grabient_assets.groups.embedding.queries import query_embedder
        from grabient_assets.groups.search.loaded_index import LoadedIndex

        return LoadedIndex(self._reading, query_embedder(self.settings, self._reading, self.clock))

    @cached_property
    def knowledge(self) -> KnowledgeSearch:
        """Search in knowledge, here, kept in memory between requests."""
        from grabient_assets.groups.embedding.queries import query_embedder
        from grabient_assets.groups.retrieval.searching import KnowledgeSearch

        return KnowledgeSearch(self._reading, query_embedder(self.settings, self._reading, self.clock))

    @cached_property
    def edits(self) -> EditWatch:
        """How edits under way stand, read once for all tabs that follow them."""
        from grabient_assets.studio.edits_watch import EditWatch

        return EditWatch(self)


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked of a page or form: the parts of its path, its query, and for a form what was sent."""

    studio: Studio
    warehouse: Warehouse
    now: datetime
    path: Mapping[str, str] = field(default_factory=dict)
    query: QueryParams = field(default_factory=QueryParams)
    form: FormData = field(default_factory=FormData)
    program: bool = False
    """Whether a program asks, which is answered in JSON."""

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.studio.settings

    def text(self, name: str) -> str:
        """A value of the query or of the form without blanks around it; empty when it is not there."""
        value = self.form.get(name, self.query.get(name, ""))
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """All values of that name that are not empty."""
        values = [*self.form.getlist(name), *self.query.getlist(name)]
        return [value.strip() for value in values if isinstance(value, str) and value.strip()]

    def number(self, name: str, otherwise: int) -> int:
        """A whole number from 1 on; `otherwise` for anything else."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 2**31 else otherwise

    def file(self, name: str) -> UploadFile | None:
        """The file that was sent under that name; its `.file` can be read here."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None


@dataclass(frozen=True, slots=True)
class Page:
    """A page: GET `path` gives HTML, its JSON twin is `<path>.json` (`/index.json` for `/`).

    `label`: its place in the navigation; empty: it has none. `below`: the path of the page under which it is marked
    there. `live_seconds`: how often it is looked at again by itself; 0: never.
    """

    path: str
    template: str
    read: Callable[[Ask], Any]
    label: str = ""
    below: str = ""
    live_seconds: int = 0

    @property
    def twin(self) -> str:
        """The path of the same as JSON."""
        return "/index.json" if self.path == "/" else f"{self.path}.json"


@dataclass(frozen=True, slots=True)
class Form:
    """What POST `path` does. `act` returns Done or Answer. With `for_programs`, everybody but a browser is answered in
    JSON, whether or not the Accept header names it."""

    path: str
    act: Callable[[Ask], Done | Answer]
    max_bytes: int = FORM_BYTES
    for_programs: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A form did its work: the browser is sent `to` a page, which shows the `notice`. A program that wants JSON gets
    the `document` with the notice."""

    to: str
    notice: str
    document: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A form answers with a page of its own. `place` is the path of the page under which it is marked."""

    template: str
    document: Any
    status: int = 200
    place: str = ""


class MissingError(Exception):
    """There is no such thing: a page with status 404, the sentence, and the way on."""


class RefusedError(Exception):
    """A form does nothing, and says why: a page or JSON with that status, the sentence, and the `error_kind`."""

    def __init__(self, sentence: str, error_kind: str, status: int = 422) -> None:
        super().__init__(sentence)
        self.error_kind, self.status = error_kind, status


Routes = list[Page | Form | BaseRoute]
"""What a page's module lists. A plain route is for what is no page, such as a stream; it takes GET only."""
