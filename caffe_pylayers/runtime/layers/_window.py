"""The window of a Convolution, Deconvolution or Im2col."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.limits import INT_MAX, Shape


@dataclass(frozen=True)
class Window:
    """A window that slides over spatial axes: its kernel, stride, pad and dilation along each."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    @classmethod
    def read(cls, layer: Layer, axes: int) -> Window:
        """Read the window over ``axes`` spatial axes from the layer's convolution_param.

        Each size is given once for all axes, once for each, or as _h and _w. LayerError for others, and out of range.
        """
        param = layer.layer_param.convolution_param
        kernel = _sizes(layer, param, "kernel", "kernel_size", axes, None)
        stride = _sizes(layer, param, "stride", "stride", axes, 1)
        pad = _sizes(layer, param, "pad", "pad", axes, 0)
        dilation = _sizes(layer, param, "dilation", "dilation", axes, 1)
        for name, values in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation), ("pad", pad)):
            low = 0 if name == "pad" else 1
            fits = all(low <= n <= INT_MAX for n in values)
            layer.check(fits, f"{name} must be {'at least 0' if name == 'pad' else 'positive'}, got {values}")
        return cls(kernel, stride, pad, dilation)

    @property
    def extent(self) -> Shape:
        """The length along each axis from the window's first value to its last, both included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))

    def slide(self, sizes: Sequence[int]) -> Shape:
        """Return the number of the window's positions along axes of these sizes.

        It may be 1 where the window is larger than the padded axis, as Caffe's division rounds towards zero: the
        values that are ``missing`` then count as zeros.
        """
        steps = (n + 2 * p - e for n, p, e in zip(sizes, self.pad, self.extent))
        return tuple((abs(step) // s if step >= 0 else -(abs(step) // s)) + 1 for step, s in zip(steps, self.stride))

    def tight(self, sizes: Sequence[int]) -> Window:
        """Return a window that covers the same values of axes of these sizes, with the least stride and dilation.

        A stride has no effect with a single position, nor a dilation with a kernel of 1.
        """
        steps = [n + 2 * p - e for n, p, e in zip(sizes, self.pad, self.extent)]
        stride = tuple(min(s, abs(step) + 1) for s, step in zip(self.stride, steps))
        dilation = tuple(d if k > 1 else 1 for d, k in zip(self.dilation, self.kernel))
        return Window(self.kernel, stride, self.pad, dilation)

    def missing(self, sizes: Sequence[int]) -> Shape:
        """Return how far the window, at its first position, reaches beyond each padded axis."""
        return tuple(max(0, e - n - 2 * p) for n, p, e in zip(sizes, self.pad, self.extent))

    def unslide(self, sizes: Sequence[int]) -> Shape:
        """Return the sizes of axes along which the window has these numbers of positions: Deconvolution's top."""
        return tuple(s * (n - 1) + e - 2 * p for n, s, e, p in zip(sizes, self.stride, self.extent, self.pad))


def _sizes(layer: Layer, param: Any, name: str, repeated: str, axes: int, default: int | None) -> Shape:
    given = list(getattr(param, repeated))
    names = (f"{name}_h", f"{name}_w")
    if name != "dilation" and any(param.HasField(field) for field in names):
        layer.check(axes == 2, f"{' and '.join(names)} are for 2 spatial axes, bottom[0] has {axes}")
        layer.check(not given, f"either {repeated} or {' and '.join(names)}, not both")
        return getattr(param, names[0]), getattr(param, names[1])
    if not given and default is not None:
        return (default,) * axes
    if len(given) not in (1, axes):
        raise layer.error(f"{repeated} must be given once or {axes} times, one for each spatial axis, got {given}")
    return tuple(given * axes if len(given) == 1 else given)
