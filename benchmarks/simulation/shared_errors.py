"""Who is wrong about which item: annotators of known error rates under five models of shared errors."""

from __future__ import annotations

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats

ERROR_MODELS = ("independent", "families", "wave one", "trap for all", "hidden")
ERROR_MODEL_WORDS = {
    "independent": "each model errs on its own",
    "families": "relatives share 90 % of their errors",
    "wave one": "the models of wave one share 90 % of their errors where a field is not clear-cut, and none elsewhere",
    "trap for all": "all models share 60 % of their errors, wherever they are",
    "hidden": "all models share 60 % of their errors where a field is not clear-cut, and none elsewhere",
}
SHARED_BY_RELATIVES, SHARED_BY_ALL = 0.9, 0.6


def wrong(
    model: str, rates: Floats, group: Flags | Floats, first: Flags, clear: Flags, random: np.random.Generator
) -> tuple[Flags, Flags]:
    """Which annotator errs on which item, and where it is the error that it shares: both of shape (items, annotators).

    `rates`: how often each errs. `group`: the number of each annotator's family. `first`: who is in wave one. `clear`:
    the items that are clear-cut, on which hidden errors never show.
    """
    shape = (clear.size, rates.size)
    part = np.zeros(shape)
    draw = random.random(shape)
    match model:
        case "families":
            part[:] = SHARED_BY_RELATIVES
            draw = random.random(shape)[:, np.asarray(group, dtype=np.int64)]
        case "wave one":
            part[np.ix_(~clear, first)] = SHARED_BY_RELATIVES
        case "trap for all":
            part[:] = SHARED_BY_ALL
        case "hidden":
            part[~clear] = SHARED_BY_ALL
    if model in ("wave one", "trap for all", "hidden"):
        draw = np.broadcast_to(random.random((clear.size, 1)), shape)
    together = draw < part * rates
    alone = random.random(shape) < (rates - part * rates) / (1 - part * rates)
    return together | alone, together
