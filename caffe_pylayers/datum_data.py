"""Images of the databases that Caffe's Data layer reads, in random order, and changed in more ways than it has.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.datum_data"  layer: "DatumImages"
        param_str: '{"source": "ilsvrc12_train_lmdb", "batch_size": 64, "shorter": [256, 480], "crop": [224, 224], '
                   '"mirror": true, "mean": [104, 117, 123], "workers": 4}'
      }
    }

It needs OpenCV: pip install 'caffe-pylayers[images]'. ``caffe-pylayers convert-images`` makes such databases.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.record_data import RecordData
from caffe_pylayers._layer.images.fitted_data import FittedData, image_of
from caffe_pylayers._layer.images.fitting import INTERPOLATIONS, fit

__all__ = ["DatumImages", "fit", "image_of", "random_part", "random_size"]


def random_size(
    rng, size, shorter=None, ratio=None, stretch=((1, 1), (1, 1)), least=(0, 0), upscale=False, round_down=False
):
    """Return a random (height, width) for an image of a size.

    shorter: the ends of what its shorter side becomes; None: what it is. ratio: the ends of what the longer side is
    to it; None: as in the image. stretch: the ends of factors of height and width. All ends count.
    least: the least (height, width). upscale: False for no side longer than the image's, which comes last.
    round_down: parts of pixels are left out.
    """
    height, width = size
    wanted = min(size) if shorter is None else shorter[0] + int(rng.random() * (shorter[1] - shorter[0] + 1))
    sides = np.array([height, width]) * (wanted / min(size))
    if ratio is not None:
        longer = int(rng.random() < 0.5) if height == width else int(width > height)
        sides[longer] = sides[1 - longer] * rng.uniform(*ratio)
    sides *= [rng.uniform(*ends) for ends in stretch]
    found = np.maximum(np.floor(sides + (1e-6 if round_down else 0.5)).astype(int), least)
    return tuple((found if upscale else np.minimum(found, size)).tolist())


def random_part(rng, size, area, change, attempts):
    """Return (top, left, height, width) of a random part of an image; None where none of the attempts fits in it.

        height, width = a sqrt(A), sqrt(A) / a, or the other way round,   a in [change, 1 / change]

    area: the ends of the part's area A, as parts of the image's.
    """
    for _ in range(attempts):
        root = np.sqrt(rng.uniform(*area) * size[0] * size[1])
        factor = rng.uniform(change, 1 / change)
        sides = [max(int(root * factor), 1), max(int(root / factor), 1)]
        height, width = sides[::-1] if rng.random() < 0.5 else sides
        if height <= size[0] and width <= size[1]:
            top, left = (int(rng.random() * (n - m + 1)) for n, m in zip(size, (height, width)))
            return top, left, height, width
    return None


class DatumImages(FittedData, RecordData):
    """Images with labels of an LMDB of Datum, Caffe's records.

    In this order: brought to a random size, resized, noise added, cropped, mirrored, the mean subtracted, scaled. What
    is asked for is done in either phase, but for the crop, which is in the middle in TEST.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W)
        [1] label, optional: (N,)
    Backward:
        none
    Raises:
        ValueError for a database that cannot be read, before the net is built; for a record that is no Datum or holds
        no image of 8 bits by the forward that was to use it.
    References:
        The transform_param of NVIDIA/caffe: img_rand_resize_lower and img_rand_resize_upper are the ends of shorter,
        rand_resize_ratio_* those of ratio, vertical_stretch_* and horizontal_stretch_* those of stretch_height and
        stretch_width, interpolation_algo_* the interpolation_*; shuffle is its data_param's. The transform_param of
        SSD's Caffe: resize_param and noise_param are the parameters of AnnotatedData. That of intel/caffe:
        random_resize_param is shorter with upscale and round_down, random_aspect_ratio_param random_area, aspect_change
        and attempts (Szegedy et al., 2015, arXiv:1409.4842, section 6).
    Example:
        >>> import lmdb, tempfile
        >>> from caffe_pylayers.annotated_data import message_class
        >>> from caffe_pylayers.testing import LayerRun
        >>> record = message_class("Datum")(channels=1, height=1, width=2, data=bytes([10, 20]), label=7)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with lmdb.open(folder) as database, database.begin(write=True) as transaction:
        ...         _ = transaction.put(b"0", record.SerializeToString())
        ...     param_str = str({"source": folder, "shorter": [2, 2], "upscale": True, "interpolation_up": "nearest"})
        ...     data, label = LayerRun(DatumImages, param_str=param_str, tops=2).forward()
        >>> data
        array([[[[10., 10., 20., 20.],
                 [10., 10., 20., 20.]]]])
        >>> label
        array([7.])
    """

    shorter = Parameter((int, int), None, low=1, doc="the ends of a random shorter side, in pixels; the ratio stays")
    ratio = Parameter((float, float), None, low=1, doc="the ends of a random ratio of the longer side to the shorter")
    stretch_height = Parameter((float, float), (1, 1), above=0, doc="the ends of a random factor")
    stretch_width = Parameter((float, float), (1, 1), above=0, doc="the ends of a random factor")
    upscale = Parameter(bool, False, doc="false: random sizes make no side longer than the image's")
    round_down = Parameter(bool, False, doc="random sizes: parts of pixels are left out, not rounded")
    random_area = Parameter(
        (float, float), None, above=0, high=1, doc="the ends of the area of a random part, which is resized to crop"
    )
    aspect_change = Parameter(float, 1.0, above=0, high=1, doc="random_area: c: its ratio is in [c^2, 1 / c^2]")
    attempts = Parameter(
        int, 10, low=0, doc="random_area: after so many the shorter side becomes crop's, in place of it"
    )
    interpolation_down = Parameter(str, "nearest", choices=INTERPOLATIONS, doc="of random sizes, where no side grows")
    interpolation_up = Parameter(str, "cubic", choices=INTERPOLATIONS, doc="of random sizes, where a side grows")

    tops = ("data", "label")
    optional_tops = 1
    record_type = "Datum"

    def prepare(self):
        self.prepare_images()
        for name in ("shorter", "ratio", "stretch_height", "stretch_width", "random_area"):
            low, high = getattr(self, name) or (1, 1)
            if low > high:
                raise checks.error(self, f"parameter {name} must be the lower and the upper end, got [{low}, {high}]")
        if self.random_area and not self.crop:
            raise checks.error(self, "needs the parameter crop with random_area: what the part is resized to")
        self._stretch = (self.stretch_height, self.stretch_width)
        self._random = self.shorter or self.ratio or self._stretch != ((1, 1), (1, 1))
        self.open_records()

    def item(self, index, rng):
        record = self.record(index)
        pixels = image_of(record, self.channels)
        if self._random:
            least = self.crop or (1, 1)
            options = (self.shorter, self.ratio, self._stretch, least, self.upscale, self.round_down)
            pixels = self._resized(pixels, random_size(rng, pixels.shape[:2], *options))
        elif self.random_area:
            pixels = self._random_part(rng, pixels)
        return (self.fitted(rng, pixels).data, record.label)[: len(self.tops)]

    def _random_part(self, rng, pixels):
        part = random_part(rng, pixels.shape[:2], self.random_area, self.aspect_change, self.attempts)
        if part is None:
            shorter = (max(self.crop),) * 2
            size = random_size(rng, pixels.shape[:2], shorter, upscale=True, round_down=True)
            return self._resized(pixels, size)
        top, left, height, width = part
        return self._resized(pixels[top : top + height, left : left + width], tuple(self.crop))

    def _resized(self, pixels, size):
        if size == pixels.shape[:2]:
            return pixels
        grows = size[0] > pixels.shape[0] or size[1] > pixels.shape[1]
        return fit(pixels, size, "warp", self.interpolation_up if grows else self.interpolation_down)
