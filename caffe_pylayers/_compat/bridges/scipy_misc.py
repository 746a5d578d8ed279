"""The image functions that scipy.misc had until SciPy 1.2, by Pillow as there."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np

RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}


def provide() -> None:
    """Give scipy.misc those of the functions that it lacks; where there is no SciPy, make it of them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the module itself, which is why this is here
            module = importlib.import_module("scipy.misc")
    except ModuleNotFoundError:
        scipy = sys.modules.setdefault("scipy", ModuleType("scipy"))
        module = scipy.misc = sys.modules["scipy.misc"] = ModuleType("scipy.misc")  # type: ignore[attr-defined]
    for function in (bytescale, toimage, imread, imsave, imresize):
        if not hasattr(module, function.__name__):
            setattr(module, function.__name__, function)


def bytescale(data: Any, cmin: float | None = None, cmax: float | None = None, high: int = 255, low: int = 0) -> Any:
    """Return values, of which cmin to cmax become low to high, as uint8; those that are uint8 stay as they are."""
    values = np.asarray(data)
    if values.dtype == np.uint8:
        return values
    least = values.min() if cmin is None else cmin
    span = (values.max() if cmax is None else cmax) - least or 1
    return (((values - least) * (float(high - low) / span)).clip(0, high - low) + low + 0.5).astype(np.uint8)


def toimage(arr: Any, mode: str | None = None) -> Any:
    """Return a Pillow image of an array (height, width), (height, width, channels) or (channels, height, width)."""
    from PIL import Image

    values = np.squeeze(np.asarray(arr))
    if mode == "F":
        return Image.fromarray(values.astype(np.float32))
    if values.ndim == 3 and values.shape[2] not in (3, 4):
        values = np.moveaxis(values, 0, 2)
    image = Image.fromarray(np.ascontiguousarray(bytescale(values)))
    return image if mode is None else image.convert(mode)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> Any:
    """Return an image file as an array; flatten gives its brightness, float32."""
    from PIL import Image

    with Image.open(name) as image:
        if mode is None and image.mode == "P":  # a palette's colours, not its numbers
            mode = "RGBA" if "transparency" in image.info else "RGB"
        loaded = image.copy() if mode is None else image.convert(mode)
    return np.array(loaded.convert("F") if flatten else loaded)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Write an array as an image file."""
    toimage(arr).save(name, format)


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> Any:
    """Return an array's image in another size: an integer for per cent, a float for a factor, or (height, width)."""
    image = toimage(arr, mode)
    if isinstance(size, (int, np.integer)):
        sizes = tuple(int(n * size / 100.0) for n in image.size)
    elif isinstance(size, (float, np.floating)):
        sizes = tuple(int(n * size) for n in image.size)
    else:
        sizes = (int(size[1]), int(size[0]))
    return np.array(image.resize(sizes, resample=RESAMPLING[interp]))
