"""What NewLayer is for.

layer {
  name: "loss"  type: "Python"
  bottom: "prediction"  bottom: "target"  top: "loss"
  python_param { module: "new_layer"  layer: "NewLayer" }
  loss_weight: 1
}
"""

import numpy as np

from caffe_pylayers import Layer, Parameter


class NewLayer(Layer):
    """loss = scale**2 * sum(log(cosh((p - t) / scale))) / N.

    Bottom:
        [0] predictions p, (N, ...)
        [1] targets t, the shape of p
    Top:
        [0] loss (1,)
    Backward:
        d_p = g * scale * tanh((p - t) / scale) / N, with the loss weight g = top[0].diff[0]; d_t = -d_p
    Raises:
        ValueError for targets of another shape.
    """

    scale = Parameter(float, 1.0, above=0, doc="where the loss turns from quadratic to linear, in units of p")

    def setup(self, bottom, top):
        """Once, after param_str has been read: check parameters against each other, add learned blobs."""

    def plan(self, predictions, targets):
        """For new shapes: check them, make buffers, and return the shape of each top."""
        if targets.shape != predictions.shape:
            raise ValueError(
                f"NewLayer: targets must have the predictions' shape {predictions.shape}, got {targets.shape}"
            )
        return [(1,)]

    def forward(self, bottom, top):
        self.difference = (bottom[0].data - bottom[1].data) / self.scale
        log_cosh = np.logaddexp(self.difference, -self.difference) - np.log(2)
        top[0].data[...] = self.scale**2 * log_cosh.sum() / len(self.difference)

    def backward(self, top, propagate_down, bottom):
        d_predictions = top[0].diff[0] * self.scale * np.tanh(self.difference) / len(self.difference)
        if propagate_down[0]:
            bottom[0].diff[...] = d_predictions
        if propagate_down[1]:
            bottom[1].diff[...] = -d_predictions
