"""What the emulated models say: the same every time, right as often as declared, and worth reading."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.consensus.independence import votes_interval
from grabient_assets.emulator import answering
from grabient_assets.emulator.answering import answer
from grabient_assets.emulator.answers.lexicon import LEXICON, fitting, is_plural, phrase_of, without_article
from grabient_assets.emulator.answers.measures import measure, palette_in
from grabient_assets.emulator.answers.personality import CATEGORICAL, personality_of
from grabient_assets.emulator.answers.refinement import embed_text
from grabient_assets.emulator.answers.tagging import categorical
from grabient_assets.emulator.questions import Chance, Question, asked_object
from grabient_assets.gradient.vocabulary import (
    CATEGORICAL_VALUES,
    COLOUR_NAMES,
    HARMONY_WORDS,
    SEASONS,
    with_capitals,
)
from grabient_assets.groups.tagging.answers import Unusable, read_answer
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.palettes import palettes
from grabient_assets_tests.emulator.running import (
    HAIKU,
    MINI,
    NANO,
    OPUS,
    OSS,
    PALETTE,
    QWEN,
    Running,
    anthropic_batch,
    anthropic_request,
    anthropic_results,
    asked,
    chat_batch,
    chat_line,
    chat_results,
    polled,
    running,
)

PANEL = (HAIKU, "claude-haiku-5-5", MINI, "gpt-5-nano", OSS, "openai/gpt-oss-120b", QWEN, "gemini-2.5-flash-lite")
STRICT: dict[str, Any] = {"json_only": True, "strict": True}
FIELDS = ("mood", "style", "harmony", "associations", "dominant_colors", "seasonal")
SCHEMA = {
    "type": "object",
    "properties": {
        "ref": {"type": "string"},
        "temperature": {"enum": list(CATEGORICAL_VALUES["temperature"])},
        "mood": {"type": "array", "items": {"type": "string"}},
        "rating": {"type": "integer"},
    },
}


def tagged(model: str, palette: list[str], ref: str = "r", **more: Any) -> str:
    return answer(Question(model=model, custom_id=ref, system="Tag.", text=asked(ref, palette), **more)).text


def refined(palette: list[str], ref: str = "r", **consensus: Any) -> dict[str, Any]:
    text = f"Refine this.\n{asked(ref, palette, consensus=consensus)}\nThank you."
    said = answer(Question(model=OPUS, custom_id=ref, text=text, has_image=True, **STRICT), "complete")
    return json.loads(said.text)


# the same every time ------------------------------------------------------------------------------------------------


def test_two_fresh_emulators_give_the_same_answers(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with running(tmp_path / name) as emulator:
            client, claude = emulator.openai(), emulator.anthropic()
            batch = polled(client, chat_batch(client, [chat_line(f"k{place}", MINI) for place in range(20)]))
            rows = [json.loads(line) for line in client.files.content(batch.output_file_id).read().splitlines()]
            said = [(row["custom_id"], row["response"]["body"]["choices"]) for row in rows]
            ended = anthropic_batch(claude, [anthropic_request(f"k{place}") for place in range(20)])
            lines = list(claude.messages.batches.results(ended.id))
            found.append((said, [line.model_dump_json() for line in lines]))
    assert found[0] == found[1]


def test_answers_do_not_change_between_versions_and_machines() -> None:
    # Changes when words, personalities or the drawing change: on purpose only.
    text = "".join(tagged(model, list(PALETTE)) for model in PANEL) + json.dumps(refined(list(PALETTE)))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ea706f18700ab381"


def test_model_prompt_palette_and_ref_all_matter() -> None:
    base: dict[str, Any] = {"model": MINI, "custom_id": "a", "system": "Tag.", "text": asked("a")}
    other = {"text": asked("a", palettes(1)[0])}
    variants: list[dict[str, Any]] = [{}, {"model": OSS}, {"system": "Tag!"}, {"text": asked("b")}, other]
    said = [answer(Question(**{**base, **variant})).text for variant in variants]
    assert len(set(said)) == 5
    assert answer(Question(**base)).text == said[0]


# right as often as declared -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [*PANEL, "some-model-nobody-listed"])
def test_categorical_errors_keep_to_the_declared_rate(model: str) -> None:
    who = personality_of(model)
    sample = [measure(tuple(palette)) for palette in palettes(400)]
    for field in CATEGORICAL:
        wrong = sum(
            categorical(field, palette, who, Chance(model, palette.text, str(analysis))) != getattr(palette, field)
            for palette in sample
            for analysis in range(5)
        )
        assert 0.03 <= who.errors[field] <= 0.20
        assert abs(wrong / 2000 - who.errors[field]) < 0.05, field


def test_relatives_err_on_the_same_palettes() -> None:
    sample = [measure(tuple(palette)) for palette in palettes(1500)]

    def failures(model: str) -> set[int]:
        who = personality_of(model)
        return {
            place
            for place, palette in enumerate(sample)
            if categorical("contrast", palette, who, Chance(model, palette.text)) != palette.contrast
        }

    one, relative, stranger = (failures(model) for model in (OSS, "openai/gpt-oss-120b", MINI))
    assert len(one & relative) / len(relative) > 1.4 * len(one & stranger) / len(stranger)


def test_the_default_panel_is_worth_two_to_four_votes() -> None:
    """Models share errors, as real ones do: not only relatives."""
    sample = [measure(tuple(palette)) for palette in palettes(400)]
    models = [model.id for model in taggers(PROVIDERS)]
    errors = [
        np.array(
            [
                [
                    categorical(field, one, personality_of(m), Chance(m, one.text, field)) != getattr(one, field)
                    for m in models
                ]
                for one in sample
            ],
            dtype=float,
        )
        for field in CATEGORICAL
    ]
    low, high = votes_interval(errors)
    assert len(models) == 10 and low is not None and high is not None and 2 < low < high < 4


@pytest.mark.parametrize("model", PANEL)
def test_half_a_percent_to_two_percent_of_answers_are_unusable(model: str) -> None:
    sample = palettes(150)
    outcomes = [
        answer(
            Question(model=model, custom_id=f"{place}-{analysis}", text=asked(f"{place}-{analysis}", palette))
        ).outcome
        for place, palette in enumerate(sample)
        for analysis in range(20)
    ]
    assert 0.002 < sum(outcome != "complete" for outcome in outcomes) / len(outcomes) < 0.025


# worth reading ------------------------------------------------------------------------------------------------------


def test_strict_tagging_answers_are_complete_and_within_the_counts() -> None:
    counts = {"mood": (2, 6), "style": (1, 5), "harmony": (1, 2), "associations": (2, 8), "dominant_colors": (1, 4)}
    for place, palette in enumerate(palettes(120)):
        said = answer(Question(model=MINI, custom_id="x", text=asked(f"r{place}", palette), **STRICT), "complete")
        given = json.loads(said.text)
        assert list(given)[:3] == ["ref", "mood", "style"] and given["ref"] == f"r{place}"
        for field, (low, high) in counts.items():
            assert low <= len(given[field]) <= high, field
        for field, values in CATEGORICAL_VALUES.items():
            assert given[field] in values
        assert set(given["harmony"]) <= set(HARMONY_WORDS) and set(given["seasonal"]) <= set(SEASONS)
        assert set(given["dominant_colors"]) <= set(COLOUR_NAMES)


@pytest.mark.parametrize(
    ("palette", "words"),
    [
        (["#0c1f14", "#12301f", "#1a4029"], {"misty forest", "wet fern", "moss on stone", "pine ridge", "ivy"}),
        (["#ffd1dc", "#ffc4d6", "#f8bbd0"], {"cherry blossom", "ballet slipper", "candy floss", "peonies"}),
        (["#ff8c1a", "#ff7a00", "#ff9a3d"], {"tangerines", "desert sunset", "marigolds", "campfire embers"}),
        (["#1b1464", "#221a80", "#120e4a"], {"midnight harbour", "night train", "starry field", "deep sea"}),
    ],
)
def test_words_fit_what_is_seen(palette: list[str], words: set[str]) -> None:
    best = [without_article(word.text) for word in fitting(tuple(palette))["associations"][:8]]
    assert words & set(best)


def test_every_palette_finds_words_and_the_lexicon_is_large() -> None:
    seen: dict[str, set[str]] = {field: set() for field in ("mood", "style", "associations")}
    for palette in palettes(600):
        for field, words in seen.items():
            found = fitting(tuple(palette))[field]
            assert len(found) >= 3, palette
            words.update(word.text for word in found)
    assert len(seen["mood"]) > 90 and len(seen["style"]) > 40 and len(seen["associations"]) > 250


def test_embed_texts_have_thirty_to_fifty_words_and_vary() -> None:
    texts = [refined(palette, f"r{place}")["embed_text"] for place, palette in enumerate(palettes(200))]
    lengths = [len(text.split()) for text in texts]
    assert sum(30 <= length <= 50 for length in lengths) >= 195
    assert len({tuple(sentence.split()[0] for sentence in text.split(". ")) for text in texts}) > 100
    assert not any("{" in text or "  " in text for text in texts)


PLURALS = """
    blackberries|sage leaves|black light posters|sugared violets|peonies|dried roses|black cherries|chilli peppers|
    brake lights|tangerines|marigolds|campfire embers|clay pots|lemons|primroses|pickled olives|river stones|
    charcoal sticks|salt flats|koi in a pond|northern lights|ripe tomatoes|azulejo tiles|figs and honey|acorns|
    mushrooms|daffodils|fairy lights|twilight clouds|distant mountains|blueberries|bluebells|fallen leaves|
    distant hills|French macarons|forget-me-nots|spruce needles
"""
CAPITALS = """
    Arts and Crafts|Scandinavian|Art Deco|Victorian|Miami deco|Swiss modernism|Bauhaus|Gothic|Gothic Revival|
    Art Nouveau|Provençal|Pre-Raphaelite|Y2K|Memphis|old Hollywood|Americana|Mediterranean|Japandi|Moroccan|
    Mexican modernism
"""
FINITE = """
    answers are belongs blurs carries come comes could drifts feels gives has hold holds is leans lies melts pull reads
    recalls runs share suits think add file call would
"""


def lexicon(field: str) -> set[str]:
    return {text for group in tomllib.loads(LEXICON.read_text(encoding="utf-8"))["group"] for text in group[field]}


def test_every_word_of_the_lexicon_stands_rightly_in_every_sentence() -> None:
    things = lexicon("associations")
    plurals = {" ".join(text.split()) for text in PLURALS.split("|")}
    assert {thing for thing in things if is_plural(thing)} == plurals
    assert {phrase_of(without_article(thing).lower()) for thing in things} == things, "taggers write in lower case"
    capitals = {" ".join(text.split()) for text in CAPITALS.split("|")}
    written = {with_capitals(style) for style in lexicon("style")}
    assert {style for style in written if style != style.lower()} == capitals

    palette, said = measure(tuple(palettes(1)[0])), set[str]()
    words = zip(cycle(sorted(lexicon("mood"))), sorted(things) * 8, cycle(sorted(lexicon("style"))), strict=False)
    for place, (mood, thing, style) in enumerate(words):
        text = embed_text(palette, [mood, "calm"], [style, "retro"], [thing, "ivy"], ["winter"], Chance(str(place)))
        for sentence in re.split(r"(?<=\.) ", text):
            assert re.fullmatch(r"[A-Z0-9É].*[^ ,;]\.", sentence), sentence
            assert set(FINITE.split()).intersection(re.findall(r"[a-z']+", sentence.lower())), sentence
            assert not re.search(r"\b(an?|the) (an?|the)\b| ,|\ba [aeio]|\ban [^aeiou]", re.sub("an LED", "", sentence))
            if " to mind first" in sentence:
                verb = "come" if is_plural(thing) else "comes"
                assert sentence.lower().startswith(f"{thing} {verb} to mind first, then ".lower())
                said.add(thing)
    assert len(said) > 0.5 * len(things)


def test_refinement_has_its_fields_and_takes_up_the_consensus() -> None:
    consensus = {"mood": [{"value": "Velvety", "models": 7}, {"value": "warm", "models": 5}], "style": {"cubist": 4}}
    given = refined(palettes(1)[0], **consensus)
    limits = {"mood": (2, 5), "style": (2, 5), "dominant_colors": (1, 4), "seasonal": (0, 2), "associations": (5, 10)}
    assert list(given) == ["ref", *CATEGORICAL, *limits, "embed_text"]
    assert all(low <= len(given[field]) <= high for field, (low, high) in limits.items())
    assert given["mood"][0] == "velvety" and "warm" not in given["mood"] and given["style"][0] == "cubist"


def test_a_refinement_over_the_wire_thinks_before_it_speaks(emulator: Running) -> None:
    client = emulator.anthropic()
    content = [{"type": "text", "text": asked("a", consensus={})}]
    thinking = {"type": "enabled", "budget_tokens": 8000}
    request = anthropic_request(
        "a",
        "claude-opus-4-5-20251101",
        thinking=thinking,
        max_tokens=16000,
        messages=[{"role": "user", "content": content}],
    )
    batch = anthropic_batch(client, [request])
    message: Any = anthropic_results(client, batch)["a"].message
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking and len(message.content[0].signature) > 80
    assert message.usage.output_tokens_details.thinking_tokens > 0
    assert "embed_text" in message.content[1].text


def numbered(model: str, count: int) -> list[Question]:
    """So many questions that differ in their ids alone, as chat_line asks them."""
    ids = [f"f{number}" for number in range(count)]
    return [Question(model=model, custom_id=one, system="Answer in JSON.", text=asked(one)) for one in ids]


def test_what_was_answered_badly_is_answered_well_when_it_is_asked_again(emulator: Running) -> None:
    """By attempt, not by dice: otherwise no retry would ever repair what a model did badly once."""

    def lost(key: str, text: str) -> bool:
        return isinstance(read_answer(text, key), Unusable)

    def texts() -> dict[str, str]:
        results = chat_results(client, polled(client, chat_batch(client, [chat_line(key, NANO) for key in keys])))
        return {key: row["response"]["body"]["choices"][0]["message"]["content"] or "" for key, row in results.items()}

    numbered = [
        Question(model=NANO, custom_id=f"f{n}", system="Answer in JSON.", text=asked(f"f{n}")) for n in range(999)
    ]
    failing = [one.custom_id for one in numbered if lost(one.custom_id, answer(one).text)]
    assert len(failing) >= 2
    client, keys = emulator.openai(), [*failing, "good"]
    first, again = texts(), texts()
    assert [key for key in keys if lost(key, first[key])] == failing
    assert not any(lost(key, again[key]) for key in keys)
    assert again["good"] == first["good"] and texts() == again
    emulator.faults({"match": {}, "action": {"do": "garbage", "custom_ids": [failing[0]]}})
    assert lost(failing[0], texts()[failing[0]])
    emulator.faults()
    assert texts() == again


def test_a_slip_is_not_repeated_either(emulator: Running) -> None:
    """A forgotten ref, a null: what a reader may refuse is gone at the second attempt."""
    questions = [
        Question(model=OSS, custom_id=f"s{n}", system="Answer in JSON.", text=asked(f"s{n}")) for n in range(99)
    ]
    slipped = [one.custom_id for one in questions if answer(one).flawed]
    assert 5 < len(slipped) < 60
    for one in questions:
        whole = json.loads(answer(one, "complete").text)
        assert whole["ref"] == one.custom_id and None not in whole.values()


# habits and limits --------------------------------------------------------------------------------------------------


def test_models_have_habits() -> None:
    sample = [(f"r{place}", palette) for place, palette in enumerate(palettes(300))]
    fenced = [tagged("gemini-2.5-flash-lite", palette, ref) for ref, palette in sample]
    assert 0.6 < sum(text.startswith("```json\n{") for text in fenced) / 300 < 0.8
    thought = [tagged(QWEN, palette, ref, thinks_in_text=True, effort="medium") for ref, palette in sample]
    assert sum(text.startswith("<think>\n") and "</think>" in text for text in thought) > 290
    words = json.dumps(fenced)
    assert "vivid" in words or "bright" in words


def test_a_schema_rules_the_answer() -> None:
    for place, palette in enumerate(palettes(60)):
        question = Question(model=MINI, custom_id="x", text=asked(str(place), palette), schema=SCHEMA, **STRICT)
        given = json.loads(answer(question, "complete").text)
        assert list(given) == ["ref", "temperature", "mood", "rating"]
        assert given["temperature"] in CATEGORICAL_VALUES["temperature"] and isinstance(given["rating"], int)


def test_thinking_eats_a_small_budget_and_leaves_no_text() -> None:
    said = answer(Question(model="gpt-5-nano", custom_id="a", text=asked("a"), effort="high", budget=200))
    assert (said.text, said.outcome, said.thinking_tokens, said.answer_tokens) == ("", "truncated", 200, 0)
    cut = answer(Question(model=MINI, custom_id="a", text=asked("a"), budget=20), "complete")
    assert cut.outcome == "truncated" and len(cut.text) == 80 and cut.output_tokens == 20


def test_other_requests_get_a_short_answer() -> None:
    given = answer(Question(model=MINI, custom_id="a", text="What is the capital of France?"), "complete")
    assert json.loads(given.text)["ref"] == "a"
    shaped = answer(Question(model=MINI, custom_id="a", text="Hello", schema=SCHEMA, **STRICT), "complete")
    assert set(json.loads(shaped.text)) == set(SCHEMA["properties"])


@given(st.text(), st.text())
def test_the_object_is_found_inside_any_text(before: str, after: str) -> None:
    assert palette_in(asked_object(before + asked("r") + after, is_known=palette_in)) == PALETTE


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    said = answer(Question(model=OSS, custom_id="a", text=text))
    assert said.prompt_tokens == -(-len(text) // 4)


def test_only_one_module_of_the_engine_knows_of_answers_and_none_of_palettes() -> None:
    """What serves the providers' APIs answers any purpose; what answers one plugs in under answers/."""
    engine = sorted(Path(answering.__file__).parent.glob("*.py"))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in engine}
    assert len(engine) > 15
    assert [name for name, text in texts.items() if "emulator.answers" in text] == ["answering"]
    words = re.compile(r"grabient_assets\.gradient|palette|colou?r|\bmood\b|consensus", re.IGNORECASE)
    assert {name: found for name, text in texts.items() if (found := words.findall(text))} == {}
