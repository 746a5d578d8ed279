"""The base of losses of logarithms of class probabilities, which come as scores or as they are."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.probabilities import (
    check_probabilities,
    probabilities_backward,
    probabilities_forward,
)

LEAST = 1e-20  # what is less counts as this in a logarithm, and has no gradient


class ProbabilityLoss(Layer):
    """A loss of bottom[0], scores or probabilities (N, C, ...). A subclass has ``losses``, and gradients of p."""

    array_api = True

    activation = Parameter(
        str, "softmax", choices=("none", "softmax"), doc="of bottom[0], over axis 1; none, where it holds probabilities"
    )
    min_prob = Parameter(
        float,
        1e-4,
        low=0,
        doc="m: p becomes (p + m) / (1 + C m), away from 0; 0 where it already is",
    )

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan_predictions(self, predictions: Any) -> None:
        """Take the shape (N, C, ...) of bottom[0], and make its buffers."""
        shape = tuple(predictions.shape)
        if len(shape) < 2 or shape[1] < 2 or 0 in shape[2:]:
            raise checks.error(
                self, f"bottom[0] (predictions) must have shape (N, C, ...) with two classes or more, got {shape}"
            )
        self._shape = (*shape[:2], math.prod(shape[2:]))
        self._p, self._scratch = arrays.new(predictions, self._shape), arrays.new(predictions, self._shape)
        self._probabilities = arrays.new(predictions, self._shape) if self.activation == "softmax" else None

    def take_probabilities(self, predictions: Any) -> Any:
        """Return p (N, C, L), which is above 0."""
        x = predictions.reshape(self._shape)
        if self._probabilities is not None:
            probabilities_forward(self.xp, x, self.activation, self._probabilities)
            x = self._probabilities
        else:
            check_probabilities(self, "bottom[0] (predictions)", predictions)
        self._mix = 1 / (1 + self._shape[1] * self.min_prob)
        self._p[...] = x
        self._p += self.min_prob
        self._p *= self._mix
        if not self.min_prob:
            self._p[...] = self._p.clip(LEAST, None)
        return self._p

    def write_gradient(self, d_p: Any, scale: Any, d_predictions: Any) -> None:
        """Write the gradient of bottom[0] from that of p, times the scale."""
        d = d_predictions.reshape(self._shape)
        self.xp.multiply(d_p, scale * self._mix, out=d)
        if not self.min_prob:
            d *= self._p > LEAST
        if self._probabilities is not None:
            probabilities_backward(self.xp, self._probabilities, self.activation, d, self._scratch)
