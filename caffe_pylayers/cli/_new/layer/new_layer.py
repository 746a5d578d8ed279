"""What NewLayer is for.

layer {
  name: "new_layer"  type: "Python"
  bottom: "data"  top: "new_layer"
  python_param { module: "new_layer"  layer: "NewLayer"  param_str: '{"scale": 2}' }
}
"""

import numpy as np

from caffe_pylayers import Layer, Parameter


class NewLayer(Layer):
    """top = scale * tanh(bottom).

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x
    Backward:
        d_x = scale * (1 - tanh(x)**2) * d_y
    """

    scale = Parameter(float, 1.0, above=0, doc="largest absolute value of the top")

    def setup(self, bottom, top):
        """Once, after param_str has been read: check parameters against each other, add learned blobs."""

    def plan(self, x):
        """For new shapes: check them, make buffers, and return the shape of each top."""
        return [x.shape]

    def forward(self, bottom, top):
        self.tanh = np.tanh(bottom[0].data)
        top[0].data[...] = self.scale * self.tanh

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.scale * (1 - self.tanh**2)
