"""What layers share whose top has the values of a map between its pixels."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.functions.map_sampler import MapSampler

__all__ = ["Sampled"]


class Sampled(Layer):
    """top[n, c, p] is what bottom[0], a batch of maps, has at the places that follow from bottom[1].

    A subclass has a plan, which checks the shapes and calls plan_places, a padding, see `settled`, and:

        def places(self, bottom):             # return x and y in pixels, each (N, P)
        def d_places(self, d_places):         # return the gradient of bottom[1], of any shape of its size
    """

    array_api = True
    padding: Any = "zeros"

    def plan_places(self, features: Any, height: int, width: int, fill: float = 0.0) -> Any:
        """Return the top's shape, for so many places in each of the maps (N, C, H, W). fill: see MapSampler."""
        count, channels, *size = features.shape
        self._size, self._places = size, (count, height * width)
        self._sampled = count, channels, height * width
        self._sampler = MapSampler(self.xp, features, features.shape, height * width, self.padding, fill)
        return [(count, channels, height, width)]

    def places(self, bottom: Any) -> Any:
        """Return x and y."""
        raise NotImplementedError(f"{type(self).__name__}: places is not defined")

    def d_places(self, d_places: Any) -> Any:
        """Return the gradient of bottom[1], from that of x and y (N, P, 2)."""
        raise NotImplementedError(f"{type(self).__name__}: d_places is not defined")

    def forward(self, bottom: Any, top: Any) -> None:
        x, y = self.places(bottom)
        self._sampler.forward(bottom[0].data, x, y, top[0].data.reshape(self._sampled))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        d_map = bottom[0].diff if propagate_down[0] else None
        d_places = self._sampler.backward(top[0].diff.reshape(self._sampled), d_map, propagate_down[1])
        if propagate_down[1]:
            bottom[1].diff[...] = self.d_places(d_places).reshape(bottom[1].diff.shape)
