"""Pages as HTML and as JSON, from the same data; and what a page shows while the database is not to be had."""

from __future__ import annotations

import dataclasses
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from grabient_assets.studio.pages import Page, Studio
from grabient_assets.wording import counted, one_line

TEMPLATES, STATIC = Path(__file__).parent / "templates", Path(__file__).parent / "static"
KEPT_PAGES, KEPT_NOTICES = 64, 32
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclasses.dataclass(frozen=True, slots=True)
class AsOf:
    """When the data of a page were read, and whether it is an earlier state because a program holds the database."""

    at: datetime
    age_seconds: float = 0.0
    stale: bool = False

    def document(self) -> dict[str, Any]:
        """The same for JSON, with the sentence that people read."""
        text = f"as of {self.at.astimezone(UTC):%H:%M:%S} UTC"
        if self.stale:
            text += f", {age(self.age_seconds)} ago; a run is writing"
        return {
            "at": self.at.astimezone(UTC).isoformat(),
            "age_seconds": round(self.age_seconds, 1),
            "stale": self.stale,
            "text": text,
        }


class LastSeen:
    """The last data of the pages that were looked at, by path and query."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[datetime, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, key: str, at: datetime, document: Any) -> None:
        """Remember it; the ones that were looked at longest ago are forgotten."""
        with self._lock:
            self._kept[key] = (at, document)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_PAGES:
                self._kept.popitem(last=False)

    def of(self, key: str) -> tuple[datetime, Any] | None:
        """When it was read, and the data."""
        with self._lock:
            return self._kept.get(key)


class Notices:
    """What forms did, for the page that is shown next. The address holds a number of it and no text: nobody can make a
    link that puts words into the page."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, sentence: str) -> str:
        """The number under which it is shown."""
        number = secrets.token_urlsafe(6)
        with self._lock:
            self._kept[number] = sentence
            while len(self._kept) > KEPT_NOTICES:
                self._kept.popitem(last=False)
        return number

    def of(self, number: str) -> str:
        """The sentence; empty for a number that is not known any more."""
        with self._lock:
            return self._kept.get(number, "")


class Renderer:
    """The templates, with what every page has: the navigation, the token of forms, and how old the data are."""

    def __init__(self, studio: Studio, navigation: Sequence[Page]) -> None:
        self._studio, self._navigation = studio, navigation
        self.notices = Notices()
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            count=count,
            usd=usd,
            age=age,
            percent=percent,
            day_time=day_time,
            gradient=gradient,
            line=one_line,
            prose=prose,
        )
        self._environment.globals.update(counted=counted)

    def page(self, request: Request, page: Page, document: Any, as_of: AsOf) -> Response:
        """The page as HTML."""
        twin = f"{request.url.path}.json" if page.path != "/" else page.twin
        return self.html(
            request,
            page.template,
            document,
            place=page.below or page.path,
            as_of=as_of.document(),
            twin=f"{twin}?{request.url.query}" if request.url.query else twin,
            live_seconds=page.live_seconds,
        )

    def html(
        self,
        request: Request,
        template: str,
        document: Any,
        status: int = 200,
        *,
        place: str = "",
        as_of: Mapping[str, Any] | None = None,
        twin: str = "",
        live_seconds: int = 0,
    ) -> Response:
        """A template with `page` as its data."""
        text = self._environment.get_template(template).render(
            page=document,
            navigation=self._navigation,
            place=place,
            as_of=as_of,
            twin=twin,
            live_seconds=live_seconds,
            token=self._studio.token,
            mode=self._studio.settings.mode,
            notice=self.notices.of(request.query_params.get("notice", "")),
        )
        return HTMLResponse(text, status)

    def trouble(
        self, request: Request, status: int, title: str, sentence: str, place: str = "", error_kind: str = ""
    ) -> Response:
        """A friendly page, or JSON, for what cannot be shown or done. An `error_kind` is part of the JSON."""
        if wants_json(request):
            more = {"error_kind": error_kind, "retryable": False} if error_kind else {}
            return JSONResponse({"error": sentence, **more}, status)
        return self.html(request, "trouble.html", {"title": title, "sentence": sentence}, status, place=place)


def json_page(document: Any, as_of: AsOf) -> Response:
    """The JSON twin of a page: its data, and how old they are."""
    return JSONResponse({**document, "as_of": as_of.document()})


FOR_PROGRAMS = "grabient.for_programs"
"""In the scope of a request to a form that is for programs first."""


def wants_json(request: Request) -> bool:
    """Whether a program asks: by the ending of the path, by its Accept header, or because it is no browser and the form
    is for programs."""
    accept = request.headers.get("accept", "")
    named = "application/json" in accept or FOR_PROGRAMS in request.scope
    return request.url.path.endswith(".json") or (named and "text/html" not in accept)


def plain(value: Any) -> Any:
    """The data as JSON can hold them. Dollars become text, exact in every language; moments ISO 8601 in UTC."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return value


def count(value: float) -> str:
    """`12,345`."""
    return f"{value:,}"


def usd(value: Any) -> str:
    """Dollars with two decimals, with four below a dollar; a smaller sum is never shown as nothing."""
    sum_ = Decimal(str(value))
    if sum_ == 0:
        return "0.00"
    if abs(sum_) < Decimal("0.0001"):
        return "<0.0001"
    return f"{sum_:,.2f}" if abs(sum_) >= 1 else f"{sum_:.4f}"


def age(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`, `3 days`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 2 else f"{days} days"


def percent(share: float) -> str:
    """`37 %`."""
    return f"{share:.0%}".replace("%", " %")


def day_time(moment: str | None) -> str:
    """`2026-11-30 14:02 UTC`, of a moment as JSON holds it."""
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


def prose(sentence: str) -> Markup:
    """A sentence in which `commands` stand between backticks, with these as code. The rest is escaped."""
    parts = enumerate(sentence.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in parts)


def gradient(colours: Sequence[str], style: str = "linearGradient", angle: float = 90.0) -> str:
    """The CSS picture of a palette: colours that run into each other, or one band, ring or wedge each, as its style
    has it. Only #rrggbb gets into it."""
    known = [colour.lower() for colour in colours if _HEX.fullmatch(colour)]
    if len(known) < 2:
        return known[0] if known else "transparent"
    if style.endswith("Swatches"):
        share = 100 / len(known)
        stops = [f"{one} {at * share:.2f}% {(at + 1) * share:.2f}%" for at, one in enumerate(known)]
    else:
        stops = known
    kind, listed = style.removesuffix("Swatches").removesuffix("Gradient"), ", ".join(stops)
    if kind == "radial":
        return f"radial-gradient(circle farthest-corner, {listed})"
    if kind == "angular":
        return f"conic-gradient(from {angle % 360:g}deg, {listed})"
    return f"linear-gradient({angle % 360:g}deg, {listed})"
