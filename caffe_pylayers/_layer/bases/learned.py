"""Learned blobs of Python layers, and the values they have before training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions import draws

__all__ = ["FILLERS", "Filled", "check_learned", "filled", "learn"]

FILLERS = ("constant", "uniform", "gaussian", "xavier", "msra", "gaussian_unitball")


def learn(layer: Any, *values: Any) -> None:
    """Give a layer learned blobs with these values, in setup; those that the prototxt gives stay as they are.

    A caffemodel's values replace them when it is loaded, as those of every layer.

    values: a numpy array for each blob.
    Raises ValueError where the prototxt gives blobs of another number or of other shapes.
    """
    if len(layer.blobs):
        given = [tuple(layer.blobs[i].shape) for i in range(len(layer.blobs))]
        wanted = [value.shape for value in values]
        if given != wanted:
            raise checks.error(layer, f"its learned blobs must have shapes {wanted}, got {given}")
        return
    for i, value in enumerate(values):
        layer.blobs.add_blob(*map(int, value.shape))
        data = layer.blobs[i].data
        data[...] = arrays.from_numpy(value, data)


def check_learned(layer: Any, values: int, what: str) -> None:
    """Raise unless the rows of a layer's blob 0 have so many values; what: has them now."""
    rows = tuple(layer.blobs[0].shape)
    if rows[1] != values:
        raise checks.error(layer, f"{what} has {values} values a sample, but blobs[0] {rows} was made for {rows[1]}")


def filled(shape: tuple[int, ...], filler: str, value: float | None = None, seed: int = 1) -> Any:
    """Return numbers as Caffe's filler of this name draws them, float64.

    constant: value everywhere, 0 by default. uniform: in [-value, value], by default 1. gaussian: mean 0, standard
    deviation value, by default 0.01. xavier: uniform of variance 1 / n, msra: gaussian of variance 2 / n, with n
    values for each first index. gaussian_unitball, of caffe-windows: a direction of length 1 for each first index.
    """
    random = draws.fixed(seed)
    inputs = max(math.prod(shape[1:]), 1)
    if filler == "constant":
        return np.full(shape, 0.0 if value is None else value)
    if filler == "uniform":
        bound = 1.0 if value is None else value
        return random.uniform(-bound, bound, shape)
    if filler == "xavier":
        return random.uniform(-math.sqrt(3 / inputs), math.sqrt(3 / inputs), shape)
    if filler == "gaussian_unitball":
        values = random.standard_normal((*shape[:1], inputs))
        return (values / np.sqrt((values * values).sum(-1, keepdims=True) + 1e-12)).reshape(shape)
    deviation = math.sqrt(2 / inputs) if filler == "msra" else 0.01 if value is None else value
    return deviation * random.standard_normal(shape)


class Filled(Layer):
    """A layer whose learned values a filler draws.

    The numbers are those of the seed, on every engine and machine: Caffe's own random numbers are out of a Python
    layer's reach.
    """

    filler = Parameter(str, "xavier", choices=FILLERS, doc="how the learned values are drawn, as Caffe's fillers")
    filler_value = Parameter(
        float, None, doc="of constant: the value (0); uniform: the bound (1); gaussian: the standard deviation (0.01)"
    )
    seed = draws.fixed_seed_parameter("the filler's random numbers")

    def filled(self, *shape: int, blob: int = 0) -> Any:
        """Return the values before training of a learned blob of this shape; each blob has other random numbers."""
        return filled(shape, self.filler, self.filler_value, self.seed + blob)
