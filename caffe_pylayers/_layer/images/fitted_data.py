"""What data layers share that bring images to a size as SSD does: resized, with noise, cropped, mirrored."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.images.distortions import add_noise
from caffe_pylayers._layer.images.fitting import INTERPOLATIONS, PAD_MODES, RESIZE_MODES, fit
from caffe_pylayers._layer.images.image_files import opencv
from caffe_pylayers._layer.images.mean import MeanSubtracted
from caffe_pylayers._layer.images.noises import NOISES
from caffe_pylayers._layer.images.views import planes
from caffe_pylayers._layer.phases import TRAIN

_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])


class Fitted(NamedTuple):
    """An image as it goes into a batch.

    data: (channels, height, width). window: x1, y1, x2, y2 of what was cut out, as parts of the resized image.
    mirrored: True for left to right.
    """

    data: Any
    window: Any
    mirrored: bool


def image_of(datum: Any, channels: str | None = None) -> Any:
    """Return the pixels of a Datum, (height, width, channels) of 8 bits.

    channels: BGR or gray, what an encoded one becomes; None: what it is.
    """
    if not datum.encoded:
        shape = (datum.channels, datum.height, datum.width)
        if datum.float_data:
            raise ValueError("holds float_data, and no image of 8 bits")
        if min(shape) < 1 or len(datum.data) != math.prod(shape):
            raise ValueError(f"holds {len(datum.data)} bytes, which are no image of shape {shape}")
        return np.frombuffer(datum.data, np.uint8).reshape(shape).transpose(1, 2, 0)
    cv2 = opencv()
    flag = {None: cv2.IMREAD_UNCHANGED, "BGR": cv2.IMREAD_COLOR, "gray": cv2.IMREAD_GRAYSCALE}[channels]
    pixels = cv2.imdecode(np.frombuffer(datum.data, np.uint8), flag) if datum.data else None
    if pixels is None or pixels.dtype != np.uint8:
        raise ValueError(f"holds {len(datum.data)} bytes that are no image of 8 bits that OpenCV can decode")
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


class FittedData(MeanSubtracted, PrefetchedData):
    """A data layer of images, in this order: resized, noise added, cropped, mirrored, the mean subtracted, scaled."""

    channels = Parameter(str, None, choices=("BGR", "gray"), doc="what encoded images become; default: what they are")
    resize = Parameter((int, int), None, low=1, doc="height and width, in pixels")
    resize_mode = Parameter(str, "warp", choices=RESIZE_MODES, doc="whether the ratio stays, and which side fits")
    interpolation = Parameter(
        [str], ("linear",), choices=INTERPOLATIONS, length=(1, None), doc="OpenCV's; of several a random one"
    )
    pad_mode = Parameter(str, "constant", choices=tuple(PAD_MODES), doc="of fit_large_size_and_pad")
    pad_value = Parameter([float], (0,), low=0, high=255, length=(1, None), doc="one, or one for each channel")
    noise = Parameter([str], (), choices=NOISES, doc="SSD's noise_param: in the order of this list")
    jpeg_quality = Parameter(int, 95, low=0, high=100, doc="of the noise jpeg, in percent")
    saltpepper_fraction = Parameter(float, 0.0, low=0, high=1, doc="of the pixels")
    saltpepper_value = Parameter([float], (0,), low=0, high=255, length=(1, None), doc="one, or one for each channel")
    crop = Parameter((int, int), None, low=1, doc="height and width cut out: TRAIN anywhere, TEST in the middle")
    mirror = Parameter(bool, False, doc="half of the images left to right, in either phase")
    mean_file = Parameter(str, None, doc="in place of mean: .npy or .binaryproto (C, H, W) of the resized image")
    scale = Parameter(float, 1.0, doc="multiplies in the end")

    def prepare_images(self) -> None:
        """Check the parameters against each other; called by prepare."""
        opencv()
        values = self.read_mean_file()
        self._mean = None if values is None else np.asarray(values, np.float32)

    def fitted(self, rng: Any, pixels: Any, size: Any = None) -> Fitted:
        """Return an image, (height, width, channels) of 8 bits, as it goes into a batch; size: in place of resize."""
        for name in ("pad_value", "saltpepper_value", "mean"):
            if len(getattr(self, name)) not in (0, 1, pixels.shape[2]):
                raise ValueError(f"has {pixels.shape[2]} channels, parameter {name} {len(getattr(self, name))} values")
        size = size or self.resize
        interpolation = self.interpolation[int(rng.random() * len(self.interpolation))]
        if size is not None:
            pixels = fit(pixels, size, self.resize_mode, interpolation, self.pad_mode, self.pad_value)
        pixels = add_noise(rng, pixels, self.noise, self.jpeg_quality, self.saltpepper_fraction, self.saltpepper_value)
        pixels, mean, window = self._cropped(rng, pixels)
        data = planes(pixels, mean, None if self.scale == 1 else np.float32(self.scale))
        mirrored = bool(self.mirror and rng.random() < 0.5)
        return Fitted(data[:, :, ::-1] if mirrored else data, window, mirrored)

    def _cropped(self, rng: Any, pixels: Any) -> tuple[Any, Any, Any]:
        """Return the crop of pixels, the mean there, and the window that it is."""
        height, width, channels = pixels.shape
        mean = np.array(self.mean, np.float32)[:, None, None] if self.mean else self._mean
        if self._mean is not None and self._mean.shape != (channels, height, width):
            raise ValueError(f"has shape {(channels, height, width)}, the mean of mean_file {self._mean.shape}")
        if self.crop is None:
            return pixels, mean, _WHOLE
        rows, columns = self.crop
        if rows > height or columns > width:
            raise ValueError(f"has {height} x {width} pixels, fewer than crop {rows} x {columns}")
        places = (rng.random(), rng.random()) if self.phase == TRAIN else None
        room = np.array([height - rows, width - columns])
        top, left = (room // 2 if places is None else (np.array(places) * (room + 1)).astype(int)).tolist()
        window = np.array([left / width, top / height, (left + columns) / width, (top + rows) / height])
        if self._mean is not None:
            mean = self._mean[:, top : top + rows, left : left + columns]
        return pixels[top : top + rows, left : left + columns], mean, window
