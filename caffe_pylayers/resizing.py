"""Maps of another size: resized, cropped to a reference, padded back to one.

layer {
  name: "up"  type: "Python"
  bottom: "score"  bottom: "data"  top: "up"
  python_param { module: "caffe_pylayers.resizing"  layer: "ResizeFeatures" }
}

layer {
  name: "small_label"  type: "Python"
  bottom: "label"  top: "small_label"
  python_param {
    module: "caffe_pylayers.resizing"  layer: "ResizeLabels"
    param_str: '{"shrink_factor": 8}'
  }
}

layer {
  name: "crop"  type: "Python"
  bottom: "score"  bottom: "data"  top: "crop"
  python_param { module: "caffe_pylayers.resizing"  layer: "CropLike" }
}

layer {
  name: "pad"  type: "Python"
  bottom: "data"  top: "pad"
  python_param { module: "caffe_pylayers.resizing"  layer: "Pad"  param_str: "{pad_r: 1, pad_b: 1}" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.interpolated import Interpolated
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.bases.resized import Resized
from caffe_pylayers._layer.functions.interpolation import nearest, resize, taps

__all__ = ["CropLike", "Pad", "ResizeFeatures", "ResizeLabels", "Uncrop", "crop_backward", "crop_forward", "resize"]


def crop_forward(x, window, cropped):
    """Write what the window, a slice for each axis, shows of x."""
    cropped[...] = x[window]


def crop_backward(d_cropped, window, d_x):
    """Write d_cropped into the window, and zeros around it."""
    arrays.fill(d_x, 0)
    d_x[window] = d_cropped


class ResizeFeatures(Interpolated, Resized):
    """Maps resized bilinearly: by factors, to a size, or to that of a reference.

    top = sum of the four values around each position, weighted by how near they are; the
    positions are those of the coordinates. Beyond the outermost values these go on.

    Bottom:
        [0] maps (N, C, H, W), or of any shape whose last two axes are H, W
        [1] reference, optional: only its last two sizes are used
    Top:
        [0] resized (N, C, h, w)
    Backward:
        d_maps, the transposed interpolation; the reference gets zeros.
    Raises:
        ValueError for no size, or for one given twice.

    References:
        With align_corners, the default, it is Interp of DeepLab and PSPNet (Zhao et al., "Pyramid
        Scene Parsing Network", 2017, arXiv:1612.01105) with its factors and pads, and PyTorch's
        interpolate with align_corners=True; half_pixel is interpolate's align_corners=False, and
        OpenCV's resize; asymmetric is TensorFlow 1's resize_bilinear. Upsample of YOLO is "mode":
        "nearest" with "asymmetric". No value is filtered before a map shrinks.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ResizeFeatures, [[[[0, 1], [2, 3]]]], param_str='{"zoom_factor": 2}').forward()[0]
        array([[[0. , 0.5, 1. ],
                [1. , 1.5, 2. ],
                [2. , 2.5, 3. ]]])
    """

    mode = Parameter(str, "bilinear", choices=("bilinear", "nearest"), doc="the four values around, or the nearest one")

    def plan(self, maps, reference=None):
        before, inside, after = self.resized(maps, reference)
        found = []
        for whole, n, m in zip(before, inside, after):
            source, target, factor = taps(n, m, self.coordinates, self.mode == "bilinear")
            found.append(None if whole == n == m else (source - self.pad_beg, target, factor))
        return self.plan_taps(maps, after, found)


class ResizeLabels(NoGradient, Resized):
    """Label maps resized: each position gets the nearest label, never one between two.

    Bottom:
        [0] labels (N, 1, H, W) or (N, H, W), or of any shape whose last two axes are H, W
        [1] reference, optional: only its last two sizes are used
    Top:
        [0] resized (N, 1, h, w)
    Backward:
        Zeros.
    Raises:
        ValueError for no size, or for one given twice.

    References:
        With align_corners, the default, and shrink_factor it takes every s-th label, as DeepLab's
        Interp does, and fits the features of ResizeFeatures. half_pixel is PyTorch's
        interpolate(mode="nearest-exact") and Pillow's resize; asymmetric is mode="nearest", and
        OpenCV's.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ResizeLabels, [[[[0, 7, 255]]]], param_str='{"size": [1, 5]}').forward()[0]
        array([[[  0.,   7.,   7., 255., 255.]]])
    """

    def plan(self, labels, reference=None):
        before, inside, after = self.resized(labels, reference)
        self._count = math.prod(labels.shape[:-2])
        self._before, self._after = (self._count, *before), (self._count, *after)
        self._rows, self._columns = (
            arrays.to_int64(arrays.from_numpy(nearest(n, m, self.coordinates) - self.pad_beg, labels))
            for n, m in zip(inside, after)
        )
        return [(*labels.shape[:-2], *after)]

    def forward(self, bottom, top):
        labels = bottom[0].data.reshape(self._before)
        top[0].data.reshape(self._after)[...] = labels[:, self._rows][:, :, self._columns]


class _Window(Layer):
    """A layer that goes between an array and a window in it. crops: True from the array to the window."""

    array_api = True
    crops = True

    axis = Parameter(int, 2, doc="the first axis to get the reference's size; negative counts from the end")
    offset = Parameter(
        [int],
        (),
        low=0,
        doc="where the window begins, one for all axes from axis on, or one for each; default: (large - small) // 2",
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "cropped" if self.crops else "padded")

    def plan(self, x, reference):
        shape, like = tuple(x.shape), tuple(reference.shape)
        if len(shape) != len(like):
            raise checks.error(self, f"bottom[1] (reference) must have the axes of bottom[0] {shape}, got {like}")
        axis = checks.axis(self, self.axis, len(shape), f"bottom[0] of shape {shape}")
        to = shape[:axis] + like[axis:]
        large, small = (shape, to) if self.crops else (to, shape)
        offsets = self.offset
        if not offsets:
            offsets = [(n - m) // 2 for n, m in zip(large, small)][axis:]
        elif len(offsets) == 1:
            offsets *= len(shape) - axis
        elif len(offsets) != len(shape) - axis:
            raise checks.error(
                self,
                f"parameter offset must have 1 or {len(shape) - axis} numbers, for axes {axis} on, got {len(offsets)}",
            )
        starts = [0] * axis + list(offsets)
        if any(start < 0 or start + m > n for start, n, m in zip(starts, large, small)):
            raise checks.error(
                self,
                f"the smaller, {small}, at offset {tuple(offsets)}, must lie in the larger, {large}, "
                f"bottom[{1 - self.crops}] from axis {axis} on",
            )
        self._window = tuple(slice(start, start + m) for start, m in zip(starts, small))
        return [to]


class CropLike(_Window):
    """The middle of an array, or what begins at an offset, in the size of a reference.

    top[n, c, y, x] = bottom[n, c, y + o_y, x + o_x].

    Bottom:
        [0] x (N, C, H, W), or any shape
        [1] reference (M, K, h, w), as many axes: only its sizes from axis on are used
    Top:
        [0] cropped (N, C, h, w)
    Backward:
        d_x, zeros outside the window; the reference gets zeros.
    Raises:
        ValueError for a reference that is larger, or an offset that leads outside.

    References:
        With an offset it is Caffe's Crop, which has no middle: of an odd difference the smaller
        half comes first.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(CropLike, [[[0, 1, 2, 3, 4]], [[0, 0]]], param_str='{"axis": -1}').forward()[0]
        array([[1., 2.]])
    """

    def forward(self, bottom, top):
        crop_forward(bottom[0].data, self._window, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            crop_backward(top[0].diff, self._window, bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class Uncrop(_Window):
    """An array put back where it was cropped from: into one of a reference's size, with a value around it.

    Bottom:
        [0] x (N, C, h, w), or any shape
        [1] reference (M, K, H, W), as many axes: only its sizes from axis on are used
    Top:
        [0] padded (N, C, H, W)
    Backward:
        d_x, what is in the window; the reference gets zeros.
    Raises:
        ValueError for a reference that is smaller, or an offset that leads outside.

    References:
        What undoes CropLike of the same offset, and Caffe's Crop; like PyTorch's pad with a constant.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Uncrop, [[[1, 2]], [[0, 0, 0, 0, 0]]], param_str='{"axis": -1, "fill_value": 255}')
        >>> run.forward()[0]
        array([[255.,   1.,   2., 255., 255.]])
    """

    crops = False

    fill_value = Parameter(float, 0.0, doc="around the array; for label maps the ignored label")

    def forward(self, bottom, top):
        arrays.fill(top[0].data, self.fill_value)
        top[0].data[self._window] = bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            crop_forward(top[0].diff, self._window, bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class Pad(Layer):
    """Rows and columns of a value around maps, as many as asked for on each side.

    Bottom:
        [0] x (..., H, W)
    Top:
        [0] padded (..., pad_t + H + pad_b, pad_l + W + pad_r)
    Backward:
        d_x, what is inside.
    Raises:
        ValueError for a bottom of fewer than two axes.

    References:
        Padding of sophgo/caffe, which has no gradient; torch.nn.functional.pad with a constant. A convolution's own
        pad is the same on two sides: this makes TensorFlow's "SAME" of it.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Pad, [[[1, 2]]], param_str="{pad_l: 1, pad_b: 1, fill_value: 9}").forward()[0]
        array([[9., 1., 2.],
               [9., 9., 9.]])
    """

    array_api = True

    pad_t = Parameter(int, 0, low=0, doc="rows above the first")
    pad_b = Parameter(int, 0, low=0, doc="rows below the last")
    pad_l = Parameter(int, 0, low=0, doc="columns before the first")
    pad_r = Parameter(int, 0, low=0, doc="columns behind the last")
    fill_value = Parameter(float, 0.0, doc="what is in them; for label maps the ignored label")

    def setup(self, bottom, top):
        checks.tops(self, top, "padded")

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] must have the shape (..., H, W), got {shape}")
        height, width = shape[-2:]
        inside = slice(self.pad_t, self.pad_t + height), slice(self.pad_l, self.pad_l + width)
        self._window = (*(slice(None) for _ in shape[:-2]), *inside)
        return [(*shape[:-2], self.pad_t + height + self.pad_b, self.pad_l + width + self.pad_r)]

    def forward(self, bottom, top):
        arrays.fill(top[0].data, self.fill_value)
        top[0].data[self._window] = bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            crop_forward(top[0].diff, self._window, bottom[0].diff)
