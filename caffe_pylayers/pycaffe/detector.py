"""``caffe.Detector``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from caffe_pylayers.pycaffe.classifier import ImageNet
from caffe_pylayers.pycaffe.io import load_image, resize_image


class Detector(ImageNet):
    """Classifies windows of images: pycaffe's Detector, R-CNN's way (Girshick et al. 2014).

    context_pad: the rows and columns of the net's input that show what is around a window, on each side; the mean
        stands for what is outside of the image.
    """

    def __init__(
        self,
        model_file: Any,
        pretrained_file: Any,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[Any, Sequence[Any]]]) -> list[dict[str, Any]]:
        """Return a window, prediction and filename for each window (ymin, xmin, ymax, xmax) of each image file."""
        crops, found = [], []
        for filename, windows in images_windows:
            image = load_image(filename)
            for window in windows:
                crops.append(self.crop(image, window))
                found.append({"window": window, "filename": filename})
        for entry, prediction in zip(found, self.run(crops) if crops else ()):
            entry["prediction"] = prediction
        return found

    def detect_selective_search(self, image_fnames: Iterable[Any]) -> list[dict[str, Any]]:
        """Detect in the windows that Selective Search proposes; needs its package and MATLAB."""
        import selective_search_ijcv_with_python as selective_search  # type: ignore[import-not-found]

        paths = [os.path.abspath(name) for name in image_fnames]
        return self.detect_windows(zip(paths, selective_search.get_windows(paths, cmd="selective_search_rcnn")))

    def configure_crop(self, context_pad: int | None) -> None:
        """Set context_pad, and the mean that surrounds an image."""
        name = self.inputs[0]
        channels, height, width = self.blobs[name].shape[1:]
        self.context_pad = context_pad
        self.crop_dims = np.array((height, width, channels))
        self.crop_mean: Any = np.zeros(self.crop_dims, np.float32)
        transformer = self.transformer
        if context_pad and name in transformer.mean:  # as it is in an image, before it is prepared
            mean = np.broadcast_to(transformer.mean[name], (channels, height, width)).transpose(1, 2, 0)
            if name in transformer.channel_swap:
                mean = mean[:, :, np.argsort(transformer.channel_swap[name])]
            self.crop_mean = mean / transformer.raw_scale.get(name, 1)

    def crop(self, im: Any, window: Any) -> Any:
        """Cut a window (ymin, xmin, ymax, xmax) out of an image; with context_pad resized to the net's input."""
        y1, x1, y2, x2 = (int(n) for n in window)
        if not self.context_pad:
            return im[y1:y2, x1:x2]
        size = int(self.crop_dims[1])
        half = np.array(((y2 - y1 + 1) / 2.0, (x2 - x1 + 1) / 2.0))
        centre, reach = np.add((y1, x1), half), half * (size / (size - 2.0 * self.context_pad))
        start, end = np.round(centre - reach), np.round(centre + reach)
        scale = size / (end - start + 1)
        pad = np.round(np.maximum(0, -start) * scale).astype(int)
        inside = np.clip([start, end], 0, im.shape[:2]).astype(int)
        if np.any(inside[1] <= inside[0]):
            raise ValueError(f"window {tuple(window)} is outside of the image of {im.shape[1]} x {im.shape[0]}")
        sizes = np.minimum(np.round((inside[1] - inside[0] + 1) * scale).astype(int), size - pad)
        (top, left), (bottom, right) = inside
        crop = np.array(self.crop_mean, np.float32)
        crop[pad[0] : pad[0] + sizes[0], pad[1] : pad[1] + sizes[1]] = resize_image(im[top:bottom, left:right], sizes)
        return crop
