"""``caffe.io.Transformer``: images into what a net's inputs take, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Transformer:
    """Prepares images (height, width, channels) for a net's inputs, pycaffe's Transformer.

    inputs: the shape (N, C, H, W) of each input by its name. In this order: resized to the input, transposed,
    channels swapped, times raw_scale, less the mean, times input_scale; each of them only once it is set.

    Raises Exception for the name of no input and for what does not fit it, ValueError for a mean.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Any] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: Any) -> Any:
        """What the input takes, float32; the image is left as it is."""
        self._check(in_)
        from caffe_pylayers.pycaffe.io import resize_image

        found = np.array(data, np.float32)
        sizes = self.inputs[in_][2:]
        if found.shape[:2] != sizes:
            found = resize_image(found, sizes)
        if in_ in self.transpose:
            found = found.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            found = found[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            found = found * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            found = np.subtract(found, self.mean[in_], dtype=np.float32)
        if in_ in self.input_scale:
            found = found * np.float32(self.input_scale[in_])
        return found

    def deprocess(self, in_: str, data: Any) -> Any:
        """The image that gave this, but for its size: preprocess backward. Of the type of ``data``, floats."""
        self._check(in_)
        found = np.array(data).squeeze()
        if in_ in self.input_scale:
            found /= self.input_scale[in_]
        if in_ in self.mean:
            found += self.mean[in_]
        if in_ in self.raw_scale:
            found /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            found = found[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            found = found.transpose(np.argsort(self.transpose[in_]))
        return found

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the axes: (2, 0, 1) for (H, W, C) to (C, H, W)."""
        self._check(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception(
                f"Transpose order needs to have the same number of dimensions as the input: {in_} has "
                f"{len(self.inputs[in_]) - 1}, got {tuple(order)}"
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the channels, the first axis once transposed: (2, 1, 0) for RGB to BGR."""
        self._check(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception(
                f"Channel swap needs to have the same number of dimensions as the input channels: {in_} has "
                f"{self.inputs[in_][1]}, got {tuple(order)}"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set a factor for the image, before the mean: 255 for nets that were trained on bytes."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Any) -> None:
        """Set what is subtracted: a value for each channel, or an array (C, H, W) or (H, W), resized to fit."""
        self._check(in_)
        channels, *sizes = self.inputs[in_][1:]
        if mean.ndim == 1:
            if len(mean) != channels:
                raise ValueError(f"Mean channels incompatible with input: {in_} has {channels}, got {len(mean)}")
            mean = mean[:, np.newaxis, np.newaxis]
        else:
            shape = (1, *mean.shape) if mean.ndim == 2 else mean.shape
            if len(shape) != 3:
                raise ValueError(f"Mean shape invalid: must be (C,), (H, W) or (C, H, W), got {mean.shape}")
            if shape != self.inputs[in_][1:]:
                from caffe_pylayers.pycaffe.io import resize_image

                mean = resize_image(mean.reshape(shape).transpose(1, 2, 0), sizes).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set a factor for what the net gets, after the mean."""
        self._check(in_)
        self.input_scale[in_] = scale

    def _check(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {', '.join(self.inputs)}")
