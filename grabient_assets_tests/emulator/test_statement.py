"""What the emulated artists say and ask for: the same every time, within its limits, and each in its own way."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from grabient_assets.emulator.answering import answer
from grabient_assets.emulator.answers.personality import personality_of
from grabient_assets.emulator.answers.statement import IMAGE_PROMPT, LEXICON, STATEMENT, families
from grabient_assets.emulator.painting.words import colour_names, read_prompt
from grabient_assets.emulator.questions import Question
from grabient_assets.gradient.vocabulary import COLOUR_NAMES
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchProvider, RequestSpec
from grabient_assets_tests.emulator.running import MINI, OSS, PALETTE, Running, asked, batched, direct
from grabient_assets_tests.providers.faces import FACES, KEY, Face

HAIKU, SONNET, LUNA, FLASH = "claude-haiku-5-5", "claude-sonnet-5-5", "gpt-6-luna", "gemini-3.5-flash-lite"
BIG_OSS, QWEN, LLAMA = "openai/gpt-oss-120b", "qwen/qwen3.8-27b", "llama-3.3-70b-versatile"
PANEL = (HAIKU, SONNET, LUNA, FLASH, BIG_OSS)
SYSTEM = 'You are an artist. Answer with one JSON object {"ref", "statement", "image_prompt"}.'
HEADINGS = f"You are an artist. Write {STATEMENT} and what it is about, then {IMAGE_PROMPT} and the prompt."
TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"ref": TEXT, "statement": TEXT, "image_prompt": TEXT},
    "required": ["ref", "statement", "image_prompt"],
    "additionalProperties": False,
}
NAMES = ["crimson", "purple", "blue", "navy"]
EMBED_TEXT = "Crimson melts into navy. Think of a neon arcade, ripe cherries and velvet curtains at midnight."
FIRST_PERSON = re.compile(r"\b(I|I'm|my|My|me)\b")


def question(model: str, ref: str = "r", iteration: int = 1, system: str = SYSTEM, **more: Any) -> Question:
    muse = more.pop("muse", {})
    text = json.dumps({"ref": ref, "iteration": iteration, **muse}, separators=(",", ":"))
    return Question(model=model, custom_id=f"id-{ref}", system=system, text=text, **more)


def said(model: str, ref: str = "r", iteration: int = 1, **more: Any) -> dict[str, str]:
    return json.loads(answer(question(model, ref, iteration, **more), "complete").text)


MUSE = {"hex": list(PALETTE), "color_names": NAMES, "embed_text": EMBED_TEXT}


# the same every time, about what was asked --------------------------------------------------------------------------


def test_statements_do_not_change_between_processes_and_machines() -> None:
    # Changes when words, habits or the drawing change: on purpose only.
    text = "".join(answer(question(model)).text for model in (*PANEL, QWEN, LLAMA, "nobody-listed-1"))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "5d1533be91d5ebfb"


def test_model_prompt_ref_iteration_and_muse_all_matter() -> None:
    variants: list[dict[str, Any]] = [{}, {"system": SYSTEM + "!"}, {"ref": "s"}, {"iteration": 2}, {"muse": MUSE}]
    variants += [{"muse": {**MUSE, "embed_text": "Fog over a quiet harbour."}}]
    texts = [json.dumps(said(LUNA, **variant) | {"ref": ""}) for variant in variants]
    assert len({*texts, json.dumps(said(HAIKU) | {"ref": ""})}) == len(variants) + 1
    assert said(LUNA) == said(LUNA) and said(LUNA, "a")["ref"] == "a"


@pytest.mark.parametrize("model", [*PANEL, QWEN, LLAMA, "nobody-listed-1"])
@pytest.mark.parametrize("muse", [{}, MUSE], ids=["free", "muse"])
def test_statements_keep_to_their_length_and_person(model: str, muse: dict[str, Any]) -> None:
    for run in range(60):
        given = said(model, f"r{run}", muse=muse)
        assert list(given) == ["ref", "statement", "image_prompt"]
        statement, prompt = given["statement"], given["image_prompt"]
        assert 60 <= len(statement.split()) <= 140 and 30 <= len(prompt.split()) <= 90
        assert FIRST_PERSON.search(statement) and not FIRST_PERSON.search(prompt)
        assert "{" not in statement + prompt and "  " not in statement + prompt
        assert read_prompt(prompt).colours and read_prompt(prompt).motifs, prompt
        if muse:
            for text in (statement, prompt):
                assert all(name in text for name in NAMES)
                assert sum(word in text for word in ("arcade", "cherries", "velvet", "curtains", "midnight")) >= 4


def test_requests_are_told_apart() -> None:
    plain = question(MINI, system="Answer in JSON.", schema=SCHEMA, strict=True, json_only=True)
    assert set(json.loads(answer(plain, "complete").text)) == {"ref", "statement", "image_prompt"}
    assert "statement" in json.loads(answer(question(MINI, system=HEADINGS), "complete").text)
    in_words = Question(model=MINI, custom_id="x", text="Give a statement and an image_prompt, please.")
    assert json.loads(answer(in_words, "complete").text)["ref"] == "x"
    moods: dict[str, Any] = {"properties": {"mood": TEXT}}
    for system, schema in ((SYSTEM, moods), ("Write a statement.", None)):
        tagging = Question(model=MINI, custom_id="x", system=system, text=asked("r"), schema=schema)
        assert "mood" in answer(tagging, "complete").text and "image_prompt" not in answer(tagging, "complete").text


# each in its own way ------------------------------------------------------------------------------------------------


def test_the_brush_knows_what_the_artists_ask_for() -> None:
    lexicon = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    assert set(families()) == {personality_of(model).family for model in (*PANEL, QWEN, LLAMA)}
    assert set(COLOUR_NAMES) <= set(colour_names())
    for family in families():
        assert set(lexicon[family]["colours"]) <= set(colour_names()), family
        assert [one for one in lexicon[family]["subjects"] if not read_prompt(one).motifs] == []


def test_artists_differ_in_words_lengths_and_colours() -> None:
    runs = {model: [said(model, f"r{run}") for run in range(40)] for model in (*PANEL, QWEN, LLAMA)}
    words = {model: _frequencies(given[:20]) for model, given in runs.items()}
    hits = sum(
        max(words, key=lambda other, one=one: _likeness(one, words[other])) == model
        for model, given in runs.items()
        for one in given[20:]
        if model not in (HAIKU, SONNET)
    )
    assert hits == 5 * 20, "whose words they are, by the words of other runs"
    means = {model: sum(len(one["statement"].split()) for one in given) / 40 for model, given in runs.items()}
    assert means[BIG_OSS] + 10 < means[LUNA] < means[FLASH] - 8 and means[FLASH] + 8 < means[HAIKU]
    colours = {model: set(read_prompt(" ".join(one["image_prompt"] for one in runs[model])).colours) for model in runs}
    assert len(colours[LUNA] & colours[BIG_OSS]) <= 2 and not colours[HAIKU] & colours[LUNA]


def test_models_of_one_family_have_likings_of_their_own() -> None:
    counts = []
    for model in (HAIKU, SONNET):
        wishes = [" ".join(said(model, f"r{run}")["image_prompt"].split()[:9]) for run in range(150)]
        counts.append(Counter(wishes))
    apart = sum(abs(counts[0][one] - counts[1][one]) for one in {*counts[0], *counts[1]}) / 300
    assert apart > 0.3


def _frequencies(given: list[dict[str, str]]) -> Counter[str]:
    return Counter(word for one in given for word in one["statement"].lower().split())


def _likeness(one: dict[str, str], words: Counter[str]) -> float:
    return sum(words[word] > 0 for word in set(one["statement"].lower().split()))


def test_some_answer_in_parts_or_in_a_fence_where_they_may() -> None:
    free = {model: [answer(question(model, f"r{run}")).text for run in range(120)] for model in (HAIKU, BIG_OSS, FLASH)}
    shares = {model: sum(text.startswith(STATEMENT) for text in texts) for model, texts in free.items()}
    assert shares[HAIKU] < 12 < 25 < shares[BIG_OSS] < 65
    assert sum(text.startswith("```json\n{") for text in free[FLASH]) > 40
    for run in range(60):
        text = answer(question(BIG_OSS, f"r{run}", schema=SCHEMA, strict=True, json_only=True), "complete").text
        assert set(json.loads(text)) == {"ref", "statement", "image_prompt"}


# faults, over the wire ----------------------------------------------------------------------------------------------


@pytest.fixture(params=FACES, ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Face:
    return request.param


@pytest.fixture
def provider(face: Face, emulator: Running) -> Iterator[BatchProvider]:
    opened = connect(face.name, KEY, emulator.bases[face.name])
    yield opened
    opened.close()


def spec(key: str, schema: bool = False) -> RequestSpec:
    text = json.dumps({"ref": key, "iteration": 1}, separators=(",", ":"))
    return RequestSpec(key, SYSTEM, text, 2000, schema=SCHEMA if schema else None)


def lacks_prompt(text: str) -> bool:
    return not json.loads(text).get("image_prompt")


def is_long(text: str) -> bool:
    return len(json.loads(text)["statement"].split()) == 400 and bool(json.loads(text)["image_prompt"])


def in_parts(text: str) -> bool:
    return re.fullmatch(rf"{STATEMENT}\n\S.+\n\n{IMAGE_PROMPT}\n\S.+", text, re.DOTALL) is not None


def is_fenced(text: str) -> bool:
    return set(json.loads(text.removeprefix("```json\n").removesuffix("\n```"))) == set(SCHEMA["properties"])


SPOILT = {
    "no_image_prompt": lacks_prompt,
    "long_statement": is_long,
    "delimiters": in_parts,
    "fenced": lambda text: text.startswith("```json\n") and is_fenced(text),
}


@pytest.mark.parametrize("schema", [False, True], ids=["free", "schema"])
def test_faults_of_statements(provider: BatchProvider, face: Face, emulator: Running, schema: bool) -> None:
    for do, shows in SPOILT.items():
        rule = {"match": {"route": "answer", "model": face.model_id, "times": 1}, "action": {"do": do}}
        emulator.faults(rule)
        first, again = (direct(provider, face.model, spec(do, schema)) for _ in range(2))
        assert first.fate == "answered" and shows(first.text or ""), (do, first.text)
        assert set(json.loads(again.text or "")) == set(SCHEMA["properties"]), "asked again, it is a good answer"
    emulator.faults(*({"action": {"do": do, "custom_ids": [f"b-{do}"]}} for do in SPOILT))
    found = batched(provider, face.model, spec("b-1", schema), *(spec(f"b-{do}", schema) for do in SPOILT))
    assert all(
        found[f"b-{do}"].fate == "answered" and shows(found[f"b-{do}"].text or "") for do, shows in SPOILT.items()
    )


ENDS = {"refuse_input": "refused", "refuse_output": "refused", "empty": "errored", "truncate": "truncated"}


def test_artists_can_fail_in_every_other_way(provider: BatchProvider, face: Face, emulator: Running) -> None:
    for do, fate in ENDS.items():
        emulator.faults({"match": {"model": face.model_id}, "action": {"do": do}})
        # Groq has no place for a refusal: it is an answer that says no. A model that thinks says that it was cut.
        wanted = {"refused": "answered", "errored": "truncated"}.get(fate, fate) if face.name == "groq" else fate
        assert direct(provider, face.model, spec(do)).fate == wanted, do
    emulator.faults({"action": {"do": "garbage"}})
    text = direct(provider, face.model, spec("g")).text or ""
    assert text and STATEMENT not in text and "{" not in text
    emulator.faults({"action": {"do": "errored", "status": 500}})
    assert batched(provider, face.model, spec("e"))["e"].fate == "errored"
    emulator.faults({"action": {"do": "no_image_prompt"}, "match": {"model": "another"}})
    assert json.loads(direct(provider, face.model, spec("o", schema=True)).text or "")["image_prompt"]


def test_faults_of_statements_leave_other_answers_alone() -> None:
    text = asked("r")
    plain = Question(model=OSS, custom_id="x", system="Tag.", text=text)
    for do in ("no_image_prompt", "long_statement", "delimiters", "fenced"):
        assert answer(plain, do) == answer(plain)
