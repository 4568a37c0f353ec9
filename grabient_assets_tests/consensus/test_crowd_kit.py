"""crowd-kit as an oracle: without smoothing and after the same number of iterations the methods coincide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation.classification import DawidSkene, MajorityVote, OneCoinDawidSkene

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.dawid_skene import estimate
from grabient_assets.consensus.expectation import NO_SMOOTHING, ErrorModel, Stop
from grabient_assets.consensus.gold import UNKNOWN
from grabient_assets.consensus.grouping import Floats
from grabient_assets.consensus.majority import majority
from grabient_assets_tests.consensus.invented import invented

SAME = 1e-6
# crowd-kit 1.4.2 uses arguments that pandas 3 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pandas.errors.Pandas4Warning")
SKILLS = [0.9, 0.75, 0.6, 0.5, 0.8, 0.3]


def panel(seed: int, silent: float = 0.2) -> tuple[Annotations, np.ndarray]:
    annotations, truth = invented(SKILLS, items=400, values=4, seed=seed)
    spoken = np.random.default_rng(seed).random(annotations.ballot_item.size) >= silent
    # At least two annotators on every item: an item without answers is none to crowd-kit.
    return annotations.only(spoken | (annotations.ballot_annotator < 2)), truth


def frame(annotations: Annotations) -> pd.DataFrame:
    ballot = annotations.entry_ballot
    return pd.DataFrame(
        {
            "task": annotations.ballot_item[ballot],
            "worker": annotations.ballot_annotator[ballot],
            "label": annotations.entry_value,
        }
    )


def table(probabilities: pd.DataFrame) -> Floats:
    return probabilities.sort_index().sort_index(axis=1).to_numpy()


@pytest.mark.parametrize("seed", range(3))
def test_majority_vote(seed: int) -> None:
    annotations, _ = panel(seed)
    theirs = MajorityVote().fit(frame(annotations))
    of, found = annotations.candidates, majority(annotations)
    shares = np.zeros((400, 4))
    shares[of.item, of.value] = found.share
    assert theirs.probas_ is not None
    assert shares == pytest.approx(table(theirs.probas_), abs=SAME)
    clear = np.sort(shares)[:, -1] > np.sort(shares)[:, -2]
    assert theirs.labels_ is not None
    assert np.array_equal(found.top[clear], theirs.labels_.sort_index().to_numpy()[clear])


@pytest.mark.parametrize("iterations", [1, 5, 40])
@pytest.mark.parametrize("seed", range(3))
def test_full_dawid_skene(seed: int, iterations: int) -> None:
    annotations, _ = panel(seed)
    theirs = DawidSkene(n_iter=iterations, tol=-np.inf).fit_predict_proba(frame(annotations))
    ours = estimate(annotations, ErrorModel.FULL, None, NO_SMOOTHING, Stop(iterations, -1.0))
    assert ours.fit.iterations == iterations
    assert ours.posterior == pytest.approx(table(theirs), abs=SAME)


@pytest.mark.parametrize("iterations", [1, 5, 40])
def test_one_coin_dawid_skene(iterations: int) -> None:
    annotations, _ = panel(4)
    theirs = OneCoinDawidSkene(n_iter=iterations, tol=-np.inf).fit_predict_proba(frame(annotations))
    ours = estimate(annotations, ErrorModel.ONE_COIN, None, NO_SMOOTHING, Stop(iterations, -1.0))
    assert ours.posterior == pytest.approx(table(theirs), abs=SAME)


def test_dawid_skene_anchored_on_gold() -> None:
    annotations, truth = panel(5)
    known = np.arange(400) % 3 == 0
    labels = pd.Series(truth[known], index=np.flatnonzero(known))
    theirs = DawidSkene(n_iter=20, tol=-np.inf).fit_predict_proba(frame(annotations), labels)
    ours = estimate(annotations, ErrorModel.FULL, np.where(known, truth, UNKNOWN), NO_SMOOTHING, Stop(20, -1.0))
    assert ours.posterior == pytest.approx(table(theirs), abs=SAME)
