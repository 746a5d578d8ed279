"""Losses of directions: vectors whose length does not matter, such as surface normals and embeddings.

    layer {
      name: "loss"  type: "Python"
      bottom: "normals"  bottom: "true_normals"  bottom: "mask"  top: "loss"
      python_param { module: "caffe_pylayers.directions"  layer: "CosineLoss"  param_str: "{'axis': 1}" }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import blocks, part
from caffe_pylayers._layer.embeddings.cosines import inverse_lengths, unit_vectors
from caffe_pylayers._layer.losses.pair_loss import BlockLoss

__all__ = [
    "AngularLoss",
    "CosineLoss",
    "angular_backward",
    "angular_forward",
    "cosine_backward",
    "cosine_forward",
]


def cosine_forward(xp, units, others, axis):
    """Return 1 - cos of two unit vectors: half the square of their distance, exact for nearly equal ones."""
    gaps = units - others
    return (gaps * gaps).sum(axis, keepdims=True) / 2


def cosine_backward(xp, units, others, axis):
    """Return d_units of cosine_forward, at right angles to the units: cos units - others."""
    return (units * others).sum(axis, keepdims=True) * units - others


def angular_forward(xp, units, others, axis):
    """Return the angle of two unit vectors, in radians: 2 atan2(|u - v|, |u + v|).

    arccos(u v) would lose half of its digits near 0 and pi.
    """
    gaps, sums = units - others, units + others
    gap = xp.sqrt((gaps * gaps).sum(axis, keepdims=True))
    return xp.arctan2(gap, xp.sqrt((sums * sums).sum(axis, keepdims=True))) * 2


def angular_backward(xp, units, others, axis, eps=1e-6):
    """Return d_units of angular_forward: of length 1, at right angles to the units, away from the others.

    Where they are parallel or opposite, which the sine of their angle below eps tells, it is 0.
    """
    away = cosine_backward(xp, units, others, axis)
    return unit_vectors(xp, away, axis, eps)[0]


class _DirectionLoss(BlockLoss):
    """loss = sum(w f(a, b)) / Z over the positions of two blobs of vectors; term and d_unit are f and its gradient."""

    without_direction = 0.0  # f where a vector is too short to have a direction

    axis = Parameter(int, 1, doc="the axis of the vectors; negative counts from the end")
    eps = Parameter(float, 1e-8, above=0, doc="vectors shorter than this have no direction, and no gradient")
    ignore_zeros = Parameter(bool, False, doc="positions whose target is shorter than eps count nothing")

    def plan(self, predictions, targets, weights=None):
        shape = tuple(predictions.shape)
        checks.same_shape(self, "bottom[1] (targets)", targets.shape, "bottom[0] (predictions)", shape)
        self._axis = axis = checks.axis(self, self.axis, len(shape), f"bottom[0] (predictions) of shape {shape}")
        positions = (*shape[:axis], 1, *shape[axis + 1 :])
        self.plan_positions(shape[0], positions, weights, "bottom[0] (predictions), 1 on its axis,")
        self._whole = predictions.shape
        self._views = [shape, shape] if weights is None else [shape, shape, self._weights_shape]
        self._blocks = blocks(predictions, [axis])
        return [(1,)]

    def parts(self, bottom):
        all_weights = self.weights_of(bottom)
        for block in self._blocks:
            a, b = (unit_vectors(self.xp, bottom[i].data[block], self._axis, self.eps) for i in (0, 1))
            numbers = self.xp.isfinite(a[1] + b[1])
            short = [lengths < self.eps for _, lengths in (a, b)]
            valid = arrays.astype(~short[1], b[1]) if self.ignore_zeros else None
            weights = None if all_weights is None else part(all_weights, block)
            yield self.part(block, [a, b, (short[0] | short[1]) & numbers], valid, weights)

    def terms(self, a, b, unknown):
        return self.xp.where(unknown, self.without_direction, self.term(a[0], b[0]))

    def gradient(self, each, factor, diffs):
        a, b, unknown = each.arrays
        for diff, x, y in ((diffs[0], a, b), (diffs[1], b, a)):
            if diff is not None:  # d_x = d_unit / |x|, for d_unit at right angles to the unit
                d_x = self.d_unit(x[0], y[0])
                d_x *= self.xp.where(unknown, 0, inverse_lengths(x[1], self.eps)) * factor
                diff[each.block] = self.counted(d_x, each)


class CosineLoss(_DirectionLoss):
    """One minus the cosine of the angle between predicted and target vectors.

    loss = sum(w (1 - a b / (|a| |b|))) / Z over the positions.

    Bottom:
        [0] predictions a, vectors along the axis: (N, C), (N, C, H, W)
        [1] targets b, the shape of a; they need not have length 1
        [2] weights w of the positions, optional, or a mask of 0 and 1: the shape of a with 1 on the
            axis, or 1 on any axis; missing trailing axes count as 1, so (N,) weights samples. Where a
            weight is 0 the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
    Backward:
        d_a = g w (cos a / |a| - b / |b|) / (Z |a|), d_b alike; d_w = g (1 - cos) / Z; with the loss
        weight in g = top[0].diff[0]. A vector shorter than eps has no direction: there cos counts as
        0, without gradient.
    Raises:
        ValueError for shapes that do not fit.
    References:
        torch.nn.functional.cosine_similarity; cosine_embedding_loss for pairs of the same kind, and
        TensorFlow's cosine_distance. The field's "normals" and feature-matching losses.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(CosineLoss, [[[3.0, 4.0], [2, 0]], [[1.0, 0.0], [0, 5]]])
        >>> run.forward()[0]  # ((1 - 0.6) + (1 - 0)) / 2
        array([0.7])
        >>> run.backward([1])[0]
        array([[-0.064,  0.048],
               [ 0.   , -0.25 ]])
    """

    without_direction = 1.0

    def term(self, units, others):
        return cosine_forward(self.xp, units, others, self._axis)

    def d_unit(self, units, others):
        return cosine_backward(self.xp, units, others, self._axis)


class AngularLoss(_DirectionLoss):
    """The angle between predicted and target vectors, as surface normals are measured by.

    loss = sum(w angle(a, b)) / Z over the positions, in radians: a loss weight of 57.29578 makes it
    degrees.

    Bottom:
        [0] predictions a, vectors along the axis: (N, C), (N, C, H, W)
        [1] targets b, the shape of a; they need not have length 1
        [2] weights w of the positions, optional, or a mask of 0 and 1: the shape of a with 1 on the
            axis, or 1 on any axis; missing trailing axes count as 1, so (N,) weights samples. Where a
            weight is 0 the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
    Backward:
        d_a = g w u / (Z |a|), u the unit vector at right angles to a in the plane of both, away from
        b; d_b alike; d_w = g angle / Z; with the loss weight in g = top[0].diff[0]. It does not blow up
        near 0 and pi, as that of arccos does; within 1e-6 of them, where u is lost, it is 0. A vector
        shorter than eps has no direction: there the angle counts as pi / 2, without gradient.
    Raises:
        ValueError for shapes that do not fit.
    References:
        Kahan, "How Futile are Mindless Assessments of Roundoff in Floating-Point Computation?", 2006,
        for the angle; Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels", 2015,
        arXiv:1411.4734, for mean angles of normals. The cosine's loss is flat near 0; this is not.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(AngularLoss, [[[1.0, 1.0], [2, 0]], [[1.0, 0.0], [0, 5]]])
        >>> run.forward()[0]  # (pi / 4 + pi / 2) / 2
        array([1.17809725])
        >>> run.backward([1])[0]
        array([[-0.25,  0.25],
               [ 0.  , -0.25]])
    """

    without_direction = math.pi / 2

    def term(self, units, others):
        return angular_forward(self.xp, units, others, self._axis)

    def d_unit(self, units, others):
        return angular_backward(self.xp, units, others, self._axis)
