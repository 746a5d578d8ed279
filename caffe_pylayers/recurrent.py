"""Recurrent layers with the learned blobs of Caffe's forks, and the marks of where sequences begin.

layer {
  name: "cont"  type: "Python"  top: "cont"
  python_param {
    module: "caffe_pylayers.recurrent"  layer: "ContinuationIndicator"
    param_str: "{time_step: 80, batch_size: 32}"
  }
}
layer {
  name: "lstm"  type: "Python"  bottom: "steps"  bottom: "cont"  top: "lstm"
  python_param {
    module: "caffe_pylayers.recurrent"  layer: "LSTM"
    param_str: "{num_output: 128, filler: gaussian, filler_value: 0.01}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.learned import Filled, check_learned, learn
from caffe_pylayers._layer.functions.sigmoid import sigmoid

__all__ = [
    "LSTM",
    "ContinuationIndicator",
    "lstm_backward",
    "lstm_forward",
    "lstm_unit_backward",
    "lstm_unit_forward",
]


def lstm_unit_forward(xp, gates, c_before, c, tanh_c, h):
    """Write c = f c_before + i g, tanh(c) and h = o tanh(c), (N, D) each.

    gates: (N, 4 D), the arguments of the sigmoids i, f, o and of the tanh g; they become i, f, o, g.
    """
    size = c.shape[1]
    i, f, o, g = (gates[:, k * size : (k + 1) * size] for k in range(4))
    sigmoids = gates[:, : 3 * size]
    sigmoid(xp, sigmoids, sigmoids)
    xp.tanh(g, out=g)
    xp.multiply(f, c_before, out=c)
    c += i * g
    xp.tanh(c, out=tanh_c)
    xp.multiply(o, tanh_c, out=h)


def lstm_unit_backward(xp, gates, c_before, tanh_c, d_h, d_c, d_gates):
    """Write d_gates, the gradient of the gates' arguments, and make d_c, that of c from later steps, that of c_before.

    gates: i, f, o, g, as lstm_unit_forward leaves them.
    """
    size = d_c.shape[1]
    i, f, o, g = (gates[:, k * size : (k + 1) * size] for k in range(4))
    d_i, d_f, d_o, d_g = (d_gates[:, k * size : (k + 1) * size] for k in range(4))
    d_c += d_h * o * (1 - tanh_c * tanh_c)
    xp.multiply(d_c, g, out=d_i)
    xp.multiply(d_c, c_before, out=d_f)
    xp.multiply(d_h, tanh_c, out=d_o)
    xp.multiply(d_c, i * (1 - g * g), out=d_g)
    sigmoids, d_sigmoids = gates[:, : 3 * size], d_gates[:, : 3 * size]
    d_sigmoids *= sigmoids * (1 - sigmoids)
    d_c *= f


def lstm_forward(xp, x, weights, recurrent, bias, cont, h, c, kept, y):
    """Write y (T, N, D), the h_t of an LSTM on x (T, N, K), and return its last h and c.

    weights, recurrent, bias: W (4 D, K), U (4 D, D), b (4 D,). cont: (T, N, 1), False where a sequence begins, True
    where it goes on. h, c: (N, D), of before the first step. kept: four arrays that backward reads, see lstm_backward.
    """
    gates, h_before, c_at, tanh_c = kept
    rows = gates.reshape(-1, gates.shape[2])  # a product of matrices, not one for each step
    xp.matmul(x.reshape(len(rows), x.shape[2]), weights.T, out=rows)
    rows += bias
    from_h = arrays.new(recurrent, recurrent.shape[::-1])
    from_h[...] = recurrent.T
    c_at[0] = c
    for begun, gates_t, h_0, c_0, c_1, tanh_c_1, h_1 in zip(_begun(cont), gates, h_before, c_at, c_at[1:], tanh_c, y):
        h_0[...] = h
        if begun is not None:
            for state in (h_0, c_0):
                state[...] = xp.where(begun, xp.zeros_like(state), state)
        xp.add(gates_t, xp.matmul(h_0, from_h), out=gates_t)
        lstm_unit_forward(xp, gates_t, c_0, c_1, tanh_c_1, h_1)
        h = h_1
    return h, c_at[-1]


def lstm_backward(xp, x, weights, recurrent, cont, kept, d_y, clip, d_gates, d_weights, d_recurrent, d_bias, d_x=None):
    """Add the gradients of lstm_forward's W, U and b to theirs, and write d_x where it is asked for.

    kept: i, f, o, g (T, N, 4 D); h that each step has begun with (T, N, D); c, and after the last step (T + 1, N, D);
    tanh(c_t). clip: the gradient of each gate's argument is cut to [-clip, clip]; 0: it is not.
    d_gates: (T, N, 4 D), for the work.
    """
    gates, h_before, c_at, tanh_c = kept
    d_h, d_c = xp.zeros_like(c_at[0]), xp.zeros_like(c_at[0])
    steps = list(zip(_begun(cont), gates, c_at, tanh_c, d_y, d_gates))
    for begun, gates_t, c_0, tanh_c_1, d_h_1, d_gates_t in reversed(steps):
        d_h += d_h_1
        lstm_unit_backward(xp, gates_t, c_0, tanh_c_1, d_h, d_c, d_gates_t)
        if clip:
            xp.clip(d_gates_t, -clip, clip, out=d_gates_t)
        xp.matmul(d_gates_t, recurrent, out=d_h)
        if begun is not None:
            for d_state in (d_h, d_c):
                d_state[...] = xp.where(begun, xp.zeros_like(d_state), d_state)
    rows = d_gates.reshape(-1, d_gates.shape[2])
    d_weights += xp.matmul(rows.T, x.reshape(len(rows), x.shape[2]))
    d_recurrent += xp.matmul(rows.T, h_before.reshape(-1, h_before.shape[2]))
    d_bias += rows.sum(0)
    if d_x is not None:
        xp.matmul(rows, weights, out=d_x.reshape(len(rows), d_x.shape[2]))


def _begun(cont):
    """Return for each step which streams begin with it (N, 1), None where all go on."""
    if arrays.on_device(cont):
        return [~step for step in cont]
    all_go_on = cont.reshape(len(cont), math.prod(cont.shape[1:])).all(1).tolist()
    return [None if goes_on else ~step for goes_on, step in zip(all_go_on, cont)]


class LSTM(Filled):
    """Long short-term memory, with the learned blobs of the LSTM that Caffe's forks had before Caffe.

    i, f, o = sigmoid and g = tanh of W x_t + U h_{t-1} + b;  c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)

    Bottom:
        [0] x (T, N, ...): T steps of N independent streams; with batch_size (T N, K) too, each step's N in a row
        [1] optional, cont (T, N), or as many values in another shape: 0 where a sequence begins, with h and c of 0;
            else it goes on, at the first step from the last one of the forward before. Without it every forward begins
            sequences.
    Top:
        [0] h (T, N, num_output), or (T N, num_output)
    Learned:
        [0] W (4 num_output, K); [1] U (4 num_output, num_output); [2] b (4 num_output,); rows in the order i, f, o, g
    Backward:
        Through the steps of the batch, not into the forward before. With clipping_threshold the gradient of each gate's
        argument is cut to [-clipping_threshold, clipping_threshold] on its way. Zeros to cont.
    Raises:
        ValueError for a bottom without steps and streams, for values that W was not made for, and in place.
    References:
        Hochreiter, Schmidhuber, "Long Short-Term Memory", 1997, Neural Computation 9(8). Lstm of junhyukoh/caffe-lstm
        and tianzhi0549/CTPN, with its lstm_param, whose weight_filler is filler; where cont is 0, its gradient of U
        counts h_{t-1} all the same, and with several streams only the first one of the forward before. Caffe's LSTM
        has the same gates, its blobs are W, b, U, and it needs cont. PyTorch's has the gates i, f, g, o.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{num_output: 1, filler: constant, filler_value: 0.5}"
        >>> LayerRun(LSTM, [[[[1, 2]], [[0, 1]]]], param_str=text).forward()[0].round(4).tolist()
        [[[0.5144]], [[0.5002]]]
    """

    array_api = True

    num_output = Parameter(int, low=1, doc="D, the size of h and c")
    clipping_threshold = Parameter(float, 0.0, low=0, doc="bound of the gradient of a gate's argument; 0: none")
    bias = Parameter(float, 0.0, doc="the biases before training")
    batch_size = Parameter(int, None, low=1, doc="N, of an x (T N, K); one of three axes or more says it itself")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x", "cont", optional=1)
        checks.tops(self, top, "h")
        rows, values = 4 * self.num_output, self._values(bottom[0])
        weights, recurrent = (self.filled(rows, n, blob=i) for i, n in enumerate((values, self.num_output)))
        learn(self, weights, recurrent, np.full(rows, self.bias))

    def plan(self, x, cont=None):
        check_learned(self, self._values(x), "bottom[0] (x)")
        steps, streams = self._steps_and_streams(x)
        if cont is not None and math.prod(cont.shape) != steps * streams:
            raise checks.error(
                self, f"bottom[1] (cont) must have shape {(steps, streams)}, as bottom[0] (x), got {tuple(cont.shape)}"
            )
        self._x_shape, self._steps = (steps, streams, self.blobs[0].shape[1]), (steps, streams, 1)
        shape = steps, streams, self.num_output
        gates = arrays.new(x, (steps, streams, 4 * self.num_output))
        self._d_gates = self.xp.empty_like(gates)
        sizes = shape, (steps + 1, *shape[1:]), shape
        self._kept = gates, *(arrays.new(x, size) for size in sizes)
        self._state = [self.xp.zeros_like(self._kept[2][0]) for _ in range(2)]
        self._begin = arrays.new(x, self._steps, bool)
        self._begin[:1], self._begin[1:] = False, True
        self._y_shape = shape
        return [(steps * streams, self.num_output) if self._in_one_axis(x) else shape]

    def forward(self, bottom, top):
        x, y = bottom[0].data.reshape(self._x_shape), top[0].data.reshape(self._y_shape)
        self._cont = bottom[1].data.reshape(self._steps) != 0 if len(bottom) > 1 else self._begin
        weights, recurrent, bias = (blob.data for blob in self.blobs)
        h, c = self._state
        after = lstm_forward(self.xp, x, weights, recurrent, bias, self._cont, h, c, self._kept, y)
        for state, last in zip(self._state, after):
            state[...] = last

    def backward(self, top, propagate_down, bottom):
        x = bottom[0].data.reshape(self._x_shape)
        d_x = bottom[0].diff.reshape(self._x_shape) if propagate_down[0] else None
        weights, recurrent, _ = (blob.data for blob in self.blobs)
        d_weights, d_recurrent, d_bias = (blob.diff for blob in self.blobs)
        lstm_backward(
            self.xp,
            x,
            weights,
            recurrent,
            self._cont,
            self._kept,
            top[0].diff.reshape(self._y_shape),
            self.clipping_threshold,
            self._d_gates,
            d_weights,
            d_recurrent,
            d_bias,
            d_x,
        )
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _values(self, x):
        shape = tuple(x.shape)
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] (x) must have the shape (T, N, ...), steps and streams, got {shape}")
        return shape[1] if self._in_one_axis(x) else math.prod(shape[2:])

    def _in_one_axis(self, x):
        """Return True for an x (T N, K)."""
        return self.batch_size is not None and len(x.shape) == 2

    def _steps_and_streams(self, x):
        if not self._in_one_axis(x):
            return x.shape[:2]
        steps, rest = divmod(x.shape[0], self.batch_size)
        if rest:
            raise checks.error(self, f"bottom[0] (x) must have a multiple of {self.batch_size} rows, got {x.shape[0]}")
        return steps, self.batch_size


class ContinuationIndicator(Layer):
    """The marks of sequences that each begin with the batch: LSTM's cont.

    cont = 0 at the first step, 1 at the others

    Bottom:
        [0] optional, x (T, N, ...), in place of the parameters time_step and batch_size
    Top:
        [0] cont (T, N)
    Backward:
        Zeros.
    Raises:
        ValueError without a bottom and without sizes.
    References:
        ContinuationIndicator of xmfbit/warpctc-caffe, with its continuation_indicator_param.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ContinuationIndicator, [], param_str="{time_step: 3, batch_size: 2}").forward()[0]
        array([[0., 0.],
               [1., 1.],
               [1., 1.]])
    """

    time_step = Parameter(int, None, low=1, doc="T, the steps of a batch")
    batch_size = Parameter(int, None, low=1, doc="N, the streams of a batch")

    def setup(self, bottom, top):
        checks.tops(self, top, "cont")
        checks.bottoms(self, bottom, "x", optional=1)
        given = self.time_step is not None, self.batch_size is not None
        if not all(given) if not len(bottom) else any(given):
            raise checks.error(self, "needs time_step and batch_size, or bottom[0] (x) of these sizes")

    def plan(self, x=None):
        sizes = (self.time_step, self.batch_size) if x is None else tuple(x.shape[:2])
        if len(sizes) < 2:
            raise checks.error(self, f"bottom[0] (x) must have the shape (T, N, ...), got {sizes}")
        return [sizes]

    def forward(self, bottom, top):
        top[0].data[...] = 1
        top[0].data[:1] = 0

    def backward(self, top, propagate_down, bottom):
        if len(bottom) and propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)
