"""Losses of the overlap of predicted and true regions: Dice, Tversky and their kin.

Binary, from one channel of scores:

    layer {
      name: "loss"  type: "Python"
      bottom: "score"  bottom: "mask"  top: "loss"
      python_param {
        module: "caffe_pylayers.overlap"  layer: "DiceLoss"
        param_str: '{"activation": "sigmoid"}'
      }
      loss_weight: 1
    }

For C channels and a map of class labels, with the background left out:

    layer {
      name: "loss"  type: "Python"
      bottom: "score"  bottom: "label"  top: "loss"
      python_param {
        module: "caffe_pylayers.overlap"  layer: "TverskyLoss"
        param_str: '{"activation": "softmax", "exclude": [0], "ignore_label": 255, "alpha": 0.3, "beta": 0.7}'
      }
      loss_weight: 1
    }
"""

from __future__ import annotations

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.overlap_sums import ClassOverlapLoss, OverlapLoss

__all__ = [
    "DiceLoss",
    "FocalTverskyLoss",
    "GeneralizedDiceLoss",
    "TverskyLoss",
    "focal_backward",
    "focal_forward",
    "generalized_dice_backward",
    "generalized_dice_forward",
    "tversky_backward",
    "tversky_forward",
]


def tversky_forward(shared, predicted, actual, alpha, beta, smooth):
    """Return Tversky's index, and the denominator for backward.

        index = (TP + s) / (TP + alpha FP + beta FN + s),  TP = shared, FP = predicted - TP, FN = actual - TP

    and 1 where that is 0 / 0. With alpha = beta = 1/2 and half the smooth it is Dice's index,
    (2 TP + smooth) / (predicted + actual + smooth); with alpha = beta = 1 that of Jaccard.
    """
    denominator = (1 - alpha - beta) * shared + alpha * predicted + beta * actual + smooth
    none = denominator == 0
    denominator = denominator + none
    return (shared + smooth + none) / denominator, denominator


def tversky_backward(index, denominator, alpha, beta):
    """Return the index's gradients (d_shared, d_predicted, d_actual)."""
    return (1 - (1 - alpha - beta) * index) / denominator, -alpha * index / denominator, -beta * index / denominator


def focal_forward(index, gamma):
    """Return (1 - index)**gamma."""
    return (1 - index).clip(0, 1) ** gamma


def focal_backward(index, gamma):
    """Return d_index; 0 where the index is 1, where for gamma < 1 there is no other end to it."""
    miss = (1 - index).clip(0, 1)
    hit = miss == 0
    return -gamma * (miss + hit) ** (gamma - 1) * ~hit


def generalized_dice_forward(shared, predicted, actual, v, power, smooth):
    """Return the generalized Dice index (G,), and for backward its denominator and the classes' factors u.

    index = (2 sum_c u_c TP_c + s) / (sum_c u_c (predicted_c + actual_c) + s),  u_c = v_c / max(actual_c, 1)**power
    """
    u = v / actual.clip(1, None) ** power
    denominator = (u * (predicted + actual)).sum(1)[:, None] + smooth
    none = denominator == 0
    denominator = denominator + none
    return (2 * (u * shared).sum(1)[:, None] + smooth + none) / denominator, denominator, u


def generalized_dice_backward(shared, predicted, actual, index, denominator, u, power):
    """Return the index's gradients (d_shared, d_predicted, d_actual), each (G, C)."""
    d_predicted = -index * u / denominator
    d_u = (2 * shared - index * (predicted + actual)) / denominator
    d_actual = d_predicted - d_u * power * u / actual.clip(1, None) * (actual > 1)
    return 2 * u / denominator, d_predicted, d_actual


class DiceLoss(ClassOverlapLoss):
    """One minus the Dice coefficient of predicted and true regions.

    loss = mean over images of sum_c v_c (1 - D_c) / sum_c v_c,
    D_c = (2 sum_i w_i p_ic t_ic + s) / (sum_i w_i p_ic + sum_i w_i t_ic + s), i the positions,
    with squares of p and t in the denominator where squared. Without v and with one channel it
    is the binary Dice loss.

    Bottom:
        [0] predictions (N, C, ...), such as (N, C, H, W): probabilities p, or scores with an
            activation
        [1] targets t: class labels in [0, C), (N, 1, H, W) or (N, H, W); or numbers in [0, 1],
            one-hot codes or soft targets in the shape of the predictions. With one channel
            they are numbers: a mask of 0 and 1
        [2] weights w, optional: (N, 1, H, W), or 1 on any axis; missing trailing axes count as 1,
            so (N,) weights samples. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; d_targets, where they are numbers, else zeros;
        d_weights.
    Raises:
        ValueError for shapes that do not fit, labels outside [0, C), and targets, or with activation
        none predictions, outside [0, 1].

    References:
        Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
        Segmentation", 2016, arXiv:1606.04797: squared. Without squares: Drozdzal et al., "The
        Importance of Skip Connections in Biomedical Image Segmentation", 2016, arXiv:1608.04117.
        As in both, the loss is of each image, and nothing is added to the fraction; published
        layers often add a smooth of 1. They take the argmax, a batch of 1, or two channels of a
        Softmax: here "exclude": [0] with the two.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(DiceLoss, [[[[1, 0.5, 0]]], [[[1, 0, 0]]]])
        >>> run.forward()[0]  # 1 - 2 * 1 / (1.5 + 1)
        array([0.2])
    """

    squared = Parameter(bool, False, doc="p**2 and t**2 in the denominator, as V-Net has them")

    def class_losses(self, shared, predicted, actual):
        index, denominator = tversky_forward(shared, predicted, actual, 0.5, 0.5, self.smooth / 2)
        return 1 - index, [-d for d in tversky_backward(index, denominator, 0.5, 0.5)]


class TverskyLoss(ClassOverlapLoss):
    """One minus Tversky's index, with prices of its own for what is found wrongly and what is missed.

    loss = mean over images of sum_c v_c (1 - T_c) / sum_c v_c,
    T_c = (TP + s) / (TP + alpha FP + beta FN + s), TP = sum w p t, FP = sum w p (1 - t),
    FN = sum w (1 - p) t over the positions.

    Bottom:
        [0] predictions (N, C, ...): probabilities p, or scores with an activation
        [1] targets t: labels (N, 1, H, W) or (N, H, W), or numbers, as of DiceLoss
        [2] weights w, optional: (N, 1, H, W), or 1 on any axis, as of DiceLoss
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; d_targets, where they are numbers, else zeros;
        d_weights.
    Raises:
        ValueError for shapes that do not fit, labels outside [0, C), and targets, or with activation
        none predictions, outside [0, 1].

    References:
        Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional
        deep networks", 2017, arXiv:1706.05721. alpha = beta = 0.5 is DiceLoss with twice the
        smooth; alpha = beta = 1 is the loss of intersection over union (Jaccard's).
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(TverskyLoss, [[[[1, 0.5, 0]]], [[[1, 0, 0]]]])
        >>> run.forward()[0].round(6)  # 1 - 1 / (1 + 0.3 * 0.5)
        array([0.130435])
    """

    alpha = Parameter(float, 0.3, low=0, doc="the price of false positives")
    beta = Parameter(float, 0.7, low=0, doc="the price of false negatives")

    def class_losses(self, shared, predicted, actual):
        index, denominator = tversky_forward(shared, predicted, actual, self.alpha, self.beta, self.smooth)
        return 1 - index, [-d for d in tversky_backward(index, denominator, self.alpha, self.beta)]


class FocalTverskyLoss(TverskyLoss):
    """A power of one minus Tversky's index: which classes and images it attends to is gamma's choice.

    loss = mean over images of sum_c v_c (1 - T_c)**gamma / sum_c v_c, with T_c of TverskyLoss.

    gamma below 1 keeps the gradient large for regions that are found well already, gamma above 1
    leaves these to those that are found badly.

    Bottom:
        [0] predictions (N, C, ...): probabilities p, or scores with an activation
        [1] targets t: labels (N, 1, H, W) or (N, H, W), or numbers, as of DiceLoss
        [2] weights w, optional: (N, 1, H, W), or 1 on any axis, as of DiceLoss
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; d_targets, where they are numbers, else zeros;
        d_weights. Where T_c is 1 they are 0.
    Raises:
        ValueError for shapes that do not fit, labels outside [0, C), and targets, or with activation
        none predictions, outside [0, 1].

    References:
        Abraham and Khan, "A Novel Focal Tversky loss function with improved Attention U-Net for
        lesion segmentation", 2018, arXiv:1810.07842. The exponent is the paper's 1 / gamma: 3/4
        for its 4/3; its alpha, 0.7, is the price of false negatives, here beta.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(FocalTverskyLoss, [[[[1, 0.5, 0]]], [[[1, 0, 0]]]], param_str='{"gamma": 2}')
        >>> run.forward()[0].round(6)  # (1 - 1 / 1.15)**2
        array([0.017013])
    """

    gamma = Parameter(float, 0.75, above=0, doc="the exponent")

    def class_losses(self, shared, predicted, actual):
        index, denominator = tversky_forward(shared, predicted, actual, self.alpha, self.beta, self.smooth)
        d_index = focal_backward(index, self.gamma)
        d_sums = tversky_backward(index, denominator, self.alpha, self.beta)
        return focal_forward(index, self.gamma), [d_index * d for d in d_sums]


class GeneralizedDiceLoss(OverlapLoss):
    """One minus a Dice coefficient of all classes together, each weighted by how rare it is.

    loss = mean over images of 1 - (2 sum_c u_c I_c + s) / (sum_c u_c (P_c + T_c) + s), where
    u_c = v_c / max(T_c, 1)**power, I_c = sum w p t, P_c = sum w p, T_c = sum w t over the
    positions, with squares of p and t in P and T where squared.

    Bottom:
        [0] predictions (N, C, ...): probabilities p, or scores with an activation
        [1] targets t: labels (N, 1, H, W) or (N, H, W), or numbers, as of DiceLoss
        [2] weights w, optional: (N, 1, H, W), or 1 on any axis, as of DiceLoss
    Top:
        [0] loss (1,)
    Backward:
        d_predictions, through the activation; d_targets, where they are numbers, else zeros;
        d_weights. The last two count that u follows T.
    Raises:
        ValueError for shapes that do not fit, labels outside [0, C), and targets, or with activation
        none predictions, outside [0, 1].

    References:
        Sudre et al., "Generalised Dice overlap as a deep learning loss function for highly
        unbalanced segmentations", 2017, arXiv:1707.03237, which leaves open what u is of a class
        that is not there: here that of a class of one position.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> p, t = [[[0.5, 0.5, 1], [0.5, 0.5, 0]]], [[[1, 0, 1], [0, 1, 0]]]
        >>> LayerRun(GeneralizedDiceLoss, [p, t]).forward()[0].round(6)  # u = 1/4, 1
        array([0.416667])
    """

    power = Parameter(float, 2.0, low=0, doc="of the class's size: 2, or 1, or 0 for classes as they are")
    smooth = Parameter(float, 0.0, low=0, doc="s, in weighted positions; with 0, where nothing is the loss is 0")
    squared = Parameter(bool, False, doc="p**2 and t**2 in the denominator")

    def of_sums(self, shared, predicted, actual):
        index, denominator, u = generalized_dice_forward(shared, predicted, actual, self._v, self.power, self.smooth)
        d_sums = generalized_dice_backward(shared, predicted, actual, index, denominator, u, self.power)
        return (1 - index)[:, 0], [-d for d in d_sums]
