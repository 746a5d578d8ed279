"""Losses of predicted numbers: absolute differences, smooth at 0 or not, and quantiles.

    layer {
      name: "loss"  type: "Python"
      bottom: "bbox_pred"  bottom: "bbox_targets"
      bottom: "bbox_inside_weights"  bottom: "bbox_outside_weights"  top: "loss"
      python_param { module: "caffe_pylayers.regression"  layer: "SmoothL1Loss"  param_str: "{'sigma': 3}" }
      loss_weight: 1
    }
    layer {
      name: "loss"  type: "Python"
      bottom: "forecast"  bottom: "value"  top: "loss"
      python_param {
        module: "caffe_pylayers.regression"  layer: "QuantileLoss"  param_str: "{'quantiles': [0.1, 0.5, 0.9]}"
      }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import part
from caffe_pylayers._layer.functions.fused import by_kernel
from caffe_pylayers._layer.losses.inside_weighted_loss import InsideWeightedLoss
from caffe_pylayers._layer.losses.pair_loss import PairLoss

__all__ = [
    "HuberLoss",
    "L1Loss",
    "L2Loss",
    "QuantileLoss",
    "SmoothL1Loss",
    "huber_backward",
    "huber_forward",
    "l1_backward",
    "l1_forward",
    "l2_backward",
    "l2_forward",
    "quantile_backward",
    "quantile_forward",
    "smooth_l1_backward",
    "smooth_l1_forward",
]


@by_kernel
def l1_forward(xp, predictions, targets):
    """Return |p - t|."""
    return abs(predictions - targets)


@by_kernel
def l1_backward(xp, predictions, targets, d_terms, out=None):
    """Return d_predictions of l1_forward: d_terms times the sign of p - t, 0 where they are equal.

    out: receives it; of this and of the functions below.
    """
    return xp.multiply(xp.sign(predictions - targets), d_terms, out=out)


def l2_forward(xp, predictions, targets):
    """Return (p - t)**2 / 2."""
    squares = predictions - targets
    squares *= squares
    squares *= 0.5
    return squares


def l2_backward(xp, predictions, targets, d_terms, out=None):
    """Return d_predictions of l2_forward: d_terms (p - t)."""
    d_predictions = xp.subtract(predictions, targets, out=out)
    d_predictions *= d_terms
    return d_predictions


@by_kernel
def huber_forward(xp, predictions, targets, delta=1.0):
    """Return d**2 / 2 where |d| <= delta, and delta (|d| - delta / 2) elsewhere, of d = p - t."""
    differences = predictions - targets
    near = differences.clip(-delta, delta)
    differences -= near / 2
    differences *= near
    return differences


@by_kernel
def huber_backward(xp, predictions, targets, d_terms, delta=1.0, out=None):
    """Return d_predictions of huber_forward: d_terms (p - t), with p - t cut at delta on either side."""
    return xp.multiply((predictions - targets).clip(-delta, delta), d_terms, out=out)


@by_kernel
def smooth_l1_forward(xp, predictions, targets, sigma=1.0):
    """Return sigma**2 d**2 / 2 where |d| < 1 / sigma**2, and |d| - 1 / (2 sigma**2) elsewhere, of d = p - t."""
    return huber_forward(xp, predictions, targets, 1 / sigma**2) * sigma**2


@by_kernel
def smooth_l1_backward(xp, predictions, targets, d_terms, sigma=1.0, out=None):
    """Return d_predictions of smooth_l1_forward: d_terms sigma**2 (p - t), with the product cut at 1 on either side."""
    return huber_backward(xp, predictions, targets, d_terms * sigma**2, 1 / sigma**2, out=out)


def quantile_forward(xp, predictions, targets, quantiles):
    """Return q (t - p) where the target t is above the prediction p, and (1 - q) (p - t) elsewhere.

    quantiles: q, broadcasts to them.
    """
    return l1_forward(xp, predictions, targets) / 2 + (predictions - targets) * (0.5 - quantiles)


def quantile_backward(xp, predictions, targets, d_terms, quantiles, out=None):
    """Return d_predictions of quantile_forward: d_terms times -q or 1 - q; at p = t what lies between, 1 / 2 - q."""
    d_predictions = l1_backward(xp, predictions, targets, d_terms / 2, out=out)
    d_predictions += d_terms * (0.5 - quantiles)
    return d_predictions


class L1Loss(PairLoss):
    """Sum of absolute differences: its best constant is the median, so that outliers pull little.

    loss = sum(w |p - t|) / Z, with Z from the normalization.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional, or a mask of 0 and 1: the shape of p, or 1 on any axis; missing
            trailing axes count as 1, so (N,) weights samples and (N, 1, H, W) positions. Where a
            weight is 0 the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
    Backward:
        d_p = g w sign(p - t) / Z, 0 where p = t; d_t = -d_p; d_w = g |p - t| / Z, with the loss
        weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        The mean absolute error, MAE. torch.nn.functional.l1_loss: its "mean" is the normalization full, its "sum" none.
        DetectNet's L1Loss, with the normalization batch, and Eltwise with Reduction's ASUM; FlowNet2's, of vectors with
        gaps, is flow_losses.LpqLoss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(L1Loss, [[[1, 2], [3, 4]], [[1, 0], [0, 4]]])
        >>> run.forward()[0]  # (2 + 3) / 2
        array([2.5])
        >>> run.backward([1])[0]
        array([[0. , 0.5],
               [0.5, 0. ]])
    """

    formulas = l1_forward, l1_backward
    by_kernel = True


class L2Loss(PairLoss):
    """Half the sum of squared differences, with targets that are missing: EuclideanLossLayer, and ignoring.

    loss = sum(w (p - t)**2) / (2 Z), with Z from the normalization.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional: as L1Loss has them
    Top:
        [0] loss (1,)
    Backward:
        d_p = g w (p - t) / Z, d_t = -d_p, d_w = g (p - t)**2 / (2 Z), with the loss weight in
        g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        Caffe's EuclideanLoss, with two bottoms and nothing ignored; half of torch.nn.functional.mse_loss.
        The weighted, masked and ignoring Euclidean losses that are published as Python layers.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(L2Loss, [[[1, 2], [3, 4]], [[1, 0], [-1, 4]]], param_str='{"ignore_value": -1}')
        >>> run.forward()[0]  # 2**2 / (2 * 2)
        array([1.])
        >>> run.backward([1])[0]
        array([[0., 1.],
               [0., 0.]])
    """

    formulas = l2_forward, l2_backward


class SmoothL1Loss(InsideWeightedLoss):
    """R-CNN's loss of box coordinates: absolute differences, smooth at 0, with its two weights.

    loss = sum(w_out rho(w_in (p - t))) / Z,
    rho(d) = sigma**2 d**2 / 2 where |d| < 1 / sigma**2, else |d| - 1 / (2 sigma**2).

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] inside_weights w_in, optional: 1 for coordinates that have a target, 0 for others; the
            shape of p, or 1 on any axis; missing trailing axes count as 1
        [3] outside_weights w_out, optional: of the terms; a shape as w_in's. Where either weight is 0
            the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
        [1] losses, optional: w_out rho summed over the channels, (N, 1, ...) of four axes or more
    Backward:
        With s = clip(sigma**2 w_in (p - t), -1, 1), and the loss weight in g = top[0].diff[0]:
        d_p = g w_out w_in s / Z, d_t = -d_p, d_w_in = g w_out (p - t) s / Z, d_w_out = g rho / Z;
        what comes to top[1] is added.
    Raises:
        ValueError for shapes that do not fit.
    References:
        Girshick, "Fast R-CNN", 2015, arXiv:1504.08083; Ren et al., "Faster R-CNN", 2015,
        arXiv:1506.01497. SmoothL1Loss of caffe-fast-rcnn and of SSD, here on the CPU too, and with
        a gradient for the weights; and R-FCN's SmoothL1LossOHEM, whose top[1] chooses examples, see
        BoxAnnotatorOHEM. torch.nn.functional.smooth_l1_loss has beta = 1 / sigma**2; turn_point of
        caffe-windows is that too.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SmoothL1Loss, [[[0.5, -2, 3]], [[0, 0, 0]], [[1, 1, 0]]])
        >>> run.forward()[0]  # 0.125 + 1.5
        array([1.625])
        >>> run.backward([1])[0]
        array([[ 0.5, -1. ,  0. ]])
    """

    formulas = smooth_l1_forward, smooth_l1_backward
    by_kernel = True

    sigma = Parameter(float, 1.0, above=0, doc="it is linear from differences of 1 / sigma**2 on; R-CNN's RPN has 3")


class HuberLoss(PairLoss):
    """Squares of small differences and absolute values of large ones.

    loss = sum(w rho(p - t)) / Z, rho(d) = d**2 / 2 where |d| <= delta, else delta (|d| - delta / 2).

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional: as L1Loss has them
    Top:
        [0] loss (1,)
    Backward:
        d_p = g w clip(p - t, -delta, delta) / Z, d_t = -d_p, d_w = g rho(p - t) / Z, with the loss
        weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.
    References:
        Huber, "Robust Estimation of a Location Parameter", 1964, doi:10.1214/aoms/1177703732.
        torch.nn.functional.huber_loss. SmoothL1Loss is this over delta = 1 / sigma**2.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(HuberLoss, [[0.5, 3.0], [0, 0]])
        >>> run.forward()[0]  # (0.125 + 2.5) / 2
        array([1.3125])
        >>> run.backward([1])[0]
        array([0.25, 0.5 ])
    """

    formulas = huber_forward, huber_backward
    by_kernel = True

    delta = Parameter(float, 1.0, above=0, doc="the difference from which on it is linear, in the predictions' unit")


class QuantileLoss(PairLoss):
    """Pinball loss, whose best prediction is a quantile of the target: of forecasts with intervals.

    loss = sum(w max(q (t - p), (1 - q) (p - t))) / Z, for each quantile q.

    Bottom:
        [0] predictions p: for one quantile any shape of one axis or more; for Q of them (N, Q, ...),
            one for each on the axis
        [1] targets t: for one quantile as many values as p and the same N; for several p's shape
            without the axis, or with 1 there
        [2] weights w, optional: as L1Loss has them
    Top:
        [0] loss (1,)
    Backward:
        d_p = -g w q / Z where t > p, g w (1 - q) / Z where t < p, and g w (1 / 2 - q) / Z where they
        are equal; d_t = -d_p, summed over the quantiles; d_w = g times the term over Z; with the
        loss weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit, and for a quantile outside (0, 1).
    References:
        Koenker and Bassett, "Regression Quantiles", 1978, doi:10.2307/1913643;
        sklearn.metrics.mean_pinball_loss.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(QuantileLoss, [[[1.0, 3.0]], [2.0]], param_str='{"quantiles": [0.1, 0.9]}')
        >>> run.forward()[0]  # 0.1 * 1 + 0.1 * 1
        array([0.2])
        >>> run.backward([1])[0]
        array([[-0.1,  0.1]])
    """

    formulas = quantile_forward, quantile_backward

    quantiles = Parameter([float], (0.5,), above=0, length=(1, None), doc="q of each prediction, in (0, 1)")
    axis = Parameter(int, 1, doc="of several quantiles: their axis in the predictions; negative counts from the end")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        for i, q in enumerate(self.quantiles):
            if q >= 1:
                raise checks.error(self, f"parameter quantiles[{i}] must be a number > 0 and < 1, got {q}")

    def plan(self, predictions, targets, weights=None):
        shape = [1] * len(predictions.shape)
        tops = super().plan(predictions, targets, weights)
        self.options = {}  # the quantiles come from parts
        if len(self.quantiles) > 1:
            shape[self.axis] = len(self.quantiles)
        self._quantiles = arrays.from_numpy(self.quantiles, predictions).reshape(shape)
        return tops

    def targets_view(self, predictions, targets):
        if len(self.quantiles) == 1:
            return super().targets_view(predictions, targets)
        axis = checks.axis(self, self.axis, len(predictions), f"bottom[0] (predictions) of shape {predictions}")
        if predictions[axis] != len(self.quantiles):
            raise checks.error(
                self,
                f"bottom[0] (predictions) of shape {predictions} must have {len(self.quantiles)} values on axis "
                f"{axis}, one for each of the parameter quantiles",
            )
        checks.one_label_each(self, "bottom[1] (targets)", targets, "bottom[0] (predictions)", predictions, axis)
        return (*predictions[:axis], 1, *predictions[axis + 1 :])

    def parts(self, bottom):
        for each in super().parts(bottom):
            yield each._replace(arrays=[*each.arrays, part(self._quantiles, each.block)])
