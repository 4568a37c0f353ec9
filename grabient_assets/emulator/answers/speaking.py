"""The emulated models' answers: a pure function of the question.

What varies: the model, the palette, the prompt's text and the `ref` inside the request (the custom id where there is
none), which tells two otherwise equal requests apart. A question that was answered badly before is answered well: real
models do not fail for ever where they failed once.
"""

from __future__ import annotations

import hashlib
import json
import math
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from grabient_assets.emulator.answers.chance import Chance
from grabient_assets.emulator.answers.habits import MUSINGS, damaged, written
from grabient_assets.emulator.answers.lexicon import fitting
from grabient_assets.emulator.answers.measures import Measures, group_in, measure
from grabient_assets.emulator.answers.personality import UNUSABLE, Personality, personality_of
from grabient_assets.emulator.answers.reading import Question, asked_object, palette_in
from grabient_assets.emulator.answers.refinement import refined_answer
from grabient_assets.emulator.answers.schemas import filled, shaped
from grabient_assets.emulator.answers.tagging import tagging_answer

Outcome = Literal["complete", "refusal", "truncated", "empty", "garbage"]
THINKING_TOKENS = {"none": 0, "minimal": 24, "low": 90, "medium": 320, "high": 900, "xhigh": 1600, "max": 2600}
REFUSAL = "I'm sorry, but I can't help with that request."


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. Tokens are a quarter of the characters, rounded up."""

    text: str
    outcome: Outcome
    thinking: str
    prompt_tokens: int
    answer_tokens: int
    thinking_tokens: int
    flawed: bool = False
    """It did not come to its end, or slips of the model are in it."""

    @property
    def output_tokens(self) -> int:
        """Everything billed as output."""
        return self.answer_tokens + self.thinking_tokens


def answer(question: Question, forced: Outcome | None = None) -> Answer:
    """The model's answer; `forced` makes it end in a certain way whatever the model would have done. Forced to be
    complete it is also free of slips."""
    asked = asked_object(question.text)
    palette = palette_in(asked)
    who = personality_of(question.model)
    ref = str(asked.get("ref") or question.custom_id)
    chance = Chance("answer", question.model, "".join(palette), _prompt_digest(question.system), ref)
    outcome, flawed = _fate(who, chance.draw(), question), False
    outcome = forced or outcome
    if palette:
        measured = measure(palette, group_in(question.system))
        clean = forced == "complete"
        text, flawed = _on_palette(question, measured, {"ref": ref, **asked}, who, chance, clean)
        thinking = _thinking(measured, chance) if question.effort != "none" or question.thinks_aloud else ""
    else:
        text, thinking = _generic(question, ref, chance), "A short request; a short answer will do."
    if question.thinks_aloud:
        text, thinking = f"<think>\n{thinking}\n</think>\n\n{text}", ""
    given = _within_budget(_ended(question, text, thinking, outcome, chance), question.budget)
    return replace(given, flawed=flawed or given.outcome != "complete")


def tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


@lru_cache(maxsize=256)
def _prompt_digest(system: str) -> str:
    return hashlib.sha256(system.encode("utf-8", "surrogatepass")).hexdigest()


def _fate(who: Personality, draw: float, question: Question) -> Outcome:
    """How the answer ends: unusable as often as the personality says. An enforced schema leaves no garbage."""
    for fate in UNUSABLE:
        draw -= who.unusable.get(fate, 0.0)
        if draw < 0:
            return "complete" if fate == "garbage" and question.strict else fate
    return "complete"


def _on_palette(
    question: Question, palette: Measures, asked: dict[str, Any], who: Personality, chance: Chance, clean: bool
) -> tuple[str, bool]:
    """The text of an answer about a palette, and whether slips of content are in it. `clean`: none are."""
    slipped = False
    if question.has_image or "consensus" in asked:
        given = refined_answer(palette, asked, who, chance)
    else:
        given = tagging_answer(palette, asked, who, chance)
        slips = damaged(deepcopy(given), who, chance, clean=question.json_only, strict=question.strict)
        slipped = slips != given and not clean
        given = given if clean else slips
    if question.schema:
        given = shaped(given, question.schema, chance)
    return written(given, who, chance, json_only=question.json_only or clean), slipped


def _generic(question: Question, ref: str, chance: Chance) -> str:
    """A short JSON object for a request that is about no palette."""
    if question.schema:
        return json.dumps(filled({"type": "object", **question.schema}, chance))
    return json.dumps(
        {"ref": ref, "reply": chance.pick(("Understood.", "Noted.", "Done.")), "number": chance.whole(1, 99)}
    )


def _thinking(palette: Measures, chance: Chance) -> str:
    lightness = [round(colour.lch_l) for colour in palette.colours]
    things = fitting(palette.hexes)["associations"]
    return " ".join(MUSINGS).format(
        first=palette.hexes[0],
        last=palette.hexes[-1],
        low=min(lightness),
        high=max(lightness),
        contrast=palette.contrast,
        temperature=palette.temperature,
        saturation=palette.saturation,
        thing=chance.pick(things[:6]).text,
    )


def _ended(question: Question, text: str, thinking: str, outcome: Outcome, chance: Chance) -> Answer:
    cut = 0.25 + 0.6 * chance.draw()
    if outcome == "refusal":
        text = REFUSAL
    elif outcome == "truncated":
        text = text[: int(len(text) * cut)]
    elif outcome == "empty":
        text = ""
    elif outcome == "garbage":
        text = _garbage(text, cut)
    thought = round(THINKING_TOKENS[question.effort] * (0.7 + 0.6 * chance.draw()))
    return Answer(
        text=text,
        outcome=outcome,
        thinking=thinking,
        prompt_tokens=tokens(question.system) + tokens(question.text) + question.image_tokens,
        answer_tokens=tokens(text),
        thinking_tokens=thought,
    )


def _garbage(text: str, cut: float) -> str:
    """Text that holds no readable JSON object: a loop, or a broken beginning."""
    if cut < 0.5:
        return text[:40].replace("{", "(").replace('"', "") + " the the the the the the the the the the"
    return text.replace('"', "").replace(":", " -").replace("{", "").replace("}", "")


def _within_budget(given: Answer, budget: int | None) -> Answer:
    """The answer cut to the limit of tokens. Thinking comes first: a small limit leaves no text at all."""
    if budget is None or given.output_tokens <= budget:
        return given
    thinking = min(given.thinking_tokens, budget)
    text = given.text[: (budget - thinking) * 4]
    return replace(given, text=text, outcome="truncated", thinking_tokens=thinking, answer_tokens=tokens(text))
