"""What a refiner writes about colours that are not there is left out, and what is left are whole sentences."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grabient_assets.gradient.color import color_names
from grabient_assets.gradient.palette import RGB
from grabient_assets.groups.refinement.embed_text import plain_words
from grabient_assets.groups.refinement.refined_answer import Refined, read_refined

Colours = tuple[RGB, ...]
BLUES: Colours = ((10, 20, 80), (20, 40, 120), (0, 60, 130), (0, 120, 130))
REDS: Colours = ((120, 10, 10), (200, 40, 30), (240, 120, 60), (250, 200, 150))
GREENS: Colours = ((10, 60, 20), (30, 110, 50), (90, 160, 90), (190, 220, 180))
GREYS: Colours = ((20, 20, 22), (90, 90, 92), (160, 160, 162), (230, 230, 232))

TEXTS: list[tuple[Colours, str, tuple[str, ...]]] = [
    (
        BLUES,
        "Deep navy gives way to red, and orange, then to pale blue. The mood is calm and a little wistful, with a "
        "clean Scandinavian look. It recalls cold harbours, wet slate roofs and the last ferry home.",
        (),
    ),
    (
        BLUES,
        "A calm sea of navy and teal with no red in it. The style is minimalist and clean, the feeling serene and "
        "open, like morning fog lifting from a fjord while fishing boats drift out past the lighthouse.",
        ("no red in it",),
    ),
    (
        BLUES,
        "The Red Sea at dusk: navy water deepens into teal along the reef. The mood is hushed and mysterious, the "
        "style close to a vintage travel poster, and it recalls divers, lanterns and slow tides.",
        ("The Red Sea at dusk",),
    ),
    (
        BLUES,
        "Crimson embers glow against midnight navy. Without any orange, the middle stays cold and blue. It feels "
        "dramatic and cinematic, like a film noir alley after rain, with neon signs and wet asphalt.",
        ("Without any orange,",),
    ),
    (
        BLUES,
        "Navy sinks into teal, while a red sun hangs above the water. The mood is quiet and reflective. It suits "
        "coastal rooms and nautical posters, and recalls driftwood, rope and the smell of salt on a jetty.",
        ("Navy sinks into teal.",),
    ),
    (
        BLUES,
        "Red, orange and gold burn from left to right. Yellow flames rise through scarlet smoke and settle into "
        "crimson ash. Everything is fiery, golden and bright as a reddish desert under an orange sky.",
        (),
    ),
    (
        BLUES,
        "From navy through magenta to teal, the colours shift like an aurora; the blue end stays dark and deep; a "
        "pink glow lights the middle. The feeling is dreamy and futuristic, fit for synthwave covers.",
        ("The blue end stays dark and deep.",),
    ),
    (
        BLUES,
        "A gradient of blue (with a flash of red in the middle) that ends in teal. Calm and nautical, it reminds "
        "one of sea glass, sailing knots and harbour lights seen from the deck of a slow boat at night.",
        (),
    ),
    (
        BLUES,
        "“A red dusk over water,” one might say. Navy and teal meet in slow waves. The mood is tranquil, the "
        "style modern and coastal, with hints of Japanese woodcuts, cold currents and pebbles under a clear "
        "evening sky.",
        ("Navy and teal meet in slow waves.",),
    ),
    (
        BLUES,
        "Navy, teal and pink. Calm and airy. Minimalist. Think of ice, glass and tide pools. A pink sky hangs "
        "over the bay, yet the whole stays cold, crisp and clear, as a winter morning on the northern coast does.",
        ("Calm and airy. Minimalist.",),
    ),
    (
        REDS,
        "Maroon rises into warm red and ends in soft peach. There is no blue, green or purple in it. It feels "
        "passionate and welcoming, a Mediterranean evening with terracotta walls, ripe peaches and candlelight.",
        ("no blue, green or purple in it",),
    ),
    (
        REDS,
        "Emerald green meets scarlet in a festive contrast. The mood is hearty and bright. It recalls holly, ripe "
        "tomatoes and a Christmas market, in a folk art style that suits cards, wrapping paper and knitted "
        "jumpers.",
        (),
    ),
    (
        REDS,
        "This warm sweep moves from oxblood to apricot, never turning blue. Its glow is intimate and nostalgic, "
        "like a jazz cellar, an old velvet sofa and red wine by the fire on a long autumn night in the city.",
        ("never turning blue", "red wine"),
    ),
    (
        REDS,
        "St. Ives light falls on green water. Dr. Who would approve of the red box in the corner. Warm maroon and "
        "peach share one quiet breath, retro and homely, with brick kilns, clay pots and toasted bread nearby.",
        ("the red box",),
    ),
    (
        REDS,
        "Warm red softens into peach, evoking blue lagoons and green palms. The style is tropical and playful, "
        "the mood is carefree, and the whole recalls papaya, sunsets and paper umbrellas in tall cold drinks by "
        "the pool.",
        ("Warm red softens into peach.",),
    ),
    (
        REDS,
        "The palette runs from deep red to peach — a hint of turquoise flickers between — and it stays warm "
        "throughout. It feels romantic, sunlit and slow, like dried roses, theatre curtains and letters tied with "
        "ribbon.",
        ("The palette runs from deep red to peach.",),
    ),
    (
        REDS,
        "Not only blue but also green tints cool this gradient. Red dominates, then fades to salmon. The mood is "
        "bold, the style constructivist, and the picture is one of posters, brick factories and marching bands in "
        "the rain.",
        ("Red dominates, then fades",),
    ),
    (
        REDS,
        "Blue Mountains in the distance, red earth in front. The heat is dusty and patient. It suits southwestern "
        "pottery, adobe walls and ranch gates, and recalls dry grass, saddle leather and a canyon river at noon.",
        ("Blue Mountains in the distance, red earth",),
    ),
    (
        GREENS,
        "Forest green lightens to sage, free of red or orange. Restful and organic, it suits botanical prints and "
        "cottage kitchens, and recalls fern, moss on stone, a herb garden and the shade of old trees in June.",
        ("free of red or orange",),
    ),
    (
        GREENS,
        "Forest green turns purple at the edges, and purple turns pink. Then it fades. Both ends feel enchanted. "
        "The style is art nouveau, the mood secretive, with ivy, wet fern, a greenhouse and a misty pine ridge.",
        (),
    ),
    (
        GREENS,
        "A green gradient that whispers of violet dusk, magenta blossoms and fuchsia hedges along a winding path",
        (),
    ),
    (
        GREENS,
        "soft sage and pine, with violet shadows, and a red barn door beyond the meadow, and hay, and the smell "
        "of rain on a summer evening; restful, rustic and kind to the eye; a blue heron stands in the reeds; all "
        "is still",
        (),
    ),
    (
        GREENS,
        "Pine deepens to moss and then to sage, and a thread of crimson runs through the whole like a ribbon "
        "through an old book. Neither purple nor blue appears. It feels grounded, ancient and patient, in a "
        "woodland style.",
        (),
    ),
    (
        GREENS,
        "Leafy green and nothing but green, except for magenta at the end. The mood is fresh. The style is "
        "tropical, sporty and lively: a tennis court, a tree frog, lime peel and rainforest canopy after heavy "
        "rain.",
        (),
    ),
    (
        GREENS,
        "Green tones drift past. Purple tones answer. Orange is absent. Pine, moss and sage lie side by side, "
        "balanced and healing, in a Scandinavian style with linen curtains, eucalyptus, celadon bowls and lichen "
        "on old bark.",
        ("Green tones drift past.", "Orange is absent."),
    ),
    (
        GREYS,
        "Charcoal lifts to silver in even steps, anything but red. The mood is austere and composed. Brutalist "
        "and industrial in style, it recalls poured concrete, rain on asphalt, a slate roof and brushed steel at "
        "dawn.",
        ("anything but red",),
    ),
    (
        GREYS,
        "Black gives way to gray and white, and a warm orange lamp burns in the corner. The feeling is noir, "
        "smoky and severe. It suits monochrome photography, vinyl sleeves and gallery walls, with coal and cast "
        "iron near.",
        ("a warm orange lamp",),
    ),
    (
        GREYS,
        "Silver fog rolls over a Red Square parade. Gray stones and white snow hold the eye. It is formal, silent "
        "and wintry, close to a documentary photograph, with birch bark, bare branches and frozen puddles in the "
        "park.",
        ("a Red Square parade",),
    ),
    (
        GREYS,
        "Blue-gray clouds and purple rain drift over charcoal roofs. Pink neon hums. Teal puddles shine. Green "
        "signs blink on and off. Gold windows warm the night, and red brake lights vanish into violet fog "
        "downtown.",
        (),
    ),
    (
        GREYS,
        "Soft gray, pale gray, white. The whole is hushed and weightless; there is hardly any color, no blue and "
        "no green. Minimalist and Japandi, it recalls fresh snow, bone china, washed linen and blank paper on a "
        "desk.",
        ("no blue and no green",),
    ),
    (
        GREYS,
        "Monochrome steps climb from graphite to chalk. A lime stripe cuts across! Is it a mistake? Perhaps. The "
        "mood is restrained and the style is Swiss modernism, with pencil lead, river stones and a pigeon "
        "feather.",
        ("A lime stripe cuts across!",),
    ),
    (
        GREYS,
        "Deep charcoal and mist carry a red thread from one end of the cloth to the other, where it is tied "
        "around a brass bell that hangs beside the door of an old gray house in which nobody has lived since the "
        "long winter when the river froze and the bridge fell into the ice",
        (),
    ),
    (
        BLUES,
        "Navy waves roll under teal skies, with coral reefs and pink shells scattered along the shore, and the "
        "mood is peaceful, dreamy and slow, a coastal watercolour of salt, sand, driftwood and the long blue hour "
        "after the sun has gone",
        (),
    ),
    (
        BLUES,
        "A cool descent. Teal slips beneath navy like a diver leaving the light behind. The red of a distant buoy "
        "is the only warmth. Quiet, sparse and Nordic, the scene holds kelp, cold stone and salt.",
        ("Teal slips beneath navy",),
    ),
    (
        REDS,
        "It opens in maroon. It passes through brick. It closes in peach. Cyan, teal and turquoise flash along "
        "the edges. Warm, generous and rustic, like bread from a wood oven, harvest tables and the last light of "
        "August.",
        ("It opens in maroon. It passes through brick. It closes in peach.",),
    ),
    (
        REDS,
        "Smouldering reds and soft peach glow in a baroque mood, as if a velvet curtain had caught the light of a "
        "hundred candles while the opera ended and the crowd went out into the blue night of the old town by the "
        "river",
        (),
    ),
    (
        GREENS,
        "The shades go from bottle green to mint, while Scandinavian calm and a purple accent keep the eye "
        "moving. Fresh, tidy and optimistic, it belongs in a bright kitchen with herbs, tiles and a window on the "
        "garden.",
        (),
    ),
    (
        GREYS,
        "No color at all: black, gray and white. Not red, not blue, not green. Severe and graphic, a woodcut of "
        "winter trees, newspaper print and wet cobblestones, in the manner of film noir and old street "
        "photography.",
        ("Not red, not blue, not green.",),
    ),
]
"""A palette, a text, and what of it stays although it holds a word for a colour or stood beside one."""

ABSENT = {
    BLUES: "red orange gold yellow crimson scarlet reddish pink magenta",
    REDS: "blue green purple emerald turquoise cyan",
    GREENS: "red purple pink violet magenta fuchsia crimson blue orange",
    GREYS: "red orange gold violet purple pink green teal",
}
TAGS = {
    BLUES: {
        "mood": ["calm", "wistful"],
        "style": ["scandinavian", "minimalist"],
        "dominant_colors": ["navy", "teal"],
        "associations": ["harbour", "sea glass", "fjord", "rope", "lighthouse"],
        "seasonal": ["winter"],
        "temperature": "cool",
        "contrast": "low",
        "brightness": "dark",
        "saturation": "vibrant",
    },
    REDS: {
        "mood": ["passionate", "nostalgic", "warm-hearted"],
        "style": ["mediterranean", "retro"],
        "dominant_colors": ["maroon", "peach"],
        "associations": ["brick", "theatre curtain", "ripe peach", "red wine", "terracotta", "campfire"],
        "seasonal": [],
        "temperature": "warm",
        "contrast": "high",
        "brightness": "medium",
        "saturation": "vibrant",
    },
    GREENS: {
        "mood": ["restful", "secretive"],
        "style": ["botanical", "art nouveau"],
        "dominant_colors": ["green"],
        "associations": ["moss on stone", "fern", "herb garden", "pine ridge", "ivy"],
        "seasonal": ["spring", "summer"],
        "temperature": "cool",
        "contrast": "high",
        "brightness": "varied",
        "saturation": "mixed",
    },
    GREYS: {
        "mood": ["austere", "hushed"],
        "style": ["brutalist", "film noir"],
        "dominant_colors": ["gray", "silver"],
        "associations": ["concrete", "slate roof", "fog", "graphite", "steel"],
        "seasonal": ["winter"],
        "temperature": "neutral",
        "contrast": "high",
        "brightness": "varied",
        "saturation": "muted",
    },
}
_OPEN_WORDS = """
    a an the and or but nor of to with from into in at by for as than between under over its their no very
"""
OPEN = _OPEN_WORDS.split()
_VERBS_WORDS = """
    are asks carry carries climb cuts deepens dominates drift fades falls feels fit flash gives glow go hold holds
    hums include is keep lie lies lifts lightens meet meets moves opens passes closes place recalls reminds rests
    rises roll rolls runs serves share shift shows sinks slips softens stands stays suits would
"""
VERBS = frozenset(_VERBS_WORDS.split())


def problems(text: str, written: str = "") -> list[str]:
    """What an editor would strike. A sentence that stands in `written` may lack a verb, for so it was written."""
    found = [] if 30 <= len(text.split()) <= 50 else [f"{len(text.split())} words"]
    found += [f"{one}{other}" for one, other in ("()", "[]", "“”") if text.count(one) != text.count(other)]
    found += ["quotation marks"] if text.count('"') % 2 else []
    marks = r"[,;:!?]{2,}|\.[,;:]|\s[,.;:!?]|[,;:–—-]$|[,;:–—] *[.!?]|\( | \)|\(\)"
    found += [one[0] for one in re.finditer(marks, text)]
    found += [one[0] for one in re.finditer(rf"\b(?:{'|'.join(OPEN)})(?:[,.;:!?]|$)", text)]
    found += [
        one[0] for one in re.finditer(r"\b(?:a|an|the|no|of|from|with|and|or) (?:and|or|of|in|into|then|to)\b", text)
    ]
    for sentence in re.split(r"(?<=[.!?]) (?!Who)", text):
        letters = sentence.lstrip('“"(')
        if not letters[:1].isupper() or not re.search(r"[.!?][”\")]?$", sentence):
            found.append(f"neither a capital first nor an end: {sentence}")
        if sentence not in written and not VERBS.intersection(sentence.rstrip(".").lower().split()[1:]):
            found.append(f"no verb: {sentence}")
    return found


def refined(rgb: Colours, text: str) -> str:
    said = json.dumps({**TAGS[rgb], "embed_text": text})
    found = read_refined(said, None, None, color_names(rgb), ("analogous",), rgb)
    assert isinstance(found, Refined)
    return found.embed_text


@pytest.mark.parametrize(
    "broken",
    [
        "Navy gives way to, and, then to pale blue.",
        "There is no in it.",
        "navy fades.",
        "Navy fades",
        "Deep navy and.",
        "Navy (fades.",
        "A sky of and teal is calm.",
        "A deep sea.",
        "Navy fades,, then.",
        "Navy fades —.",
    ],
)
def test_the_checker_sees_what_is_broken(broken: str) -> None:
    filled = "It is calm and quiet, it is cold and clear, it is what a person sees from the pier on a winter evening."
    assert problems(f"{filled} Navy fades into teal and rests there.", filled) == []
    assert problems(f"{filled} Teal rests there as well. {broken}", filled) != []


@pytest.mark.parametrize(("rgb", "text", "stays"), TEXTS)
def test_whole_sentences_without_the_colours_that_are_not_there(
    rgb: Colours, text: str, stays: tuple[str, ...]
) -> None:
    found = refined(rgb, text)
    assert problems(found, text) == []
    rest = found
    for phrase in stays:
        assert phrase in found
        rest = rest.replace(phrase, "")
    assert not set(ABSENT[rgb].split()) & set(re.findall(r"[a-z]+", rest.lower()))
    assert refined(rgb, found) == found


def test_a_sentence_that_names_none_stays_as_it_was() -> None:
    for rgb, text, _ in TEXTS[:5]:
        assert text.rsplit(". ", 1)[-1] in refined(rgb, text)


_STARTS = ["Navy", "The sea", "A red sun", "Deep teal", "Orange light", "no red", "The Red Sea", "It", "Then it"]
_VERBS = ["fades", "gives way", "is calm", "glows", "recalls", "drifts", "stays"]
_ENDS = ["into teal", "to red and orange", "without any red", "like a harbour", "from pink to blue", "(reddish)", "of"]
_MARKS = [".", "!", ";", ",", " —", "", "…", ".”", ":", "?"]
_CLAUSE = st.tuples(*map(st.sampled_from, (_STARTS, _VERBS, _ENDS, _MARKS))).map(lambda one: " ".join(one[:3]) + one[3])
_PROSE = st.lists(_CLAUSE | st.text(max_size=12) | st.sampled_from(["“", "(", "red", "St. Ives", "&lt;"]), max_size=14)


UNMARKED_END = "Navy fades into teal. Navy fades into teal. Navy fades without any red A red sun fades into teal."


@pytest.mark.parametrize("behind", ["A red sun", "a red sun", "at all the red sun", "its red"])
def test_a_denial_ends_where_a_new_phrase_begins(behind: str) -> None:
    assert " red" not in refined(BLUES, f"Navy fades into teal. Navy fades without any red {behind} fades into teal.")


@pytest.mark.parametrize("denied", ["without a red", "without the red or pink", "with no red and no trace of a pink"])
def test_a_denial_reaches_over_an_article(denied: str) -> None:
    text = f"Navy fades into teal {denied}."
    assert text in refined(BLUES, text)


@settings(deadline=None)
@example(UNMARKED_END, BLUES)
@given(_PROSE.map(" ".join), st.sampled_from([BLUES, GREYS, GREENS]))
def test_whatever_was_written(text: str, rgb: Colours) -> None:
    found = refined(rgb, text)
    assert 30 <= len(found.split()) <= 50
    assert refined(rgb, found) == found
    rest = re.sub(r"(?i)(?:no|without any) red(?:,? red)*|the red sea", "", found)
    assert not {"red", "reddish", "pink"} & set(re.findall(r"[a-z]+", rest.lower()))
    if found.split() != plain_words(text):
        assert re.search(r"[.!?…][\"'”’»)\]]*$", found)
        assert found.count("(") == found.count(")")
        assert found.count("“") == found.count("”")
