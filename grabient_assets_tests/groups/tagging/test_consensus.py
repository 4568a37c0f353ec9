from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient import vocabulary
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import (
    MAX_PROMPT_WORDS,
    Consensus,
    ModelAnswer,
    Vote,
    build_consensus,
    consensus_for_prompt,
)
from grabient_assets.groups.tagging.tallying import consensus_digest


def said(model: str, *answers: Answer, provider: str = "groq") -> list[ModelAnswer]:
    return [ModelAnswer(provider, model, index, answer) for index, answer in enumerate(answers)]


def counts(consensus: Consensus, field: str) -> list[tuple[str, int]]:
    return [(vote.value, vote.models) for vote in consensus.votes[field]]


WARM, COOL, NEUTRAL = Answer(temperature="warm"), Answer(temperature="cool"), Answer(temperature="neutral")


def test_one_vote_per_model_however_often_it_was_asked() -> None:
    consensus = build_consensus([*said("a", *[WARM] * 20), *said("b", COOL), *said("c", COOL)])
    assert (consensus.models, consensus.answers) == (3, 22)
    assert consensus.votes["temperature"] == (Vote("cool", 2, 2 / 3), Vote("warm", 1, 1 / 3))
    assert consensus.top("temperature") == "cool"
    assert consensus.top("contrast") is None


def test_asking_a_model_more_often_changes_nothing_even_in_a_tie() -> None:
    once = build_consensus([*said("a", COOL), *said("b", WARM)])
    often = build_consensus([*said("a", *[COOL] * 9), *said("b", WARM)])
    assert counts(once, "temperature") == counts(often, "temperature") == [("warm", 1), ("cool", 1)]


def test_a_model_votes_as_most_of_its_answers_do() -> None:
    consensus = build_consensus(said("a", COOL, WARM, WARM))
    assert counts(consensus, "temperature") == [("warm", 1)]


def test_a_model_of_two_minds_follows_the_panel_then_the_fixed_order() -> None:
    alone = build_consensus(said("a", COOL, WARM))
    assert counts(alone, "temperature") == [("warm", 1)]
    with_another = build_consensus([*said("a", COOL, WARM), *said("b", COOL)])
    assert counts(with_another, "temperature") == [("cool", 2)]


def test_answers_without_the_field_do_not_vote_on_it_but_are_usable() -> None:
    consensus = build_consensus([*said("a", Answer(mood=("calm",))), *said("b", COOL)])
    assert consensus.votes["temperature"] == (Vote("cool", 1, 0.5),)


def test_equal_values_stand_by_support_then_in_the_order_of_the_enumeration() -> None:
    for field, values in vocabulary.CATEGORICAL_VALUES.items():
        panel = [item for value in reversed(values) for item in said(f"m-{value}", replace(Answer(), **{field: value}))]
        assert [value for value, _ in counts(build_consensus(panel), field)] == list(values)
    doubtful = [*said("a", WARM, WARM, COOL), *said("b", NEUTRAL)]
    assert counts(build_consensus(doubtful), "temperature") == [("neutral", 1), ("warm", 1)]


@pytest.mark.parametrize(
    ("times", "asked", "voted"), [(1, 1, 1), (1, 2, 1), (1, 3, 0), (2, 3, 1), (2, 4, 1), (3, 8, 0)]
)
def test_a_model_votes_for_a_tag_that_half_of_its_answers_give(times: int, asked: int, voted: int) -> None:
    answers = [Answer(mood=("calm", "misty"))] * times + [Answer(mood=("calm",))] * (asked - times)
    consensus = build_consensus(said("a", *answers))
    assert counts(consensus, "mood") == [("calm", 1), ("misty", 1)][: 1 + voted]


def test_tags_stand_by_models_then_support_then_alphabet() -> None:
    consensus = build_consensus(
        [
            *said("a", Answer(mood=("zesty", "calm")), Answer(mood=("zesty",))),
            *said("b", Answer(mood=("misty", "airy"))),
            *said("c", Answer(mood=("misty",))),
        ]
    )
    assert counts(consensus, "mood") == [("misty", 2), ("airy", 1), ("zesty", 1), ("calm", 1)]


def test_a_tag_repeated_inside_one_answer_counts_once() -> None:
    consensus = build_consensus([*said("a", Answer(mood=("calm", "calm"))), *said("b", Answer(mood=("calm",)))])
    assert consensus.votes["mood"] == (Vote("calm", 2, 1.0),)


def test_the_same_model_name_at_two_providers_is_two_models() -> None:
    consensus = build_consensus([*said("a", WARM), *said("a", WARM, provider="openai")])
    assert consensus.votes["temperature"] == (Vote("warm", 2, 1.0),)


def test_empty_answers_and_unknown_words_do_not_count() -> None:
    consensus = build_consensus([*said("a", Answer()), *said("b", COOL), *said("c", Answer(temperature="lukewarm"))])
    assert (consensus.models, consensus.answers) == (2, 2)
    assert consensus.votes["temperature"] == (Vote("cool", 1, 0.5),)


def test_one_slot_counts_once() -> None:
    slot = ModelAnswer("groq", "a", 0, WARM)
    other = replace(slot, answer=COOL)
    assert build_consensus([slot, slot]).answers == 1
    assert build_consensus([slot, other]) == build_consensus([other, slot, other])
    assert build_consensus([slot, other]).answers == 1


def test_nobody_answered() -> None:
    consensus = build_consensus([])
    assert (consensus.models, consensus.answers) == (0, 0)
    assert consensus.votes == dict.fromkeys((*CATEGORICAL_FIELDS, *LIST_FIELDS), ())


def test_votes_as_plain_data() -> None:
    consensus = build_consensus([*said("a", WARM), *said("b", WARM), *said("c", Answer(mood=("café",)))])
    plain = consensus.votes_json()
    assert plain["temperature"] == [{"value": "warm", "models": 2, "share": 0.6667}]
    assert plain["mood"] == [{"value": "café", "models": 1, "share": 0.3333}]
    assert plain["harmony"] == []
    assert json.loads(json.dumps(plain)) == plain


def test_what_the_refiner_reads() -> None:
    tags = tuple(f"tag{number:02}" for number in range(30))
    consensus = build_consensus([*said("a", Answer(temperature="warm", mood=tags)), *said("b", WARM)])
    read = consensus_for_prompt(consensus)
    assert list(read) == ["models", *CATEGORICAL_FIELDS, *LIST_FIELDS]
    assert (read["models"], read["temperature"], read["style"]) == (2, {"warm": "2/2"}, {})
    assert read["mood"] == dict.fromkeys(tags[:MAX_PROMPT_WORDS], "1/2")


BLUES = ((10, 20, 80), (20, 40, 120), (40, 80, 200))


def test_open_tags_meet_in_one_form_and_show_the_spelling_most_models_wrote() -> None:
    panel = [
        *said("a", Answer(associations=("Sunsets",), dominant_colors=("navy",))),
        *said("b", Answer(associations=("sunset", "fog"))),
        *said("c", Answer(associations=("sun-set", "sunsets"))),
        *said("d", Answer(associations=("sunset",))),
    ]
    consensus = build_consensus(panel)
    assert consensus.votes["associations"] == (Vote("sunset", 4, 1.0), Vote("fog", 1, 0.25))


def test_two_spellings_in_one_answer_are_one_vote_and_equal_ones_stand_by_the_alphabet() -> None:
    consensus = build_consensus([*said("a", Answer(mood=("cozy", "cosy"))), *said("b", Answer(mood=("calm",)))])
    assert counts(consensus, "mood") == [("calm", 1), ("cosy", 1)]
    # Half of the answers give the word, in two spellings of which neither is in half of them.
    divided = said("a", *[Answer(mood=(word,)) for word in ("cozy", "cosy", "calm", "calm")])
    assert counts(build_consensus(divided), "mood") == [("calm", 1), ("cosy", 1)]


def test_words_of_different_meaning_and_words_of_lists_do_not_meet() -> None:
    answer = Answer(associations=("rose", "roses", "gold", "golden hour"), seasonal=("spring",))
    assert len(build_consensus(said("a", answer)).votes["associations"]) == 4


def test_colours_that_are_not_there_are_marked_and_go_no_further() -> None:
    answer = Answer(
        mood=("calm", "crimson"), dominant_colors=("yellow", "navy"), associations=("rose", "yellow", "grey")
    )
    consensus = build_consensus([*said("a", answer), *said("b", Answer(dominant_colors=("yellow",)))], BLUES)
    marked = {f: [v.value for v in votes if v.contradicted] for f, votes in consensus.votes.items() if votes}
    assert marked == {"mood": ["crimson"], "dominant_colors": ["yellow"], "associations": ["grey", "yellow"]}
    assert consensus.votes_json()["mood"] == [
        {"value": "calm", "models": 1, "share": 0.5},
        {"value": "crimson", "models": 1, "share": 0.5, "contradicted": True},
    ]
    assert consensus.top("dominant_colors") == "navy"
    read = consensus_for_prompt(consensus)
    assert (read["mood"], read["dominant_colors"]) == ({"calm": "1/2"}, {"navy": "1/2"})
    assert read["associations"] == {"rose": "1/2"}
    assert not [v for votes in build_consensus(said("a", answer)).votes.values() for v in votes if v.contradicted]


def test_the_digest_is_that_of_what_the_refiner_reads() -> None:
    calm, both = Answer(mood=("calm",)), Answer(mood=("calm", "crimson"))
    plain, marked = build_consensus(said("a", calm), BLUES), build_consensus(said("a", both), BLUES)
    assert plain.votes != marked.votes
    assert consensus_digest(plain) == consensus_digest(marked)
    assert consensus_digest(build_consensus(said("a", both))) != consensus_digest(plain)
    many = tuple(f"tag{number:02}" for number in range(MAX_PROMPT_WORDS))
    shown, more = build_consensus(said("a", Answer(mood=many))), build_consensus(said("a", Answer(mood=(*many, "z"))))
    assert consensus_digest(shown) == consensus_digest(more)


_TAGS = st.lists(st.sampled_from(["calm", "misty", "zen", "море"]), max_size=3, unique=True).map(tuple)
_ANSWERS = st.builds(
    Answer,
    temperature=st.sampled_from([None, *vocabulary.TEMPERATURES]),
    brightness=st.sampled_from([None, *vocabulary.BRIGHTNESSES]),
    mood=_TAGS,
    associations=_TAGS,
)
_PANEL = st.lists(
    st.builds(
        ModelAnswer, st.sampled_from(["groq", "google"]), st.sampled_from(["a", "b", "c"]), st.integers(0, 3), _ANSWERS
    ),
    max_size=14,
)


@given(_PANEL, st.data())
def test_order_and_repetition_of_arrival_change_nothing(panel: list[ModelAnswer], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(panel), max_size=5)) if panel else []
    shuffled = data.draw(st.permutations([*panel, *again]))
    assert build_consensus(shuffled) == build_consensus(panel)


@given(_PANEL)
def test_votes_never_exceed_the_panel(panel: list[ModelAnswer]) -> None:
    consensus = build_consensus(panel)
    for field in CATEGORICAL_FIELDS:
        assert sum(vote.models for vote in consensus.votes[field]) <= consensus.models
    for votes in consensus.votes.values():
        assert all(
            0 < vote.models <= consensus.models and vote.share == vote.models / consensus.models for vote in votes
        )
        assert [vote.models for vote in votes] == sorted((vote.models for vote in votes), reverse=True)
