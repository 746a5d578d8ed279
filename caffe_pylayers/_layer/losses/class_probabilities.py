"""The base of losses of class probabilities, which come as they are or as scores."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.probabilities import (
    ACTIVATIONS,
    check_probabilities,
    probabilities_backward,
    probabilities_forward,
)

__all__ = ["ProbabilityLoss", "activation", "finite_where_unweighted", "where_weighted"]


def finite_where_unweighted(values: Any, w: Any) -> Any:
    """Return the values with 0 in place of NaN and infinity where the weights are 0, which broadcast to them."""
    if not arrays.may_be_no_number(values.sum()):
        return values
    values = arrays.astype(values, values)
    arrays.put_where(values, ~(abs(values) < math.inf) & (w == 0), 0)
    return values


def where_weighted(w: Any, shape: Any) -> Any:
    """Return where weights (N, 1, L) or (N, C, L) are not 0, so that it broadcasts to an array of this shape.

    shape: (N, C, ...), or without C where it is 1. None, for weights that are None, stays so.
    """
    if w is None or math.prod(w.shape) == math.prod(shape):
        return None if w is None else (w != 0).reshape(tuple(shape))
    return (w != 0).reshape((shape[0], 1, *shape[2:]))


def activation(default: str) -> Parameter:
    """Return the declaration of what makes probabilities of bottom[0]."""
    return Parameter(
        str,
        default,
        choices=ACTIVATIONS,
        doc="what makes probabilities of bottom[0]: none, where it holds them; sigmoid; softmax over axis 1",
    )


class ProbabilityLoss(Layer):
    """A loss of the class probabilities p that bottom[0] (N, C, ...) holds, or that an activation makes of its scores.

    A subclass calls ``plan_predictions`` in its plan, ``take_probabilities`` in forward, and, in backward,
    ``through_activation`` with the gradient of p.
    """

    array_api = True

    activation = activation("softmax")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan_predictions(self, predictions: Any, least: int = 1, hint: str = "") -> None:
        """Take the shape (N, C, ...) of bottom[0], with so many classes at least, and make its buffers."""
        shape = tuple(predictions.shape)
        if len(shape) < 2 or shape[1] < least:
            raise checks.error(
                self, f"bottom[0] (predictions) must have shape (N, C, ...) with C >= {least}, got {shape}{hint}"
            )
        if self.activation == "softmax" and shape[1] == 1:
            raise checks.error(self, "activation softmax needs two channels or more in bottom[0]; of one it is sigmoid")
        self._shape = (*shape[:2], math.prod(shape[2:]))
        self._scratch = arrays.new(predictions, self._shape)
        self._probabilities = None if self.activation == "none" else arrays.new(predictions, self._shape)

    def take_probabilities(self, predictions: Any, w: Any = None) -> Any:
        """Return p (N, C, L), finite where the weights w are 0, which broadcast to it; None: all count."""
        p = predictions.reshape(self._shape)
        if self._probabilities is None:
            what = "bottom[0] (predictions), with activation none,"
            check_probabilities(self, what, predictions, where_weighted(w, predictions.shape))
        else:
            probabilities_forward(self.xp, p, self.activation, self._probabilities)
            p = self._probabilities
        return p if w is None else finite_where_unweighted(p, w)

    def through_activation(self, p: Any, d: Any) -> None:
        """Turn d, the gradient of p, into that of bottom[0], in place."""
        if self._probabilities is not None:
            probabilities_backward(self.xp, p, self.activation, d, self._scratch)
