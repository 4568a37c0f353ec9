"""Every number that an asset check compares with and the reason for it, and the form of a result.

They are not settings. A threshold defines good data for this project, so it is changed here, for everybody, in a commit
that gives the reason. For a single palette a person can set `despite_checks` (refinement_batches). Checks that
must find nothing at all (fates that do not add up, words outside their enumeration) have no number here.

A check is an error when it finds a wrong row, or keeps palettes from refinement; it warns when a person should look.
docs/consensus.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Threshold:
    """What lies on `limit` passes. `cases`: below so many nothing is judged (0: always). `why` are sentences."""

    limit: float
    why: str
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, before it goes to Dagster: plain figures, so that rules and tests need no Dagster.

    `found` is a count of cases that must be 0. `threshold` is the limit that each case was compared with, and
    `examples` name some of them; `figures` are further numbers and `notes` further texts, by name; `table` is Markdown.
    """

    found: int
    threshold: float = 0
    examples: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    table: str = ""


UNUSABLE_ANSWERS = Threshold(
    limit=0.10,
    cases=50,
    why="Every tenth dollar buys nothing then, and the prompt, the schema or the token limit does not suit the model. "
    "Of 50 answers of a model that leaves 2 % unusable, which is much, more than 5 are so once in 2,000 times.",
)
"""Share of a model's answers under a prompt version that cannot be used."""

CHAIN_NOISE = Threshold(
    limit=2.0,
    why="Every edit redraws the picture and adds grain. Twice the grain of the root is what one sees without looking "
    "for it; from there on each edit makes it worse.",
)
"""Noise of an edited image in relation to that of its root, at the end of two edits or more."""

CHAIN_DRIFT = Threshold(
    limit=0.5,
    why="Half of the structure of the root, or its colour, is lost then: the picture has become another one by itself.",
)
"""Drift of an edited image from its root, at the end of two edits or more."""

ANSWERING_MODELS = Threshold(
    limit=0.50,
    why="With fewer than half of the models that were asked, the consensus is the word of a minority nobody chose: "
    "what one model refuses its relatives may refuse too, so what is left is not a smaller panel but a one-sided one.",
)
"""Share of the models asked about a palette that gave a usable answer; below it the palette is not refined."""

WORDS_OUTSIDE = Threshold(
    limit=0.05,
    cases=50,
    why="The lists stand in every prompt and in the schema of every answer. A model that takes every twentieth word "
    "from elsewhere has not read them, and what it means by those words counts for nothing.",
)
"""Share of a model's words in the fields with a closed list that stand in no list, from so many answers on."""

MODELS_OUTSIDE = Threshold(
    limit=0.50,
    why="When most models name something that the list of a field lacks, the few that did not decide the field, and it "
    "may be the list that is wrong.",
)
"""Share of the answering models whose value of a field stands in no list; above it the palette is not refined."""

ACCURACY_FALL = Threshold(
    limit=0.05,
    why="Fewer points are not worth a look. Besides, the two 95 % intervals must lie apart: by chance they do so in 3 "
    "of 1,000 comparisons, and a report makes forty.",
)
"""How far a model's accuracy on a computed fact may lie below that under the last prompt version."""

AGREEMENT = Threshold(
    limit=0.667,
    cases=20,
    why="Krippendorff's own limit, below which not even tentative conclusions are drawn (Content Analysis, 2004, page "
    "241). These fields can be measured, so models that do not agree on them have not understood the question. "
    "Intervals drawn from fewer than 20 palettes are narrower than what is known.",
)
"""Krippendorff's alpha of a field with one value out of a closed list."""

TAG_AGREEMENT = Threshold(
    limit=0.10,
    cases=20,
    why="Sets of free words agree far less: the emulated panel reaches 0.23 to 0.73. At 0 models agree no more than by "
    "chance, and what the refiner is told says nothing about the palette.",
)
"""Krippendorff's alpha (MASI) of a field of tags."""

BATCH_ENDS_WITHIN = timedelta(hours=24)
"""Anthropic, OpenAI and Groq promise to end a batch within 24 hours; Google aims at it, and drops it after 48."""

PUT_OFF_AT_MOST = timedelta(hours=24)
"""A full queue empties when the batches in it end, and those end within a day."""

CREATE_IS_CLEARED_UP_WITHIN = timedelta(hours=1)
"""A create call without an answer is cleared up within minutes, unless something holds it up."""

STATEMENT_WORDS = (60, 150)
"""The least and the most words of an artist statement: what the prompt asks for."""

ENTRY_WORDS = 40
"""The most words of the content of a knowledge entry: what the prompt asks for."""
RETRIEVAL_RECALL = Threshold(
    limit=0.75,
    why="The local embedder reaches 0.88 on the fixture of 61 entries and 30 questions, so four more questions may "
    "fail. Of 200 shuffles of its vectors the best one reaches 0.28.",
)
"""Share of the groups of entries that a question needs of which one is among the first five."""

RETRIEVAL_MRR = Threshold(
    limit=0.65,
    why="The local embedder reaches 0.77, the best of 200 shuffles of its vectors 0.19.",
)
"""Mean reciprocal rank of the first entry that a question needs."""

RETRIEVAL_NDCG = Threshold(
    limit=0.62,
    why="The local embedder reaches 0.75, the best of 200 shuffles of its vectors 0.17.",
)
"""nDCG@10 of the entries that a question needs."""
