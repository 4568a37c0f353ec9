"""Texts in PNG files: they come back, nothing else changes, and a small file cannot unpack to a large text."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from grabient_assets.errors import ImageError
from grabient_assets.imaging.picture import pixels, read_picture
from grabient_assets.imaging.text_chunks import (
    MAX_TEXT_BYTES,
    png_chunks,
    text_chunks,
    with_text_chunks,
)
from grabient_assets_tests.imaging.painted import behind_the_header, chunk, noise, plain, png, saved

RUN, PROMPT_DIGEST, MODEL, CUSTOM_ID = (f"grabient:{name}" for name in ("run", "prompt_digest", "model", "custom_id"))
PLAIN = plain((10, 20, 30))
quick = settings(max_examples=80, deadline=None, derandomize=True)
keywords = st.text(st.sampled_from("abz:_-é¡"), min_size=1, max_size=12)
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
texts = st.dictionaries(keywords, values, max_size=5)


@quick
@given(texts)
def test_texts_come_back(given_texts: dict[str, str]):
    content = with_text_chunks(PLAIN, given_texts)
    assert text_chunks(content) == given_texts
    assert read_picture(content).width == 32


@quick
@given(texts, texts)
def test_adding_again_changes_nothing_and_other_texts_stay(first: dict[str, str], second: dict[str, str]):
    content = with_text_chunks(with_text_chunks(PLAIN, first), second)
    assert text_chunks(content) == first | second
    assert with_text_chunks(content, second) == content
    assert with_text_chunks(content, dict(reversed(second.items()))) == content


@quick
@given(texts)
def test_no_other_byte_changes(given_texts: dict[str, str]):
    content = with_text_chunks(PLAIN + b"behind the end", given_texts)
    header = PLAIN[: len(PLAIN) - len(PLAIN[33:])]
    assert content.startswith(header)
    assert content.endswith(PLAIN[33:] + b"behind the end")
    assert [one.kind for one in png_chunks(content)][1 : 1 + len(given_texts)] == [b"iTXt"] * len(given_texts)


@quick
@given(st.binary(max_size=60), st.sampled_from([b"tEXt", b"zTXt", b"iTXt"]))
def test_no_content_of_a_text_breaks_reading(body: bytes, kind: bytes):
    content = behind_the_header(PLAIN, chunk(kind, body))
    found = text_chunks(content)
    assert len(found) <= 1
    assert text_chunks(with_text_chunks(content, {RUN: "here"}))[RUN] == "here"


def test_pillow_reads_what_is_written_and_the_other_way_round():
    given_texts = {RUN: "rg_01-größe-01", MODEL: "gpt-image 画", PROMPT_DIGEST: "0f", CUSTOM_ID: ""}
    content = with_text_chunks(png(noise()), given_texts)
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert getattr(image, "text") == given_texts  # noqa: B009 - pillow's type does not say that a PNG has it
    info = PngImagePlugin.PngInfo()
    info.add_text("plain", "Latin: é")
    info.add_text("packed", "a" * 5000, zip=True)
    info.add_itxt("wide", "画", "zh", "宽", zip=True)
    info.add_itxt("open", "画", "zh", "宽")
    assert text_chunks(saved(Image.new("RGB", (16, 16)), pnginfo=info)) == {"plain": "Latin: é", "open": "画"}


def test_texts_of_every_kind_are_replaced():
    old = [
        chunk(b"tEXt", RUN.encode() + b"\0old"),
        chunk(b"zTXt", RUN.encode() + b"\0\0" + zlib.compress(b"old")),
        chunk(b"iTXt", RUN.encode() + b"\0\0\0\0\0old"),
        chunk(b"tEXt", b"Comment\0stays"),
    ]
    content = with_text_chunks(behind_the_header(PLAIN, *old), {RUN: "new"})
    assert content == behind_the_header(PLAIN, chunk(b"iTXt", RUN.encode() + b"\0\0\0\0\0new"), old[3])
    assert text_chunks(content) == {RUN: "new", "Comment": "stays"}


def test_texts_behind_the_pixels_are_read():
    end = chunk(b"IEND", b"")
    content = PLAIN[: -len(end)] + chunk(b"tEXt", RUN.encode() + b"\0late") + end
    assert text_chunks(content) == {RUN: "late"}
    assert text_chunks(with_text_chunks(content, {RUN: "new"})) == {RUN: "new"}


def test_no_text_is_unpacked():
    bomb = zlib.compress(bytes(60_000_000), 9)
    packed = chunk(b"zTXt", b"bomb\0\0" + bomb), chunk(b"iTXt", b"wide\0\1\0\0\0" + bomb)
    content = with_text_chunks(behind_the_header(PLAIN, *packed), {RUN: "here"})
    tracemalloc.start()
    found = text_chunks(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == {RUN: "here"}
    assert most < 10_000_000


def test_the_first_text_of_a_keyword_counts():
    content = behind_the_header(PLAIN, chunk(b"tEXt", b"Title\0first"), chunk(b"iTXt", b"Title\0\0\0\0\0second"))
    assert text_chunks(content) == {"Title": "first"}


def test_pixels_stay():
    content = png(noise())
    assert (pixels(with_text_chunks(content, {RUN: "x" * 1000})) == noise()).all()


@pytest.mark.parametrize("keyword", ["", " a", "a ", "a  b", "a\0b", "画", "a" * 80, "a\nb"])
def test_keywords_that_the_format_does_not_take_are_refused(keyword: str):
    with pytest.raises(ImageError, match="cannot be the keyword of a text in a PNG"):
        with_text_chunks(PLAIN, {keyword: "x"})


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a" * (MAX_TEXT_BYTES + 1)])
def test_texts_that_the_format_does_not_take_are_refused(text: str):
    with pytest.raises(ImageError, match="cannot stand in a PNG"):
        with_text_chunks(PLAIN, {RUN: text})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (saved(Image.new("RGB", (16, 16)), "JPEG"), "is no PNG"),
        (PLAIN[:-1], "cut off"),
        (PLAIN[:20], "cut off"),
        (PLAIN[:-20], "cut off"),
        (PLAIN[:8] + PLAIN[33:], "header"),
        (PLAIN[:40] + b"\xff" + PLAIN[41:], "CRC|cut off"),
    ],
)
def test_what_is_no_whole_png_is_refused(content: bytes, sentence: str):
    with pytest.raises(ImageError, match=sentence):
        with_text_chunks(content, {RUN: "x"})
    with pytest.raises(ImageError, match=sentence):
        text_chunks(content)
