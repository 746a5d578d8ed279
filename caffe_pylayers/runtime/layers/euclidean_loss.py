"""EuclideanLoss and ContrastiveLoss: losses of the distance of two bottoms."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._loss import LossLayer, common_layout
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob

EPSILON = 1e-4  # added to a distance that divides, which may be 0


@register("EuclideanLoss")
class EuclideanLoss(LossLayer):
    """loss = sum of (a - b)^2 / (2 N), as Caffe's EuclideanLoss.

    Bottom: [0] a, [1] b, (N, ...) of the same count and at most 4 axes; both get a gradient.
    Top: [0] loss, a scalar.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._diff = Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        if bottom[0].count != bottom[1].count:
            shapes = f"{bottom[0].shape} and {bottom[1].shape}"
            raise self.error(f"bottom[0] and bottom[1] must have as many values per item, got shapes {shapes}")
        for i in (0, 1):
            self.num(bottom[i], i)
        self._diff.reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape, layout = bottom[0].shape, common_layout(bottom)
        diff = self._diff.write(layout)
        torch.sub(bottom[0].read(layout), bottom[1].read(layout).view(shape), out=diff)
        torch.linalg.vector_norm(diff, out=top[0].write()).square_().div_(2 * shape[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        layout = self._diff.layout
        diff = self._diff.read(layout)
        scale = top[0].read_diff() / bottom[0].shape[0]
        for blob, sign, wanted in zip(bottom, (1, -1), propagate_down):
            if wanted:
                torch.mul(diff, scale * sign, out=blob.write_diff(layout).view(diff.shape))


@register("ContrastiveLoss")
class ContrastiveLoss(LossLayer):
    """loss = sum of d^2 for similar pairs and max(margin - d, 0)^2 for the others, / (2 N), d = |a - b|.

    With ``legacy_version`` a dissimilar pair costs max(margin - d^2, 0). As Caffe's ContrastiveLoss.

    Bottom: [0] a (N, C), [1] b (N, C); [2] y (N), whose integer part is not 0 for similar pairs and whose
    gradient is 0; all may have further axes of 1. Top: [0] loss, a scalar.
    """

    bottoms = 3

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._diff, self._square = Blob(), Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().reshape(bottom, top)
        for i, blob in enumerate(bottom):
            self.num(blob, i)
            wanted = bottom[0].channels if i < 2 else 1
            if (blob.channels, blob.height, blob.width) != (wanted, 1, 1):
                raise self.error(f"bottom[{i}] must have shape (N, {wanted}), got {blob.shape}")
        num = self.num(bottom[0], 0)
        if bottom[2].count < num:
            raise self.error(f"bottom[2] must have {num} values, got shape {bottom[2].shape}")
        self._diff.reshape(num, bottom[0].channels)
        self._square.reshape(num, bottom[0].channels)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.contrastive_loss_param
        diff = self._diff.write()
        num = len(diff)
        torch.sub(bottom[0].read().view(diff.shape), bottom[1].read().view(diff.shape), out=diff)
        squared = torch.mul(diff, diff, out=self._square.write()).sum(1, keepdim=True)
        similar = bottom[2].read().view(-1, 1)[:num].trunc() != 0
        if param.legacy_version:
            left = param.margin - squared
            loss, slope = left.clamp_min(0), torch.ones_like(left)
        else:
            distance = squared.sqrt()
            left = param.margin - distance
            loss, slope = left.clamp_min(0).square_(), left / distance.add_(EPSILON)
        torch.div(torch.where(similar, squared, loss).sum(), 2 * num, out=top[0].write())
        # d (pair's loss) / d a, divided by (a - b)
        self._slope = torch.where(similar, 1, slope.neg_().masked_fill_(~(left > 0), 0))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        diff = self._diff.read()
        scale = self._slope * (top[0].read_diff() / len(diff))
        for blob, sign, wanted in zip(bottom, (1, -1), propagate_down):
            if wanted:
                d_x = torch.mul(diff, scale * sign, out=blob.write_diff().view(diff.shape))
                d_x.masked_fill_(self._slope == 0, 0)  # also where the distance is not finite
        if propagate_down[2]:
            bottom[2].write_diff().zero_()
