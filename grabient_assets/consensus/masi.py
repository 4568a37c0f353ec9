"""MASI: how far two sets of tags are apart.

R. Passonneau, "Measuring Agreement on Set-valued Items (MASI) for Semantic and Pragmatic Annotation", LREC 2006:
MASI = J * M, with the Jaccard coefficient J = |A and B| / |A or B| and M = 1 for equal sets, 2/3 when one holds the
other, 1/3 when they merely overlap, 0 when they share nothing. The distance is 1 - MASI. Two empty sets are equal.

It depends on three numbers only: the sizes of both sets and of what they share. set_agreement.py lives by that.
"""

from __future__ import annotations

import numpy as np

from grabient_assets.consensus.grouping import Floats, Ints


def masi_distance(left: Ints, right: Ints, shared: Ints) -> Floats:
    """The distance of sets of size `left` and `right` that have `shared` tags in common; arrays broadcast."""
    left, right, shared = np.broadcast_arrays(left, right, shared)
    union = left + right - shared
    jaccard = np.divide(shared, union, out=np.ones(union.shape), where=union > 0)
    # Where nothing is shared the Jaccard coefficient is 0 already.
    monotonic = np.select([shared == union, shared == np.minimum(left, right)], [1.0, 2 / 3], 1 / 3)
    return 1 - jaccard * monotonic
