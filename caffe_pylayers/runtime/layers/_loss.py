"""The base of the losses, Caffe's LossLayer; class labels, and the rules that normalize a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch

from caffe_pylayers._layer import late
from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._setup import canonical_axis
from caffe_pylayers.runtime.layers.layer import Count, Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CONTIGUOUS
from caffe_pylayers.runtime.proto.caffe_pb2 import LossParameter

FLT_MIN = torch.finfo(torch.float32).tiny  # the least probability of SoftmaxWithLoss
LOG_THRESHOLD = 1e-20  # the least probability of the other losses with a logarithm

Divisor = float | torch.Tensor  # a tensor where it depends on values, so that nothing waits for the device


class LossLayer(Layer):
    """A loss: a scalar, times the loss weight that its gradient top[0].diff holds. A prototxt may leave its top out.

    Bottom: [0] predictions (N, ...); [1] labels (N, ...), to which no gradient goes.
    """

    bottoms: ClassVar[Count] = 2
    tops: ClassVar[Count] = 1
    auto_tops = True

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        first, second = bottom[0].shape, bottom[1].shape
        if not first or not second or first[0] != second[0]:
            raise self.error(f"bottom[0] and bottom[1] must have the same first size, got shapes {first} and {second}")
        top[0].reshape()

    def refuse_gradient(self, propagate_down: Sequence[bool], index: int, what: str) -> None:
        """Raise LayerError if the gradient of bottom[index], which is ``what``, is asked for."""
        if index < len(propagate_down) and propagate_down[index]:
            raise self.error(f"cannot backpropagate to bottom[{index}], the {what}")

    def num(self, blob: Blob, index: int) -> int:
        """Return the first size of bottom[index]; LayerError for more than 4 axes, as Caffe's num() refuses them."""
        if len(blob.shape) > 4:
            raise self.error(f"bottom[{index}] must have at most 4 axes, got shape {blob.shape}")
        return blob.shape[0] if blob.shape else 1


class Labels:
    """The class labels of scores, one for each place: for scores (N, C, H, W), N * H * W labels in any shape.

    axis: the axis of the classes, as the prototxt has it. ignore: the label of places that do not count, or None.
    After ``reshape``, axis counts from the front, classes is C, outer and inner are the counts of places before and
    after that axis. After ``read``, valid is True for each label that counts; None where all do.
    """

    def __init__(self, layer: Layer, axis: int, ignore: int | None) -> None:
        self._layer, self._axis, self._ignore = layer, axis, ignore
        self.axis = self.classes = self.outer = self.inner = 0
        self.valid: torch.Tensor | None = None
        self._shape: tuple[int, ...] = ()

    def reshape(self, scores: Blob, labels: Blob) -> None:
        """Take the shapes of scores and labels; LayerError unless there is one label for each place."""
        shape = scores.shape
        self.axis = canonical_axis(self._layer, scores, self._axis)
        self._shape = (*shape[: self.axis], 1, *shape[self.axis + 1 :])
        self.classes = shape[self.axis]
        self.outer = torch.Size(shape[: self.axis]).numel()
        self.inner = torch.Size(shape[self.axis + 1 :]).numel()
        if self.outer * self.inner != labels.count:
            raise self._layer.error(
                f"bottom[1] must have {self.outer * self.inner} labels, one for each place of bottom[0] of shape "
                f"{shape} without axis {self.axis}, got shape {labels.shape}"
            )

    def read(self, blob: Blob) -> torch.Tensor:
        """Return the labels as indices, in the scores' shape with 1 for the axis of the classes.

        Those to be ignored are 0, and False in ``valid``. LayerError for other labels outside [0, classes).
        """
        index = blob.read().view(self._shape).long()  # towards zero, as a cast in C
        if self._ignore is not None:
            self.valid = index != self._ignore
            index.masked_fill_(~self.valid, 0)
        hint = "; ignore_label leaves one out" if self._ignore is None else ""
        return check_labels(self._layer, index, self.classes, hint)


def check_labels(layer: Layer, index: torch.Tensor, classes: int, hint: str = "") -> torch.Tensor:
    """Return labels that lie in [0, classes): the index itself, or a copy while it is not known whether it does.

    Raises LayerError for another label, where Caffe reads or writes past the end of the array.
    """

    def outside(at: int, label: float) -> str:
        return f"bottom[1]: label {label} at index {at} is outside [0, {classes}){hint}"

    return check_index(layer, index, classes, outside)


def check_index(layer: Layer, index: torch.Tensor, size: int, message: Callable[[int, float], str]) -> torch.Tensor:
    """Return an index whose values lie in [0, size): itself, or a copy while it is not known whether they do.

    A wrong one would end the process on a GPU.

    message: of the place and the value of the first that does not. Raises it as LayerError.
    """
    if index.device.type == "cpu" and index.numel():  # the usual case, in a call
        least, most = torch.aminmax(index)
        if least.item() >= 0 and most.item() < size:
            return index
    good = (index >= 0) & (index < size)

    def error() -> Exception:
        at = int(good.flatten().logical_not().nonzero()[0])
        return layer.error(message(at, index.flatten()[at].item()))

    if not size and index.numel():
        raise error()
    return index if late.require(good, error) else index.clamp(0, size - 1)


def ignore_label(param: Any) -> int | None:
    """Return the ``ignore_label`` of a LossParameter or AccuracyParameter, None where it is not set."""
    return param.ignore_label if param.HasField("ignore_label") else None


def normalization(param: Any, default: int) -> int:
    """Return a LossParameter's NormalizationMode: ``normalization``, or what the older ``normalize`` stands for."""
    if param.HasField("normalization"):
        return int(param.normalization)
    if param.HasField("normalize"):
        return int(LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE)
    return default


def normalizer(mode: int, outer: int, inner: int, valid: torch.Tensor | None) -> Divisor:
    """Return the divisor of a summed loss, at least 1.

    mode: FULL counts all outer * inner places, VALID those that are ``valid``, BATCH_SIZE the outer ones; NONE is 1.
    """
    if mode == LossParameter.VALID and valid is not None:
        return valid.sum(dtype=torch.float32).clamp_min_(1)
    counts = {LossParameter.BATCH_SIZE: outer, LossParameter.NONE: 1}
    return float(max(counts.get(mode, outer * inner), 1))


def common_layout(bottom: Sequence[Blob]) -> str:
    """Return the layout in which to combine two bottoms value by value: contiguous unless they have one shape."""
    return bottom[0].layout if bottom[0].shape == bottom[1].shape else CONTIGUOUS
