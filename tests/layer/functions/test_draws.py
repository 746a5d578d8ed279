"""Layers' own random numbers."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.functions.draws import Draws


@pytest.mark.parametrize("seed", [5, None])
def test_each_solver_draws_numbers_of_its_own(seed):
    caffe = _engine.caffe()

    def drawn(rank):
        caffe.set_solver_rank(rank)
        np.random.seed(3)
        try:
            return Draws(seed).host.random(4).tolist()
        finally:
            caffe.set_solver_rank(0)

    assert drawn(0) == drawn(0) != drawn(1) == drawn(1) != drawn(2)
    assert seed is None or drawn(0) == np.random.default_rng(seed).random(4).tolist()
