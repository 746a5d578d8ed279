"""Centre loss: features near the learned centre of their class, beside a softmax loss that keeps the classes apart.

lr_mult, times the solver's rate, is the paper's alpha, with which the centres follow; they want no decay.

    layer {
      name: "center_loss"  type: "Python"  bottom: "ip1"  bottom: "label"  top: "center_loss"  loss_weight: 0.008
      param { lr_mult: 1  decay_mult: 0 }
      python_param {
        module: "caffe_pylayers.center_loss"  layer: "CenterLoss"  param_str: "{'num_classes': 10}"
      }
    }
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.embeddings.class_vectors import ClassVectorsLoss
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["CenterLoss", "center_loss_backward", "center_loss_forward", "center_update"]


def center_loss_forward(features, centers, labels, valid=None):
    """Return (loss, difference): sum(difference**2) / 2, not normalized, with difference = x - c_y.

    labels: int64 (N,). valid: booleans (N,); where it is False, the difference is 0.
    """
    difference = features - centers[labels]
    if valid is not None:
        difference *= valid[:, None]
    return (difference * difference).sum() / 2, difference


def center_loss_backward(xp, difference, scale, d_features):
    """Write d_features = scale (x - c_y)."""
    xp.multiply(difference, scale, out=d_features)


def center_update(difference, labels, num_classes, valid=None):
    """Return what each sample adds to the diff of its class's centre: (c_y - x) / (1 + count), (N, D).

    difference: x - c_y, 0 where valid is False. num_classes: C. count: of the samples of the class in the batch.
    """
    count = arrays.new(difference, (num_classes,))
    arrays.fill(count, 1)
    arrays.add_at(count, labels, arrays.astype(labels >= 0 if valid is None else valid, difference))
    return difference / -count[labels][:, None]


class CenterLoss(ClassVectorsLoss):
    """Squared distance of each feature from the learned centre of its class.

    loss = sum |x_i - c_y|**2 / (2 Z).

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
    Top:
        [0] loss (1,)
    Backward:
        d_x = g (x - c_y) / Z, with g = top[0].diff[0]. Blob 0, the centres (C, D), gets the paper's update, which is
        not the loss's gradient: sum(c_y - x) / (1 + count) over the samples of each class, whatever the loss weight.
        Zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", 2016,
        https://ydwen.github.io/papers/WenECCV16.pdf. The CenterLoss of its Caffe, loss and diffs; num_output is
        num_classes, center_filler filler. Its centres are blob 0 too, so that its caffemodels load.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "filler": "constant"}'
        >>> LayerRun(CenterLoss, [[[1, 2], [3, 4]], [0, 1]], param_str=text).forward()[0]  # (1 + 4 + 9 + 16) / (2 * 2)
        array([7.5])
    """

    normalization = normalization("batch", valid="the samples without ignore_label")

    def loss(self, features, labels):
        self._labels, self._valid = self.classes_of(labels)
        loss, self._difference = center_loss_forward(features, self.blobs[0].data, self._labels, self._valid)
        n = len(features)
        self._normalizer = normalizer(
            self.normalization, n, n, n if self._valid is None else arrays.count_true(self._valid)
        )
        return loss / self._normalizer

    def gradient(self, scale, d_features):
        update = center_update(self._difference, self._labels, self.num_classes, self._valid)
        arrays.add_rows(self.blobs[0].diff, self._labels, update)
        if d_features is not None:
            center_loss_backward(self.xp, self._difference, scale / self._normalizer, d_features)
