"""SSD's changes of an image's colours, and its noise: pixels are (height, width, channels) of 8 bits, BGR or gray."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.data.samplers import permutation
from caffe_pylayers._layer.images.image_files import opencv
from caffe_pylayers._layer.images.noises import NOISES

AMOUNTS = (
    "brightness_prob",
    "brightness_delta",
    "contrast_prob",
    "contrast_lower",
    "contrast_upper",
    "saturation_prob",
    "saturation_lower",
    "saturation_upper",
    "hue_prob",
    "hue_delta",
    "random_order_prob",
)


def scale_values(pixels: Any, factor: float = 1.0, added: float = 0.0) -> Any:
    """Return factor * pixels + added, rounded and kept within 0 .. 255: contrast and brightness."""
    return opencv().LUT(np.ascontiguousarray(pixels), _table(factor, added)).reshape(pixels.shape)


def _table(factor: float, added: float) -> Any:
    values = np.rint(np.arange(256, dtype=np.float32) * np.float32(factor) + np.float32(added))
    return values.clip(0, 255).astype(np.uint8)


def scale_hsv(pixels: Any, channel: int, factor: float = 1.0, added: float = 0.0) -> Any:
    """Return BGR pixels of which a channel of hue, saturation and value is factor * channel + added.

    The hue is of 2 degrees a step, and ends at 255 as the others do: SSD's does not go around.
    """
    cv2 = opencv()
    hsv = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2HSV)
    tables = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, 2)
    tables[:, 0, channel] = _table(factor, added)
    return cv2.cvtColor(cv2.LUT(hsv, tables), cv2.COLOR_HSV2BGR)


def distort(rng: Any, pixels: Any, amounts: dict[str, float]) -> Any:
    """Return the pixels with brightness, contrast, saturation and hue changed, each with its own probability.

    Contrast comes after the brightness or, as often, after the hue; then the channels change places.

    amounts: SSD's distort_param, by AMOUNTS; what is not there is 0. A gray image has neither saturation nor hue.
    """
    colored = pixels.shape[2] == 3

    def chosen(name: str) -> bool:
        return bool(rng.random() < amounts.get(f"{name}_prob", 0))

    def delta(name: str) -> float:
        return float(rng.uniform(-1, 1) * amounts.get(f"{name}_delta", 0))

    def factor(name: str) -> float:
        return float(rng.uniform(amounts.get(f"{name}_lower", 0), amounts.get(f"{name}_upper", 0)))

    contrast_first = rng.random() > 0.5
    if chosen("brightness"):
        pixels = scale_values(pixels, added=delta("brightness"))
    if contrast_first and chosen("contrast"):
        pixels = scale_values(pixels, factor("contrast"))
    if colored and chosen("saturation"):
        pixels = scale_hsv(pixels, 1, factor("saturation"))
    if colored and chosen("hue"):
        pixels = scale_hsv(pixels, 0, added=delta("hue"))
    if not contrast_first and chosen("contrast"):
        pixels = scale_values(pixels, factor("contrast"))
    if colored and chosen("random_order"):
        pixels = pixels[:, :, permutation(rng, 3)]
    return pixels


def add_noise(
    rng: Any, pixels: Any, noises: Sequence[str], quality: float = 0, fraction: float = 0, value: Sequence[float] = (0,)
) -> Any:
    """Return the pixels with these of NOISES, in their order there.

    quality: of jpeg, in percent. fraction, value: of saltpepper: how many of the pixels become that value, one, or one
    for each channel; some are drawn twice.
    """
    for name in NOISES:
        if name in noises:
            if name == "jpeg":
                pixels = _jpeg(pixels, quality)
            elif name == "saltpepper":
                pixels = _saltpepper(rng, pixels, fraction, value)
            else:
                pixels = _NOISE[name](opencv(), np.ascontiguousarray(pixels))
                pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return pixels


def _gray(cv2: Any, pixels: Any) -> Any:
    gray = pixels if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[:, :, None]
    return np.repeat(gray, pixels.shape[2], 2)


def _of_brightness(cv2: Any, pixels: Any, change: Any) -> Any:
    if pixels.shape[2] == 1:
        return change(pixels)
    parts = cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb)
    parts[:, :, 0] = change(np.ascontiguousarray(parts[:, :, 0]))
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2BGR)


def _hsv(cv2: Any, pixels: Any) -> Any:
    return pixels if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)


_NOISE = {
    "decolorize": _gray,
    "gauss_blur": lambda cv2, pixels: cv2.GaussianBlur(pixels, (7, 7), 1.5),
    "hist_eq": lambda cv2, pixels: _of_brightness(cv2, pixels, cv2.equalizeHist),
    "clahe": lambda cv2, pixels: _of_brightness(cv2, pixels, cv2.createCLAHE(4).apply),
    "erode": lambda cv2, pixels: cv2.erode(pixels, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))),
    "posterize": lambda cv2, pixels: pixels // 64 * 64 + 32,
    "inverse": lambda cv2, pixels: 255 - pixels,
    "convert_to_hsv": _hsv,
}


def _jpeg(pixels: Any, quality: float) -> Any:
    cv2 = opencv()
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE if pixels.shape[2] == 1 else cv2.IMREAD_COLOR)
    return decoded.reshape(pixels.shape)


def _saltpepper(rng: Any, pixels: Any, fraction: float, value: Sequence[float]) -> Any:
    height, width, channels = pixels.shape
    places = (rng.random(int(fraction * height * width)) * (height * width)).astype(np.int64)
    out = pixels.copy()
    out.reshape(-1, channels)[places] = np.asarray(value)
    return out
