"""From the bytes of a source to its text, and the reasons why bytes are no text worth keeping."""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from io import BytesIO
from pathlib import PurePath

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, ValidationError

from grabient_assets.sources.problem import SourceProblem
from grabient_assets.sources.transcripts import Segment, quality_of

MOST_PAGES = 1_000
LEAST_OF_PAGE, LEAST_OF_DOCUMENT = 200, 40
"""Characters, below which a web page or another document says nothing."""
LONGEST_WORD = 1_000
MOST_UNDECODABLE = 0.05
_TYPES = {".txt": "text/plain", ".text": "text/plain", ".md": "text/markdown", ".markdown": "text/markdown"}
_TYPES |= {".html": "text/html", ".htm": "text/html", ".xhtml": "text/html", ".pdf": "application/pdf"}
_TYPES |= {".json": "application/json", ".vtt": "text/vtt", ".srt": "application/x-subrip"}
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d\d(?:[.,]\d{1,3})?)"
_CUE = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}")
_SAYS = (
    r"(not found|(does not|doesn[’']?t) exist|access (denied|forbidden)|forbidden|enable javascript|javascript is "
    r"(disabled|required|not enabled)|captcha|(verify (that )?you are|are you) (a )?(human|robot)|unusual traffic"
    r"|just a moment|attention required|checking your browser|service unavailable|bad gateway|internal server error)"
)
_FILLER = (  # each word in one way only, or a title of them takes hours
    r"(\W|\d|error|page|file|http|sorry|oops|the|this|that|your?|we|was|is|are|to|please|need|requested|site|looking"
    r"|for|could|be|can|solve|complete|a)*"
)
_ERROR_WORDS = re.compile(rf"{_FILLER}{_SAYS}", re.IGNORECASE)
_ERROR_TITLE = re.compile(rf"{_FILLER}{_SAYS}{_FILLER}|\W*(error\W+)?(40\d|50\d)\W*(error)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """A text: NFC, lines end in \\n, no other control characters.

    `segments` of a transcript have their places in `text`; of prose there are none, nor `generated`, `quality` (0 to 1)
    and `seconds` (the length of the talk).
    """

    title: str
    text: str
    segments: tuple[Segment, ...] | None = None
    language: str | None = None
    generated: bool | None = None
    quality: float | None = None
    seconds: float | None = None


class _Cue(BaseModel):
    text: str
    t: float = Field(validation_alias=AliasChoices("start", "t"), ge=0, allow_inf_nan=False)
    duration: float = Field(default=0.0, validation_alias=AliasChoices("duration", "dur"), ge=0, allow_inf_nan=False)


class _Talk(BaseModel):
    segments: list[_Cue]
    title: str | None = None
    language: str | None = None
    generated: bool = Field(default=False, validation_alias=AliasChoices("generated", "is_generated"))
    quality: float | None = Field(default=None, ge=0, le=1)


def media_type_of(name: str) -> str | None:
    """The media type that a file name or path tells, or None."""
    return _TYPES.get(PurePath(name).suffix.lower())


def read_document(body: bytes, media_type: str | None, name: str) -> Document:
    """The text of `body`. `name` is a file name or an address. Raises SourceProblem with the reason why there is none.

    Without `media_type` the name tells it; what neither tells is plain text. A PDF is known by its first bytes.
    """
    kind, _, more = (media_type or media_type_of(name) or "text/plain").lower().partition(";")
    kind, stem, least = kind.strip(), PurePath(name).stem or name, LEAST_OF_DOCUMENT
    if kind == "application/pdf" or body.startswith(b"%PDF-"):
        title, text = _pdf(body, name)
        return _checked(Document(title or stem, _cleaned(text)), least, name)
    is_page = kind in ("text/html", "application/xhtml+xml")
    charset = re.search(rb"charset\s*=\s*[\"']?([\w-]+)", more.encode() or (body[:2_000] if is_page else b""), re.I)
    text = _decoded(body, charset[1].decode() if charset else None, name)
    if is_page:
        title, text = _page(text)
        found, least = Document(title or stem, _cleaned(text)), LEAST_OF_PAGE
    elif kind == "application/json":
        try:
            talk = TypeAdapter(_Talk | list[_Cue]).validate_json(text)
        except ValidationError as error:
            raise SourceProblem("broken", f"{name} is no transcript: a list of text, start and duration.") from error
        found = _transcript(talk if isinstance(talk, _Talk) else _Talk(segments=talk), stem)
    elif kind in ("text/vtt", "application/x-subrip", "text/srt"):
        if not (cues := list(_cues(_cleaned(text)))):
            raise SourceProblem("broken", f"{name} holds no cue: a line 00:00:01.000 --> 00:00:02.000 and its text.")
        found = _transcript(_Talk(segments=cues), stem)
    else:
        text = _cleaned(text)
        heading = re.match(r"#+ +(.+)", text)
        found = Document(heading[1].strip() if heading else stem, text)
    return _checked(found, least, name)


def is_error_page(title: str, text: str, least: int = 0) -> bool:
    """Whether a page says by its title, or by the beginning of a short text, that it stands in for another one; of one
    with fewer than `least` characters, anywhere in it."""
    return (
        any(_ERROR_TITLE.fullmatch(part.strip()) for part in re.split(r"\s[|–—·-]\s", title[:300]))
        or (len(text) < 2_000 and _ERROR_WORDS.match(text[:200]) is not None)
        or (len(text) < least and re.search(_SAYS, text, re.IGNORECASE) is not None)
    )


def _checked(document: Document, least: int, name: str) -> Document:
    """The document, unless it is an error page, too short, or one word again and again."""
    title, text = document.title, document.text
    if document.segments is None and is_error_page(title, text, least):
        told = " ".join(f"{title}: {text[:60]}".split())
        raise SourceProblem("error_page", f"{name} is an error page, though it was answered as good: {told!r}.")
    counts = Counter(found[0] for found in re.finditer(r"\w+", text.casefold()))
    filled = sum(len(word) * times for word, times in counts.items() if len(word) > LONGEST_WORD)
    if filled * 2 > len(text) or (counts.total() >= 20 and max(counts.values()) > 0.9 * counts.total()):
        raise SourceProblem("one_word", f"{name} is one word, very long or again and again. It says nothing.")
    if len(text) < least or not counts:
        raise SourceProblem("too_little_text", f"{name} has {len(text)} characters of text; {least} are needed.")
    return document


def _decoded(body: bytes, charset: str | None, name: str) -> str:
    """Raises SourceProblem (binary) for NUL, and for too much that is no character or steers a terminal."""
    text, odd = "", 0
    named = next((codec for bom, codec in _BOMS.items() if body.startswith(bom)), charset)
    for codec in (named or "utf-8", "utf-8", None):
        try:
            text = body.decode(codec) if codec else body.decode("cp1252", "replace")
            odd = 0 if codec else body.decode("utf-8", "replace").count("\ufffd")
            break
        except (UnicodeError, LookupError):
            continue
    odd += len(re.findall(r"[\x01-\x08\x0e-\x1a\x7f]", text))
    if "\0" in text or odd > len(body) * MOST_UNDECODABLE:
        raise SourceProblem("binary", f"{name} is a binary file, no text. Save its text as UTF-8.")
    return text


def _cleaned(text: str) -> str:
    # NFC takes time with the square of a run of accents; no language has a hundred on a letter.
    text = re.sub(r"([^\x00-\x7f\w]{100})[^\x00-\x7f\w]+", r"\1", text)
    text = re.sub(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]", "\n", text).replace("\t", " ")
    text = unicodedata.normalize("NFC", re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\ud800-\udfff]", "", text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _transcript(talk: _Talk, stem: str) -> Document:
    segments: list[Segment] = []
    for cue in sorted(talk.segments, key=lambda one: one.t):
        if text := " ".join(_cleaned(cue.text).split()):
            start = segments[-1].char_end + 1 if segments else 0
            segments.append(Segment(cue.t, cue.duration, text, start, start + len(text)))
    text, seconds = " ".join(one.text for one in segments), max((one.t + one.duration for one in segments), default=0.0)
    quality = quality_of(talk.language, talk.generated) if talk.quality is None else talk.quality
    return Document(talk.title or stem, text, tuple(segments), talk.language, talk.generated, quality, seconds)


def _cues(text: str) -> Iterator[_Cue]:
    """The cues of VTT or SRT. YouTube's VTT (it has <c>) repeats the line before in each cue; that is left out."""
    rolling, before = "<c>" in text, ""
    for block in re.split(r"\n\n(?=(?:[^\n]*\n)?[^\n]*-->|NOTE|STYLE|REGION)", text):
        if cue := _CUE.search(block):
            start, end = (_seconds(cue.groups(default="0")[at : at + 3]) for at in (0, 3))
            lines = [unescape(re.sub(r"<[^<>]*>", "", line)).strip() for line in block[cue.end() :].split("\n")[1:]]
            kept = [line for line in lines if line and not (rolling and line == before)]
            before = kept[-1] if kept else before
            yield _Cue.model_construct(t=start, duration=max(end - start, 0.0), text=" ".join(kept))


def _seconds(time: Iterable[str]) -> float:
    hours, minutes, seconds = (float(part.replace(",", ".")) for part in time)
    return round(hours * 3600 + minutes * 60 + seconds, 3)


def _page(text: str) -> tuple[str, str]:
    """Title and text of a page. Nothing is fetched for it."""
    import trafilatura

    tree = trafilatura.load_html(text.encode("utf-8", "replace"))
    if tree is None:
        return "", ""
    title, whole = " ".join((tree.findtext(".//title") or "").split()), str(tree.xpath("string(//body)"))
    return title, trafilatura.extract(tree, include_comments=False) or " ".join(whole.split())[: LEAST_OF_PAGE - 1]


def _pdf(body: bytes, name: str) -> tuple[str, str]:
    import pypdf
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    wrong = (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, AssertionError, OSError, RuntimeError)
    try:
        reader = pypdf.PdfReader(BytesIO(body))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        if (pages := len(reader.pages)) > MOST_PAGES:
            raise SourceProblem("too_many_pages", f"{name} has {pages:,} pages; {MOST_PAGES:,} may be read. Split it.")
        text = "\n\n".join(page.extract_text() for page in reader.pages)
        title = str((reader.metadata.title if reader.metadata else None) or "").strip()
    except (FileNotDecryptedError, DependencyError) as error:
        raise SourceProblem("encrypted", f"{name} is encrypted. Save it without a password.") from error
    except (PyPdfError, zlib.error, struct.error, *wrong) as error:
        raise SourceProblem("broken", f"{name} is a damaged PDF: {error}. Save it again.") from error
    if len(text.strip()) < LEAST_OF_DOCUMENT:
        raise SourceProblem("no_text", f"{name} is a PDF without text, a scan perhaps. Let a program read its letters.")
    return title, text
