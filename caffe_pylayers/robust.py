"""Robust losses of predicted numbers, with a root or a logarithm: Charbonnier's, log-cosh, wing.

    layer {
      name: "loss"  type: "Python"
      bottom: "super_resolved"  bottom: "image"  top: "loss"
      python_param { module: "caffe_pylayers.robust"  layer: "CharbonnierLoss"  param_str: "{'epsilon': 0.001}" }
      loss_weight: 1
    }
    layer {
      name: "loss"  type: "Python"
      bottom: "landmarks"  bottom: "true_landmarks"  bottom: "visible"  top: "loss"
      python_param { module: "caffe_pylayers.robust"  layer: "WingLoss"  param_str: "{'w': 10, 'epsilon': 2}" }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.pair_loss import PairLoss

__all__ = [
    "CharbonnierLoss",
    "LogCoshLoss",
    "WingLoss",
    "charbonnier_backward",
    "charbonnier_forward",
    "log_cosh_backward",
    "log_cosh_forward",
    "wing_backward",
    "wing_forward",
]


def charbonnier_forward(xp, predictions, targets, epsilon=1e-3, alpha=0.5):
    """Return (d**2 + epsilon**2)**alpha of d = p - t."""
    differences = predictions - targets
    squares = differences * differences + epsilon**2
    return xp.sqrt(squares) if alpha == 0.5 else squares**alpha


def charbonnier_backward(xp, predictions, targets, d_terms, epsilon=1e-3, alpha=0.5, out=None):
    """Return d_predictions of charbonnier_forward: 2 alpha d (d**2 + epsilon**2)**(alpha - 1) times d_terms.

    out: receives it; of this and of the functions below.
    """
    differences = predictions - targets
    squares = differences * differences + epsilon**2
    slopes = differences / xp.sqrt(squares) if alpha == 0.5 else differences * squares ** (alpha - 1) * (2 * alpha)
    return xp.multiply(slopes, d_terms, out=out)


def log_cosh_forward(xp, predictions, targets):
    """Return log(cosh(d)) of d = p - t, as log(1 + 2 sinh(d / 2)**2), exact near 0; from 20 on it is linear."""
    differences = predictions - targets
    near = differences.clip(-20, 20)
    halves = xp.sinh(near / 2)
    return xp.log1p(halves * halves * 2) + abs(differences - near)


def log_cosh_backward(xp, predictions, targets, d_terms, out=None):
    """Return d_predictions of log_cosh_forward: d_terms tanh(p - t)."""
    return xp.multiply(xp.tanh(predictions - targets), d_terms, out=out)


def wing_forward(xp, predictions, targets, w=10.0, epsilon=2.0):
    """Return w log(1 + |d| / epsilon) where |d| < w, and |d| - C elsewhere, C such that the two meet; d = p - t."""
    sizes = abs(predictions - targets)
    near = xp.log1p(sizes.clip(0, w) / epsilon) * w
    return near + (sizes - w).clip(0, None)


def wing_backward(xp, predictions, targets, d_terms, w=10.0, epsilon=2.0, out=None):
    """Return d_predictions of wing_forward: w / (epsilon + |d|) where |d| < w, else 1, with d's sign; 0 at 0."""
    differences = predictions - targets
    sizes = abs(differences)
    near = xp.sign((w - sizes).clip(0, None))  # 1 or 0: torch takes long over booleans
    slopes = (near * (w / (sizes + epsilon) - 1) + 1) * xp.sign(differences)
    return xp.multiply(slopes, d_terms, out=out)


class CharbonnierLoss(PairLoss):
    """A smooth absolute difference, as super-resolution and optical flow use it.

    loss = sum(w ((p - t)**2 + epsilon**2)**alpha) / Z.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional, or a mask of 0 and 1: the shape of p, or 1 on any axis; missing
            trailing axes count as 1. Where a weight is 0 the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
    Backward:
        d_p = 2 alpha g w (p - t) ((p - t)**2 + epsilon**2)**(alpha - 1) / Z, d_t = -d_p, d_w = g
        times the term over Z, with the loss weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        Charbonnier et al., "Two Deterministic Half-Quadratic Regularization Algorithms for Computed
        Imaging", 1994, doi:10.1109/ICIP.1994.413553; Lai et al., "Deep Laplacian Pyramid Networks",
        2017, arXiv:1704.03915, where epsilon is 1e-3; Sun et al., "A Quantitative Analysis of
        Current Practices in Optical Flow Estimation", 2014, where alpha is 0.45.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(CharbonnierLoss, [[4.0], [0]], param_str='{"epsilon": 3}')
        >>> run.forward()[0]  # sqrt(4**2 + 3**2)
        array([5.])
        >>> run.backward([1])[0]
        array([0.8])
    """

    formulas = charbonnier_forward, charbonnier_backward

    epsilon = Parameter(
        float, 1e-3, low=1e-12, high=1e12, doc="differences below it count as squares, in the predictions' unit"
    )
    alpha = Parameter(
        float, 0.5, low=0.01, high=2, doc="the exponent: 0.5 is linear far from 0; less forgives outliers"
    )


class LogCoshLoss(PairLoss):
    """Log of the hyperbolic cosine: as Huber's with delta 1, but smooth everywhere.

    loss = sum(w log(cosh(p - t))) / Z, which is about d**2 / 2 near 0 and |d| - log(2) far from it.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional: as CharbonnierLoss has them
    Top:
        [0] loss (1,)
    Backward:
        d_p = g w tanh(p - t) / Z, d_t = -d_p, d_w = g log(cosh(p - t)) / Z, with the loss weight in
        g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        Green, "Iteratively Reweighted Least Squares for Maximum Likelihood Estimation", 1984,
        doi:10.1111/j.2517-6161.1984.tb01288.x; Keras's LogCosh.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(LogCoshLoss, [[0.0, 1e4], [0, 0]])
        >>> run.forward()[0]  # (0 + 1e4 - log(2)) / 2
        array([4999.65342641])
        >>> run.backward([1])[0]
        array([0. , 0.5])
    """

    formulas = log_cosh_forward, log_cosh_backward


class WingLoss(PairLoss):
    """Wing loss of landmarks: it draws hard at small errors, through a logarithm.

    loss = sum(v rho(p - t)) / Z with v the weights,
    rho(d) = w log(1 + |d| / epsilon) where |d| < w, else |d| - C, C = w - w log(1 + w / epsilon).

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N, in pixels
        [2] weights v, optional, such as 1 for visible landmarks: as CharbonnierLoss has them
    Top:
        [0] loss (1,)
    Backward:
        d_p = g v sign(p - t) w / (epsilon + |p - t|) / Z where |p - t| < w, g v sign(p - t) / Z
        elsewhere, 0 where p = t; d_t = -d_p, d_v = g rho(p - t) / Z, with the loss weight in
        g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
        Networks", 2018, arXiv:1711.06753. The paper sums over a face: normalization batch.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(WingLoss, [[[2.0, 0, 30]], [[0, 0, 0]]])
        >>> run.forward()[0]  # 10 log(2) + 0 + 30 - 10 + 10 log(6)
        array([44.8490665])
        >>> run.backward([1])[0]
        array([[2.5, 0. , 1. ]])
    """

    formulas = wing_forward, wing_backward

    w = Parameter(float, 10.0, above=0, doc="the error from which on it is linear, in the predictions' unit")
    epsilon = Parameter(float, 2.0, above=0, doc="how flat the logarithm is: its slope at 0 is w / epsilon")
