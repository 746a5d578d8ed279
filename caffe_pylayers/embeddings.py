"""Embeddings, before a loss or a search compares them.

layer {
  name: "norm"  type: "Python"  bottom: "ip2"  top: "embedding"
  python_param { module: "caffe_pylayers.embeddings"  layer: "L2Normalize" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.embeddings.cosines import unit_vectors, unit_vectors_backward

__all__ = ["L2Normalize", "unit_vectors", "unit_vectors_backward"]


class L2Normalize(KeptInput):
    """Vectors scaled to the length 1.

    y = x / |x|, with |x| = sqrt(sum(x**2)) over the axis; 0 where |x| < eps.

    Bottom:
        [0] x, any shape that has the axis
    Top:
        [0] y, the shape of x; may be the bottom itself (in place)
    Backward:
        d_x = (d_y - y sum(y d_y)) / |x|; 0 where |x| < eps: a vector of zeros has no direction, and no gradient.
    Raises:
        ValueError for an axis that x does not have.
    References:
        torch.nn.functional.normalize, which divides shorter vectors by eps, and gives them a gradient of d_y / eps.
        Published as L2NormLayer and Norm2Layer: x / |x|, without the eps. The Normalize layer of NormFace is this,
        with an eps in the root; that of SSD, which learns a scale, is ssd.Normalize.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(L2Normalize, [[[3, 4], [0, 0]]])
        >>> run.forward()[0]
        array([[0.6, 0.8],
               [0. , 0. ]])
    """

    array_api = True
    in_place = True

    axis = Parameter(int, 1, doc="the axis along which the vectors lie; negative counts from the end")
    across_spatial = Parameter(bool, False, doc="all axes from `axis` on make one vector, as in SSD's Normalize")
    eps = Parameter(float, 1e-12, above=0, doc="least length of a vector that has a direction")

    def setup(self, bottom, top):
        checks.tops(self, top, "y")

    def plan(self, x):
        axis = checks.axis(self, self.axis, len(x.shape), f"bottom[0] (x) of shape {tuple(x.shape)}")
        end = len(x.shape) if self.across_spatial else axis + 1
        self._shape = math.prod(x.shape[:axis]), math.prod(x.shape[axis:end]), math.prod(x.shape[end:])
        return [x.shape]

    def forward(self, bottom, top):
        x, y = self.keep_input(bottom, top).reshape(self._shape), top[0].data.reshape(self._shape)
        _, self._lengths = unit_vectors(self.xp, x, 1, self.eps, y)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            x = self.input(bottom).reshape(self._shape)
            d_y, d_x = top[0].diff.reshape(self._shape), bottom[0].diff.reshape(self._shape)
            unit_vectors_backward(self.xp, x, self._lengths, d_y, 1, self.eps, d_x)
