"""One layer with its parameters and bottoms, to be run by real Caffe and by the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

TRAIN, TEST = 0, 1


@dataclass
class Case:
    """A layer, its bottoms and how it runs, for both engines.

    type: Caffe's name of the layer type.
    param: the rest of the layer's prototxt: 'relu_param { negative_slope: 0.1 }', 'propagate_down: true', ...
    bottoms: the bottoms' values, float32; labels as integers in a float array.
    tops: how many tops.
    phase: TRAIN or TEST.
    down: the bottoms whose gradients are compared; default: all. Empty for a layer without backward.
    loss_weight: of the first top; it is then not given a random gradient.
    in_place: the top is the bottom.
    rtol, atol: of float32; exact means equal to the last bit.
    arrays: data and labels, float32 of four axes, for Net.set_input_arrays: MemoryData's.
    before: bottoms that the layer is set up on, and runs on, before it runs on these: Caffe has no memory for a blob
        that was always empty.
    """

    type: str
    param: str
    bottoms: Sequence[np.ndarray]
    tops: int = 1
    phase: int = TRAIN
    down: Sequence[int] | None = None
    loss_weight: float | None = None
    in_place: bool = False
    rtol: float = 1e-4
    atol: float = 1e-5
    exact: bool = False
    arrays: Sequence[np.ndarray] = ()
    before: Sequence[np.ndarray] = ()


def normal(*shape, seed=0, scale=1.0):
    """Normally distributed values, float32."""
    return (scale * np.random.RandomState(seed).standard_normal(shape)).astype(np.float32)


def uniform(*shape, low=0.0, high=1.0, seed=0):
    """Uniformly distributed values, float32."""
    return np.random.RandomState(seed).uniform(low, high, shape).astype(np.float32)


def integers(*shape, high, seed=0):
    """Integers in [0, high), as float32: labels, indices."""
    return np.random.RandomState(seed).randint(0, high, shape).astype(np.float32)
