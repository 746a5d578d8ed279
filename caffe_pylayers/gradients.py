"""Layers that pass on what comes, and change the gradient on its way back.

layer {
  name: "reverse"  type: "Python"
  bottom: "feature"  top: "reversed"
  python_param { module: "caffe_pylayers.gradients"  layer: "GradientReversal"  param_str: '{"max_iter": 10000}' }
}
layer {
  name: "slow"  type: "Python"
  bottom: "feature"  top: "slow"
  python_param { module: "caffe_pylayers.gradients"  layer: "GradientScale"  param_str: '{"scale": 0.1}' }
}
layer {
  name: "clip"  type: "Python"
  bottom: "feature"  top: "clipped"
  python_param { module: "caffe_pylayers.gradients"  layer: "GradientClip"  param_str: '{"norm": 1.0}' }
}
layer {
  name: "stop"  type: "Python"
  bottom: "feature"  top: "stopped"
  python_param { module: "caffe_pylayers.gradients"  layer: "StopGradient" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.pass_through import PassThrough, copy
from caffe_pylayers._layer.bases.scheduled import Scheduled

__all__ = ["GradientClip", "GradientReversal", "GradientScale", "StopGradient", "clip_norm", "reversal_scale"]


def reversal_scale(progress, alpha=10.0, low=0.0, high=1.0):
    """Return the scale of a reversed gradient: from low to high as progress goes from 0 to 1.

    scale = low + (high - low) (2 / (1 + exp(-alpha progress)) - 1)
    """
    return low + (high - low) * math.tanh(alpha * progress / 2)


def clip_norm(xp, gradient, norm, per_sample=False):
    """Return what to multiply a gradient with, so that its Euclidean norm is at most this.

        scale = norm / max(|g|, norm)

    per_sample: True for the norm of each sample, and scales that broadcast.
    """
    if per_sample:
        samples, *rest = gradient.shape
        squares = (gradient * gradient).reshape(samples, math.prod(rest)).sum(1).reshape(samples, *(1 for _ in rest))
    else:
        squares = xp.dot(gradient.ravel(), gradient.ravel())
    return norm / xp.sqrt(squares).clip(norm, None)


class GradientScale(PassThrough):
    """Multiplies the gradient by a number, for what is below to learn slower, faster or not.

    y = x, d_x = scale d_y

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = scale d_y, which is not forward's gradient unless scale is 1.
    Raises:
        Nothing of its own.
    References:
        The lr_mult of all layers below at once, for one of their several tops. The GradientScaler
        layers of forks, with a constant.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GradientScale, [[1, 2]], param_str='{"scale": 0.1}')
        >>> run.forward()[0], run.backward([[10, 20]])[0]
        (array([1., 2.]), array([1., 2.]))
    """

    scale = Parameter(float, doc="what the gradient is multiplied by; negative reverses it")

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.xp.multiply(top[0].diff, self.scale, out=bottom[0].diff)


class GradientReversal(Scheduled, PassThrough):
    """Reverses the gradient: what is below learns to make the loss above larger.

    y = x, d_x = -l d_y; l = low + (high - low) (2 / (1 + exp(-alpha t / max_iter)) - 1) in the
    iteration t, from start_iter on, high without max_iter, and 0 before threshold_iter.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = -l d_y, which is not forward's gradient.
    Raises:
        ValueError for a lower_bound above upper_bound.
    References:
        Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", 2015,
        arXiv:1409.7495, and its GradientScaler layer, whose parameters these are, with threshold_iter of
        thuml/Xlearn's; Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016,
        arXiv:1505.07818.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GradientReversal, [[1, 2]], param_str='{"upper_bound": 0.5}')
        >>> run.forward()[0], run.backward([[10, 20]])[0]
        (array([1., 2.]), array([ -5., -10.]))
    """

    lower_bound = Parameter(float, 0.0, doc="low, the scale at the start")
    upper_bound = Parameter(float, 1.0, doc="high, the scale at the end, or always")
    alpha = Parameter(float, 10.0, low=0, doc="how fast it grows")
    max_iter = Parameter(
        int, None, low=1, doc="forward passes in TRAIN until the end: iterations times iter_size; default: always high"
    )
    threshold_iter = Parameter(int, 0, low=0, doc="before this iteration d_x = 0")

    def setup(self, bottom, top):
        checks.tops(self, top, "top")
        if self.lower_bound > self.upper_bound:
            raise checks.error(self, f"lower_bound {self.lower_bound} is above upper_bound {self.upper_bound}")

    def forward(self, bottom, top):
        super().forward(bottom, top)
        t = self.next_iteration()
        progress = 1.0 if self.max_iter is None else min(t / self.max_iter, 1.0)
        low, high = self.lower_bound, self.upper_bound
        self._scale = high if self.max_iter is None else reversal_scale(progress, self.alpha, low, high)
        if t < self.threshold_iter:
            self._scale = 0.0

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.xp.multiply(top[0].diff, -self._scale, out=bottom[0].diff)


class GradientClip(PassThrough):
    """Bounds the gradient: each of its values, or its norm.

    y = x; value: d_x = min(max(d_y, -value), value); norm: d_x = d_y norm / max(|d_y|, norm).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        As above, the values first where both are given.
    Raises:
        ValueError without value and norm, and for the norm of each sample of a bottom without axes.
    References:
        Pascanu, Mikolov and Bengio, "On the Difficulty of Training Recurrent Neural Networks",
        2013, arXiv:1211.5063. The solver's clip_gradients is of all weights' gradients; Lstm's
        clipping_threshold in a fork is value.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GradientClip, [[1, 2]], param_str='{"norm": 1}')
        >>> run.forward()[0], run.backward([[3, 4]])[0]
        (array([1., 2.]), array([0.6, 0.8]))
    """

    value = Parameter(float, None, above=0, doc="the largest absolute value")
    norm = Parameter(float, None, above=0, doc="the largest Euclidean norm")
    per_sample = Parameter(bool, False, doc="true: of each sample; false: of the whole blob")

    def setup(self, bottom, top):
        checks.tops(self, top, "top")
        if self.value is None and self.norm is None:
            raise checks.error(self, "needs the parameter value or norm")

    def plan(self, x):
        if self.per_sample and not len(x.shape):
            raise checks.error(self, "per_sample needs a bottom[0] with an axis of samples, got shape ()")
        return [x.shape]

    def backward(self, top, propagate_down, bottom):
        if not propagate_down[0]:
            return
        gradient = bottom[0].diff
        if self.value is None:
            copy(top[0].diff, gradient)
        else:
            gradient[...] = top[0].diff.clip(-self.value, self.value)
        if self.norm is not None:
            gradient *= clip_norm(self.xp, gradient, self.norm, self.per_sample)


class StopGradient(PassThrough):
    """Lets no gradient through: what is below learns nothing from what is above.

    y = x, d_x = 0

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        Zeros, which is not forward's gradient.
    Raises:
        Nothing of its own.
    References:
        detach and stop_gradient elsewhere. propagate_down: false does it at one bottom of a layer of
        Caffe, and the net below is not even run backwards; this serves where a bottom is shared.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(StopGradient, [[1, 2]])
        >>> run.forward()[0], run.backward([[10, 20]])[0]
        (array([1., 2.]), array([0., 0.]))
    """

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)
