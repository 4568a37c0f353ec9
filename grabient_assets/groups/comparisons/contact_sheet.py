"""A contact sheet: the pictures of several rows and columns in one PNG, each with its caption.

A cell without a picture is a frame with the reason in it. The font is the one that pillow brings along. It has the
letters of ASCII and few others: an accent it lacks is left out, an arrow is "->", anything else is "?".
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from grabient_assets.errors import ImageError
from grabient_assets.imaging.picture import MOST_PIXELS, pixels

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

CELL_WIDTH = 320
MARGIN, GAP, PADDING = 24, 16, 12
HEAD_SIZE, CAPTION_SIZE, TITLE_SIZE = 20, 16, 26
HEAD_LINES, CAPTION_LINES = 3, 2
PAPER, INK, HOLE, FRAME = "#ffffff", "#1b1b1f", "#f4f1f1", "#b23b3b"
TALLEST = 2.0
"""A taller picture is made to fit a cell of so many times the width."""

_UNDRAWN = "\uffff"
"""No character. What is drawn for it is drawn for every character that a font lacks."""
_SPELT = {"→": "->", "←": "<-", "×": "x", "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture (the bytes of a PNG, JPEG or WebP) and what stands under it; without one, the `reason` why."""

    caption: str
    content: bytes | None = None
    reason: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Cell | None]],
    column_heads: Sequence[str],
    row_heads: Sequence[str] = (),
    title: str = "",
    above: Cell | None = None,
    cell_width: int = CELL_WIDTH,
) -> bytes:
    """The PNG. `column_heads` stand on top, `row_heads` left; None leaves a place empty, and rows may be short.

    `above` is a picture over the grid, what the others have in common. A picture that cannot be decoded is a hole with
    that reason. Raises ImageError when the sheet would be larger than a picture may be.
    """
    columns = max([len(column_heads), *map(len, rows)])
    fonts = _Fonts.load()
    blocks = [[_block(cell, cell_width, fonts) for cell in row] for row in rows]
    top = [_head(text, cell_width, fonts) for text in column_heads]
    left_width = cell_width // 2 if any(row_heads) else 0
    left = [_head(text, left_width, fonts) for text in row_heads] if left_width else []
    grid_left = MARGIN + (left_width + GAP if left_width else 0)
    width = grid_left + columns * (cell_width + GAP) - (GAP if columns else 0) + MARGIN
    over = [wrapped(title, fonts.title, width - 2 * MARGIN, HEAD_LINES)] if title else []
    banner = _block(above, cell_width, fonts) if above else None

    heights = [
        max([block.height for block in row if block] + [left[place].height if place < len(left) else 0])
        for place, row in enumerate(blocks)
    ]
    title_height = sum(len(lines) * _line_height(fonts.title) + GAP for lines in over)
    banner_height = banner.height + GAP if banner else 0
    head_height = max((head.height for head in top), default=0) + GAP
    height = MARGIN + title_height + banner_height + head_height + sum(one + GAP for one in heights) + MARGIN
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"The contact sheet would have {width:,} x {height:,} pixels, more than {MOST_PIXELS:,} in all. "
            "Take fewer rows, or narrower cells."
        )

    sheet, draw = _paper(width, height)
    y = MARGIN
    for lines in over:
        y = _write(draw, lines, fonts.title, MARGIN, y) + GAP
    if banner:
        banner.paste(sheet, draw, MARGIN, y)
        y += banner_height
    for place, head in enumerate(top):
        head.paste(sheet, draw, grid_left + place * (cell_width + GAP), y)
    y += head_height
    for number, row in enumerate(blocks):
        if number < len(left):
            left[number].paste(sheet, draw, MARGIN, y)
        for place, block in enumerate(row):
            if block:
                block.paste(sheet, draw, grid_left + place * (cell_width + GAP), y)
        y += heights[number] + GAP
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class _Fonts:
    title: ImageFont.FreeTypeFont
    head: ImageFont.FreeTypeFont
    caption: ImageFont.FreeTypeFont

    @classmethod
    def load(cls) -> _Fonts:
        from PIL import ImageFont

        found = [ImageFont.load_default(size) for size in (TITLE_SIZE, HEAD_SIZE, CAPTION_SIZE)]
        fonts = [font for font in found if isinstance(font, ImageFont.FreeTypeFont)]
        if len(fonts) < len(found):
            raise ImageError("This pillow draws no text: it was built without FreeType. Install one from a wheel.")
        return cls(*fonts)


@dataclass(frozen=True, slots=True)
class _Block:
    """A thumbnail or a hole with lines under it, or lines alone."""

    image: Image.Image | None
    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont

    @property
    def height(self) -> int:
        picture = self.image.height + PADDING // 2 if self.image else 0
        return picture + len(self.lines) * _line_height(self.font)

    def paste(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
        if self.image:
            sheet.paste(self.image, (x, y))
            y += self.image.height + PADDING // 2
        _write(draw, self.lines, self.font, x, y)


def _block(cell: Cell | None, width: int, fonts: _Fonts) -> _Block | None:
    if cell is None:
        return None
    image = None
    reason = cell.reason or "There is no picture."
    if cell.content is not None:
        try:
            image = _thumbnail(cell.content, width)
        except ImageError as error:
            reason = str(error)
    lines = wrapped(cell.caption, fonts.caption, width, CAPTION_LINES)
    return _Block(image or _hole(reason, width, fonts.caption), lines, fonts.caption)


def _head(text: str, width: int, fonts: _Fonts) -> _Block:
    return _Block(None, wrapped(text, fonts.head, width, HEAD_LINES), fonts.head)


def _thumbnail(content: bytes, width: int) -> Image.Image:
    """The picture, as wide as the cell unless it is very tall. Smaller ones are enlarged, so that columns align."""
    from PIL import Image

    image = Image.fromarray(pixels(content))
    scale = min(width / image.width, TALLEST * width / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _hole(reason: str, width: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    """A square frame with as much of the reason as it holds."""
    from PIL import Image, ImageDraw

    hole = Image.new("RGB", (width, width), HOLE)
    draw = ImageDraw.Draw(hole)
    draw.rectangle((0, 0, width - 1, width - 1), outline=FRAME, width=2)
    most = (width - 2 * PADDING) // _line_height(font)
    _write(draw, wrapped(reason, font, width - 2 * PADDING, most), font, PADDING, PADDING, FRAME)
    return hole


def _paper(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _write(
    draw: ImageDraw.ImageDraw, lines: Iterable[str], font: ImageFont.FreeTypeFont, x: int, y: int, colour: str = INK
) -> int:
    """Draw lines and return where the next would stand."""
    for line in lines:
        draw.text((x, y), line, fill=colour, font=font)
        y += _line_height(font)
    return y


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, most: int) -> tuple[str, ...]:
    """The text in lines, parted between words; a longer word after a dash or stroke, or else at any place. "..." ends
    it when it has more than `most` lines."""
    lines: list[str] = []
    line = ""
    for word in drawable(text, font).split():
        if line and font.getlength(f"{line} {word}") > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while len(line) > 1 and len(lines) <= most and font.getlength(line) > width:
            fits = bisect_right(range(1, len(line)), width, key=lambda end, cut=line: font.getlength(cut[:end]))
            fits = max(line.rfind("-", 0, fits), line.rfind("/", 0, fits)) + 1 or max(1, fits)
            lines.append(line[:fits])
            line = line[fits:]
        if len(lines) > most:
            break
    lines += [line] if line else []
    if len(lines) <= most:
        return tuple(lines)
    last = lines[most - 1]
    while last and font.getlength(f"{last}...") > width:
        last = last[:-1]
    return (*lines[: most - 1], f"{last.rstrip()}...")


def drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text in characters that the font has."""
    undrawn = _shape(_UNDRAWN, font)
    return "".join(_spelt(one, font, undrawn) for one in text)


def _spelt(one: str, font: ImageFont.FreeTypeFont, undrawn: tuple[bytes, tuple[int, int]]) -> str:
    if one.isspace():
        return " "
    if " " < one <= "~" or (one.isprintable() and _shape(one, font) != undrawn):
        return one
    if one in _SPELT:
        return _SPELT[one]
    base = unicodedata.normalize("NFKD", one)[:1]
    return base if " " < base <= "~" else "?"


def _shape(one: str, font: ImageFont.FreeTypeFont) -> tuple[bytes, tuple[int, int]]:
    mask = cast(Any, font.getmask(one))  # its type does not say that it is a buffer
    return bytes(mask), mask.size


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent + 2
