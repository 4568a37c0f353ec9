from __future__ import annotations

from grabient_assets.gradient import vocabulary
from grabient_assets.gradient.harmony import HARMONIES
from grabient_assets_tests.vectors import vectors


def test_the_lists_are_those_of_the_site():
    facts = vectors("facts.json")
    assert {field: list(values) for field, values in vocabulary.CATEGORICAL_VALUES.items()} == facts["enum_values"]
    assert list(vocabulary.HARMONY_WORDS) == facts["harmony_words_allowed_in_prompt"]
    assert list(vocabulary.COLOUR_NAMES) == [name for name, *_ in facts["named_colours_41_in_order"]]


def test_synonyms_hold_those_of_the_site():
    for field, words in vectors("facts.json")["word_maps"].items():
        assert vocabulary.CATEGORICAL_SYNONYMS[field].items() >= words.items()


def test_synonyms_lead_to_values_and_are_none_themselves():
    for field, words in vocabulary.CATEGORICAL_SYNONYMS.items():
        assert set(words.values()) <= set(vocabulary.CATEGORICAL_VALUES[field])
        assert not set(words) & set(vocabulary.CATEGORICAL_VALUES[field])
    assert set(vocabulary.SEASON_SYNONYMS.values()) <= set(vocabulary.SEASONS)


def test_names_have_capitals_in_a_sentence():
    said = {
        "scandinavian": "Scandinavian",
        "swiss modernism": "Swiss modernism",
        "old hollywood glamour": "old Hollywood glamour",
        "art deco": "Art Deco",
        "pre-raphaelite": "Pre-Raphaelite",
        "japanese-inspired": "Japanese-inspired",
        "y2k": "Y2K",
        "calm swissair art": "calm swissair art",
    }
    assert {tag: vocabulary.with_capitals(tag) for tag in said} == said
    assert vocabulary.is_name("Bauhaus") and not vocabulary.is_name("calm")


def test_what_can_be_detected_may_be_said():
    assert set(HARMONIES) <= set(vocabulary.HARMONY_WORDS)
