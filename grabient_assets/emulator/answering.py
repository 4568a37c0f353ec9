"""The emulated models' answers: a pure function of the question.

What varies: the model, the subject, the prompt's text and the `ref` inside the request (the custom id where
there is none), which tells two otherwise equal requests apart. A question that was answered badly before is answered
well: a real model that failed once mostly succeeds when it is asked again.

What a request asks for decides who answers it (answers/__init__.py). Here stands what all answers have in common: how
they end, what they cost, and the schema that they keep to.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, get_args

from grabient_assets.emulator.answers import ANSWERERS, Answerer
from grabient_assets.emulator.answers.personality import UNUSABLE, Personality, personality_of
from grabient_assets.emulator.painting.edited import FaultyEdit
from grabient_assets.emulator.questions import Chance, Question, asked_object

Outcome = Literal["complete", "refusal", "truncated", "empty", "garbage"]
OfStatements = Literal["no_image_prompt", "long_statement", "delimiters", "fenced"]
OfEntries = Literal["ungrounded", "over_long", "off_type", "injected", "no_entries"]
Ending = (
    Outcome
    | OfStatements
    | OfEntries
    | Literal["refuse_input", "refuse_output", "no_image", "wrong_dimensions", "short_vectors"]
    | FaultyEdit
)
"""How an answer of any kind can be made to end. A text knows one refusal. Those of one purpose are known to its
answerer, and the last ones are about no text."""
THINKING_TOKENS = {"none": 0, "minimal": 24, "low": 90, "medium": 320, "high": 900, "xhigh": 1600, "max": 2600}
REFUSAL = "I'm sorry, but I can't help with that request."


@dataclass(frozen=True, slots=True)
class EmulatedAnswer:
    """The text of a model. Tokens are a quarter of the characters, rounded up."""

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


def answer(question: Question, forced: Ending | None = None) -> EmulatedAnswer:
    """The model's answer; `forced` makes it end in a certain way whatever the model would have done. Forced to be
    complete it is also free of slips."""
    asked = asked_object(question.text, lambda found: _answerer(question, found))
    answerer = _answerer(question, asked)
    who = personality_of(question.model)
    ref = str(asked.get("ref") or question.custom_id)
    subject = answerer.subject(question, asked) if answerer else ""
    chance = Chance("answer", question.model, subject, _prompt_digest(question.system), ref)
    outcome, flawed = _fate(who, chance.draw(), question), False
    spoilt = answerer.faults.get(forced) if answerer and isinstance(forced, str) else None
    outcome = "complete" if spoilt else _in_words(forced) or outcome
    if answerer:
        # What a fault spoils has no other slips, so that it shows this one and nothing else.
        asked, clean = {"ref": ref, **asked}, forced == "complete" or spoilt is not None
        given, flawed = answerer.reply(question, asked, who, chance, clean)
        if question.schema:
            given = shaped(given, question.schema, chance)
        if spoilt:
            text = spoilt(given, question.strict)
        else:
            text = answerer.write(given, who, chance, json_only=question.json_only or clean)
        thinks = question.effort != "none" or question.thinks_in_text
        thinking = answerer.thinking(question, asked, chance) if thinks else ""
    else:
        text, thinking = _generic(question, ref, chance), "A short request; a short answer will do."
    if question.thinks_in_text:
        text, thinking = f"<think>\n{thinking}\n</think>\n\n{text}", ""
    given = _within_budget(_ended(question, text, thinking, outcome, chance), question.budget)
    return replace(given, flawed=flawed or bool(spoilt) or given.outcome != "complete")


def _in_words(forced: Ending | None) -> Outcome | None:
    """The end that any text takes when it is forced to one; None for an end that is not one of texts."""
    if forced in ("refuse_input", "refuse_output"):
        return "refusal"
    return next((outcome for outcome in get_args(Outcome) if outcome == forced), None)


def _answerer(question: Question, asked: dict[str, Any]) -> Answerer | None:
    """The first answerer that this request has a subject for; None when it asks for nothing known."""
    return next((one for one in ANSWERERS if one.subject(question, asked)), None)


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


def _generic(question: Question, ref: str, chance: Chance) -> str:
    """A short JSON object for a request that no answerer knows."""
    if question.schema:
        return json.dumps(filled({"type": "object", **question.schema}, chance))
    return json.dumps(
        {"ref": ref, "reply": chance.pick(("Understood.", "Noted.", "Done.")), "number": chance.whole(1, 99)}
    )


def _ended(question: Question, text: str, thinking: str, outcome: Outcome, chance: Chance) -> EmulatedAnswer:
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
    return EmulatedAnswer(
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


def _within_budget(given: EmulatedAnswer, budget: int | None) -> EmulatedAnswer:
    """The answer cut to the limit of tokens. Thinking comes first: a small limit leaves no text at all."""
    if budget is None or given.output_tokens <= budget:
        return given
    thinking = min(given.thinking_tokens, budget)
    text = given.text[: (budget - thinking) * 4]
    return replace(given, text=text, outcome="truncated", thinking_tokens=thinking, answer_tokens=tokens(text))


def shaped(answer: dict[str, Any], schema: dict[str, Any], chance: Chance) -> dict[str, Any]:
    """The answer with exactly the properties of an object schema, values limited to enumerations and list lengths."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return answer
    return {
        name: _permitted(answer[name], part, chance) if answer.get(name) is not None else filled(part, chance)
        for name, part in properties.items()
    }


def filled(schema: dict[str, Any], chance: Chance) -> Any:
    """A small value that the schema permits, for a property the emulated models have no idea of."""
    if choices := schema.get("enum"):
        return chance.pick(choices)
    kind = _type(schema)
    if kind == "object":
        return {name: filled(part, chance) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [filled(schema.get("items") or {}, chance)]
    plain: dict[str, Any] = {"integer": chance.whole(1, 9), "number": chance.whole(1, 99) / 10, "boolean": True}
    return plain.get(kind, chance.pick(("calm", "plain", "clear", "quiet", "bright")))


def _permitted(value: Any, schema: dict[str, Any], chance: Chance) -> Any:
    if choices := schema.get("enum"):
        return value if value in choices else chance.pick(choices)
    if isinstance(value, list):
        item = schema.get("items") or {}
        kept = [entry for entry in value if not item.get("enum") or entry in item["enum"]]
        kept = [shaped(entry, item, chance) if isinstance(entry, dict) else entry for entry in kept]
        return kept[: schema.get("maxItems", len(kept))]
    return value


def _type(schema: dict[str, Any]) -> str:
    """The type, lower case (Gemini's own schemas write it in capitals), the first when a list is given."""
    kind = schema.get("type", "string")
    return str(kind[0] if isinstance(kind, list) else kind).lower()
