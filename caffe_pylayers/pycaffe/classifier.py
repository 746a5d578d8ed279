"""``caffe.Classifier``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_pylayers.pycaffe.io import Transformer, oversample, resize_image
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST


class ImageNet(Net):
    """A net in the TEST phase whose first input takes images, with the Transformer that prepares them.

    mean, input_scale, raw_scale, channel_swap: as the Transformer's. Raises ValueError for a net without inputs.
    """

    def __init__(
        self,
        model_file: Any,
        pretrained_file: Any,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        if not self.inputs:
            raise ValueError(
                f"{type(self).__name__} needs a net with an input, {model_file} has none: take its deploy.prototxt, "
                'or put layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 224 '
                "dim: 224 } } } in place of its data layer"
            )
        name = self.inputs[0]
        self.transformer = Transformer({name: self.blobs[name].shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(name, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(name, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(name, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(name, channel_swap)

    def run(self, images: Any) -> Any:
        """Return the first output's values for images (height, width, channels)."""
        name = self.inputs[0]
        prepared = np.stack([self.transformer.preprocess(name, image) for image in images])
        inputs: Any = {name: prepared}
        return self.forward_all(**inputs)[self.outputs[0]]


class Classifier(ImageNet):
    """Classifies images, by the mean over ten crops of each or by the middle one: pycaffe's Classifier.

    image_dims: the height and width that images are resized to before they are cropped; by default the input's.
    """

    def __init__(
        self,
        model_file: Any,
        pretrained_file: Any,
        image_dims: Sequence[int] | None = None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims: Any = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims: Any = self.crop_dims if image_dims is None else image_dims

    def predict(self, inputs: Sequence[Any], oversample: bool = True) -> Any:
        """Return the probabilities (N, classes) of N images (height, width, channels), a list or an array."""
        resized: Any = np.stack([resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            found = self.run(_oversample(resized, self.crop_dims))
            return found.reshape(len(found) // 10, 10, -1).mean(axis=1)
        top, left = (int(n / 2.0 - crop / 2.0) for n, crop in zip(self.image_dims, self.crop_dims))
        high, wide = self.crop_dims
        return self.run(resized[:, top : top + high, left : left + wide])


_oversample = oversample  # whose name is an argument's too
