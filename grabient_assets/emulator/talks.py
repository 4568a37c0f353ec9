"""The talks behind the videos: which tracks a video has, and what is said in it at which second.

talks.toml holds sample videos. Any other id is a talk put together from the sentences of that file, the same every
time. Its beginning decides what it is (RULES); docs/emulator.md lists both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from grabient_assets.emulator.questions import Chance, share

TALKS = Path(__file__).with_name("talks.toml")
AREAS = range(1, 10)
LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French"}
WORDS_A_SECOND = 2.6
PAUSE, LONG_PAUSE = 0.4, 2.5
"""Seconds between two sentences and between two parts."""
LEAST_SECONDS, MOST_SECONDS, HOUR = 240, 480, 3_600
SPOKEN_WORDS, WRITTEN_WORDS = 8, 12
"""Words of a caption, generated and written by a person."""


@dataclass(frozen=True, slots=True)
class Track:
    """Captions of a video in one language."""

    language: str
    generated: bool


MANUAL, GENERATED = Track("en", False), Track("en", True)
RULES: dict[str, tuple[str, tuple[Track, ...]]] = {
    "man": ("ok", (MANUAL,)),
    "gen": ("ok", (GENERATED,)),
    "long": ("ok", (MANUAL, GENERATED)),
    "inj": ("ok", (MANUAL,)),
    "de_": ("ok", (Track("de", False),)),
    "es_": ("ok", (Track("es", True),)),
    "fr_": ("ok", (Track("fr", False), Track("fr", True))),
    "mute": ("ok", ()),
    "gone": ("unavailable", ()),
    "adult": ("age_restricted", ()),
    "priv": ("unplayable", ()),
}
"""By the beginning of an id: what the player says of the video, and its tracks. `long` talks take an hour, `inj` talks
hold an order to whoever reads them."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A video. `fate` is `ok`, or why it cannot be played."""

    video: str
    title: str
    channel: str
    seconds: int
    fate: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One caption: what is said from `start` on, for so many seconds."""

    start: float
    duration: float
    text: str


@lru_cache(maxsize=512)
def talk_of(video: str) -> Talk:
    """The talk with this id."""
    shared = _data()["shared"]
    sample = _data()["videos"].get(video)
    chance = Chance("talk", video, "title")
    if sample:
        tracks = tuple(Track(*track) for track in sample["tracks"])
        return Talk(video, sample["title"], sample["channel"], _length(video, tracks), "ok", tracks)
    title = chance.pick(shared["titles"]).format(**_slots(chance), about=_data()["areas"][_areas(video)[0] - 1]["name"])
    fate, tracks = next((rule for begin, rule in RULES.items() if video.startswith(begin)), ("ok", _drawn(video)))
    return Talk(video, title, chance.pick(shared["channels"]), _length(video, tracks), fate, tracks)


@lru_cache(maxsize=64)
def segments_of(video: str, track: Track, version: int = 1) -> tuple[Spoken, ...]:
    """The captions of a track; each version of a talk ends in other sentences."""
    if track.language != "en":
        return tuple(_timed([_in_other_words(video, track.language)], track.generated))
    return tuple(_timed(_parts(video, version), track.generated))


def sample_ids() -> tuple[str, ...]:
    """The ids of the sample videos."""
    return tuple(_data()["videos"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(TALKS.read_text(encoding="utf-8"))


def _drawn(video: str) -> tuple[Track, ...]:
    """Of ten talks five have both English tracks, four a generated one, and one a German one beside English."""
    draw = share("tracks", video)
    if draw < 0.5:
        return (MANUAL, GENERATED)
    return (GENERATED,) if draw < 0.9 else (MANUAL, Track("de", False))


def _areas(video: str) -> list[int]:
    """What a talk is about, the first thing first: three to five areas, all nine in a long one."""
    chance = Chance("talk", video, "areas")
    return chance.sample(AREAS, 9 if video.startswith("long") else chance.whole(3, 5))


def _length(video: str, tracks: tuple[Track, ...]) -> int:
    last = segments_of(video, tracks[0] if tracks else MANUAL)[-1]
    return round(last.start + last.duration) + 2


@lru_cache(maxsize=64)
def _parts(video: str, version: int) -> tuple[tuple[str, ...], ...]:
    """The sentences of a talk in parts, between which the speaker rests."""
    sample = _data()["videos"].get(video)
    parts = [sentences(part) for part in sample["parts"]] if sample else list(_composed(video))
    if version > 1:
        chance = Chance("talk", video, "version", str(version))
        area = _data()["areas"][chance.pick(AREAS) - 1]
        parts.append([_filled(one, chance) for one in chance.sample(area["sentences"], 6)])
    return tuple(tuple(part) for part in parts)


def sentences(text: str) -> list[str]:
    return re.split(r"(?:(?<=[.!?])|(?<=[.!?][\"\u201d]))\s+", " ".join(text.split()))


def _composed(video: str) -> Iterator[list[str]]:
    """An opening, parts about one area each until the time is over, and an end."""
    chance, shared = Chance("talk", video, "text"), _data()["shared"]
    length = HOUR if video.startswith("long") else chance.whole(LEAST_SECONDS + 30, MOST_SECONDS - 60)
    opening = [_filled(one, chance) for one in (chance.pick(shared["openings"]), *chance.sample(shared["fillers"], 2))]
    ending = [_filled(one, chance) for one in chance.sample(shared["endings"], 2)]
    if video.startswith("inj"):
        opening.append(chance.pick(shared["orders"]))
    yield opening
    left = length - _seconds(opening) - _seconds(ending)
    areas, rests = _areas(video), dict[int, list[str]]()
    turn = 0
    while left > 0:
        area = areas[turn % len(areas)]
        turn += 1
        known = _data()["areas"][area - 1]
        if not rests.get(area):
            rests[area] = chance.sample(known["sentences"], 99)
        chosen = [rests[area].pop() for _ in range(min(chance.whole(4, 7), len(rests[area])))]
        part = [chance.pick(shared["turns"]).format(about=known["name"])]
        for sentence in chosen:
            part.append(_filled(sentence, chance))
            if chance.happens(0.35):
                part.append(_filled(chance.pick(shared["fillers"]), chance))
        yield part
        left -= _seconds(part)
    yield ending


def _seconds(part: list[str]) -> float:
    return sum(len(one.split()) / WORDS_A_SECOND + PAUSE for one in part) + LONG_PAUSE


def _filled(template: str, chance: Chance) -> str:
    return template.format(**_slots(chance))


def _slots(chance: Chance) -> dict[str, str]:
    """Words for the gaps of a sentence."""
    return {name: chance.pick(words) for name, words in _data()["slots"].items()}


def _in_other_words(video: str, language: str) -> tuple[str, ...]:
    known = _data()["other_languages"][language]
    return tuple(Chance("talk", video, language).sample(known, len(known)))


def _timed(parts: tuple[tuple[str, ...], ...] | list[tuple[str, ...]], generated: bool) -> Iterator[Spoken]:
    """Captions of some words each. Generated ones have no capitals and no full stops, and overlap in time."""
    at = 0.8
    for part in parts:
        for sentence in part:
            words = sentence.split()
            if generated:
                words = [re.sub(r"[^\w'%$-]", "", word).lower() for word in words]
                words = [word for word in words if word]
            size = SPOKEN_WORDS if generated else WRITTEN_WORDS
            for place in range(0, len(words), size):
                chunk = words[place : place + size]
                took = len(chunk) / WORDS_A_SECOND
                yield Spoken(round(at, 2), round(took + (1.2 if generated else 0.0), 2), " ".join(chunk))
                at += took
            at += PAUSE
        at += LONG_PAUSE
