"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._layout import image_layout
from caffe_pylayers.runtime.layers._pool import AveragePool, MapPool, MaxPool, PoolWindow, StochasticPool
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import INT_MAX, Shape
from caffe_pylayers.runtime.proto.caffe_pb2 import TRAIN, PoolingParameter


@register("Pooling")
class Pooling(Layer):
    """The maximum, average or a random value of each window, as Caffe's Pooling.

    Bottom: [0] (N, C, H, W). Top: [0] (N, C, positions of the window); with MAX optionally [1], the
    maxima's positions h * W + w.

    A last window may lie wholly outside the map: it gives -FLT_MAX (MAX) or NaN (AVE) and passes no
    gradient on, where Caffe writes outside its memory. MAX takes NaN and -inf for values, which Caffe passes over.
    STOCHASTIC works on the CPU too, which Caffe's does not. ``engine`` changes nothing here.
    """

    tops = (1, 2)
    backward_reads_tops = False

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.pooling_param
        self._method = param.pool
        both = param.HasField("kernel_h") and param.HasField("kernel_w")
        if param.global_pooling:
            given = [name for name in ("kernel_size", "kernel_h", "kernel_w") if param.HasField(name)]
            self.check(not given, f"with global_pooling the map is the window: drop {', '.join(given)}")
        elif param.HasField("kernel_size") == both:
            raise self.error("the window is kernel_size, or both kernel_h and kernel_w")
        self._kernel = (param.kernel_size,) * 2 if param.HasField("kernel_size") else (param.kernel_h, param.kernel_w)
        self._pad = self._pair(param, "pad")
        self._stride = self._pair(param, "stride")
        self.check(all(self._stride), f"the stride must be positive, got {self._stride}")
        sizes = (*self._kernel, *self._pad, *self._stride)
        self.check(max(sizes) <= INT_MAX, f"kernel, pad and stride must be at most {INT_MAX}, got {sizes}")
        if param.global_pooling and (any(self._pad) or self._stride != (1, 1)):
            raise self.error(f"with global_pooling pad is 0 and stride 1, got {self._pad} and {self._stride}")
        if any(self._pad):
            known = self._method in (PoolingParameter.MAX, PoolingParameter.AVE)
            self.check(known, f"only MAX and AVE take a pad, got {self._pad}")
            fits = all(p < k for p, k in zip(self._pad, self._kernel))
            self.check(fits, f"the pad must be less than the window {self._kernel}, got {self._pad}")
        several = len(top) > 1 and self._method != PoolingParameter.MAX
        self.check(not several, "only MAX has a second top, the mask")

    def _pair(self, param: Any, name: str) -> tuple[int, int]:
        """Return (height, width): ``name`` for both, or ``name``_h and ``name``_w; LayerError for a mixture."""
        apart = param.HasField(f"{name}_h"), param.HasField(f"{name}_w")
        if any(apart) and (param.HasField(name) or not all(apart)):
            raise self.error(f"{name} is given once, or as both {name}_h and {name}_w")
        if any(apart):
            return getattr(param, f"{name}_h"), getattr(param, f"{name}_w")
        return (getattr(param, name),) * 2

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = bottom[0].shape
        self.check(len(shape) == 4, f"bottom[0] must have shape (N, C, H, W), got {shape}")
        param = self.layer_param.pooling_param
        kernel = (shape[2], shape[3]) if param.global_pooling else self._kernel
        self.check(all(kernel), f"the window must be positive, got {kernel}")
        window = PoolWindow(kernel, self._stride, self._pad, param.round_mode == PoolingParameter.CEIL)
        out = window.slide((shape[2], shape[3]))
        if any(n < 1 for n in out):
            raise self.error(f"the window {kernel} gives bottom[0] of shape {shape} a top of sizes {out}")
        self._pool = make_pool(self._method, window, shape, self.phase == TRAIN)
        for blob in top:
            blob.reshape(*shape[:2], *out)
        self._layout = image_layout(shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        y = top[0].write(self._layout)
        if not y.numel():
            return
        x = bottom[0].read(self._layout)
        self._pool.forward(x, y)
        if len(top) > 1 and isinstance(self._pool, MaxPool):
            self._pool.mask(x, y, top[1].write(self._layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            layout = self._layout
            if isinstance(self._pool, StochasticPool):
                self.check(self._pool.training, "STOCHASTIC has a gradient in the TRAIN phase only")
            if top[0].count:
                self._pool.backward(top[0].read_diff(layout), bottom[0].read(layout), bottom[0].write_diff(layout))
            else:
                bottom[0].write_diff().zero_()


def make_pool(method: int, window: PoolWindow, shape: Shape, training: bool) -> MapPool:
    """Return the pooling by a PoolingParameter.PoolMethod, for maps of a shape (N, C, H, W)."""
    if method == PoolingParameter.MAX:
        return MaxPool(window, shape, training)
    if method == PoolingParameter.AVE:
        return AveragePool(window, shape)
    return StochasticPool(window, shape, training)
