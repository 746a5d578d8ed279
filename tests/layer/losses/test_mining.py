"""hardest: so many of the largest among the candidates, of equal ones the first."""

import numpy as np
import pytest

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.losses.mining import hardest

LOSSES = [[3.0, 1.0, 2.0, 2.0, 0.0], [5.0, 5.0, 5.0, 5.0, 5.0]]
CANDIDATES = [[True, True, True, True, True], [False, True, True, False, True]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([0, 0], [[], []]),
        ([1, 1], [[0], [1]]),
        ([2, 2], [[0, 2], [1, 2]]),
        ([9, 9], [[0, 1, 2, 3, 4], [1, 2, 4]]),
    ],
)
def test_hardest(kind, counts, kept):
    make = np.array if kind == "numpy" else pytest.importorskip("torch").tensor
    losses, candidates = make(LOSSES), make(CANDIDATES)
    xp = arrays.namespace(losses)
    found = hardest(xp, losses, candidates, counts)
    assert [np.flatnonzero(row).tolist() for row in arrays.to_numpy(found)] == kept
    for i in range(2):
        alone = hardest(xp, losses[i : i + 1], candidates[i : i + 1], counts[i : i + 1])
        assert np.flatnonzero(arrays.to_numpy(alone)).tolist() == kept[i]
