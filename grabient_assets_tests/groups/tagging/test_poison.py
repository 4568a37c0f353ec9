"""Texts made to break a reader: each must be answered for, quickly."""

from __future__ import annotations

import time

import pytest

from grabient_assets.groups.tagging.answers import Answer, Unusable, read_answer
from grabient_assets.prompting.extraction import MAX_CHARS

# The slowest takes about 0.6 s on the 2-core machine this was written on; the limit leaves room for a busy one.
SECONDS = 6.0


def filled(piece: str, size: int = MAX_CHARS - 1) -> str:
    return (piece * (size // len(piece) + 1))[:size]


POISON = {
    "10 MB of prose": "x" * 10_000_000,
    "10 MB tag": '{"mood": ["' + "x" * 10_000_000 + '"]}',
    "open lists": "[" * 100_000,
    "open objects": '{"a":' * 100_000,
    "deep list as mood": '{"mood":' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep closed list": "[" * 100_000 + "]" * 100_000,
    "braces": filled("{"),
    "braces and blanks": filled("{     "),
    "open keys": filled('{"'),
    "open thoughts": filled("<think>"),
    "closed thoughts": filled("</think>"),
    "broken answers": filled('{"mood": ["a",'),
    "unquoted answers": filled("{mood: "),
    "escapes": filled('{"mood":"\\'),
    "many small answers": filled('{"mood":["a"]}'),
    "many broken neighbours": filled('{"mood":["a"] "b" '),
    "stray quotes": "{'mood':['" + filled("a' ", 32_000),
    "comments": '{"mood":["a"],' + filled("/* ", 32_000),
    "NUL": "\0" * 900_000,
    "100,000 keys": "{" + ",".join(f'"k{number}":1' for number in range(60_000)) + "}",
    "100,000 tags": '{"mood":[' + ",".join(f'"t{number}"' for number in range(90_000)) + "]}",
    "huge number": '{"mood":' + "9" * 900_000 + "}",
    "joined emoji": '{"mood":["' + "\U0001f30a\u200d" * 200_000 + '"]}',
}


@pytest.mark.parametrize("name", list(POISON))
def test_poison_is_answered_for_in_bounded_time(name: str) -> None:
    began = time.perf_counter()
    answer = read_answer(POISON[name], "r-1")
    assert time.perf_counter() - began < SECONDS
    assert isinstance(answer, (Answer, Unusable))
    assert len(str(answer).encode("utf-8")) < 20_000


def test_ten_megabytes_are_refused_unread() -> None:
    assert read_answer(POISON["10 MB of prose"], None) == Unusable(
        "The answer has 10000000 characters, more than 1000000.", "invalid"
    )


def test_a_deep_list_beside_a_good_answer_does_no_harm() -> None:
    answer = read_answer("[" * 50_000 + '\n{"mood": ["calm"], "temperature": "cool"}', None)
    assert isinstance(answer, Answer)
    assert (answer.mood, answer.temperature) == (("calm",), "cool")
