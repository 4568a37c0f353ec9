"""Time and memory as items grow: the whole consensus, and one field beside crowd-kit. Each in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from simulation.annotators import SCENARIOS, TAG_KINDS, Field, TagField, categorical_field, tag_field

from grabient_assets.consensus.agreement import Bootstrap, item_entropy, nominal_alpha, set_alpha
from grabient_assets.consensus.dawid_skene import estimate, estimate_tags
from grabient_assets.consensus.expectation import ErrorModel
from grabient_assets.consensus.gold import measure_skill
from grabient_assets.consensus.majority import majority, tag_majority

BOOTSTRAP = Bootstrap(1)


@dataclass(frozen=True)
class Cost:
    """`seconds` by the clock and `cpu` of all cores, from rows of answers on; `peak`: MiB of the process.

    Inventing the answers is not in the seconds, but in the peak.
    """

    what: str
    items: int
    seconds: float
    cpu: float
    peak: float


def all_fields(items: int) -> Cost:
    """Four categorical and six tag fields: majority, one-coin, full anchored, alpha with intervals, entropy, skill."""
    clock = _Clock()
    for scenario in SCENARIOS[:4]:
        field = categorical_field(scenario, items, 1)
        clock.run(lambda field=field: _categorical(field))
    for kind in TAG_KINDS:
        tags = tag_field(kind, items, 1)
        clock.run(lambda tags=tags: _tags(tags))
    return clock.cost("all fields", items)


def our_dawid_skene(items: int) -> Cost:
    """One categorical field, full Dawid-Skene, from rows of answers to probabilities."""
    field = categorical_field("independent", items, 1, analyses=1)
    clock = _Clock()
    clock.run(lambda: estimate(field.annotations()))
    return clock.cost("ours", items)


def crowd_kit(items: int) -> Cost:
    """The same rows through crowd-kit's DawidSkene, as it is by default."""
    import pandas
    from crowdkit.aggregation.classification import DawidSkene

    field = categorical_field("independent", items, 1, analyses=1)
    frame = pandas.DataFrame({"task": field.item, "worker": field.annotator, "label": field.value})
    clock = _Clock()
    clock.run(lambda: DawidSkene().fit_predict_proba(frame))
    return clock.cost("crowd-kit", items)


def in_own_process(what: str, items: int) -> Cost:
    """Run one of the three above in a fresh process, so that its peak memory is its own."""
    script = Path(__file__).parents[1] / "consensus.py"
    done = subprocess.run(
        [sys.executable, str(script), "--only", what, "--items", str(items)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Cost(**json.loads(done.stdout))


def print_cost(what: str, items: int) -> None:
    """What a process started by in_own_process says."""
    measured = {"all fields": all_fields, "ours": our_dawid_skene, "crowd-kit": crowd_kit}[what](items)
    print(json.dumps(asdict(measured)))


def _categorical(field: Field) -> None:
    annotations = field.annotations()
    majority(annotations)
    for model, gold in ((ErrorModel.ONE_COIN, None), (ErrorModel.FULL, field.gold)):
        estimate(annotations, model, gold)
    nominal_alpha(annotations, BOOTSTRAP)
    item_entropy(annotations)
    measure_skill(annotations, field.gold)


def _tags(field: TagField) -> None:
    annotations = field.annotations()
    tag_majority(annotations)
    estimate_tags(annotations)
    set_alpha(annotations, BOOTSTRAP)


class _Clock:
    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def run(self, work: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.seconds += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu

    def cost(self, what: str, items: int) -> Cost:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Cost(what, items, round(self.seconds, 2), round(self.cpu, 2), round(peak))
