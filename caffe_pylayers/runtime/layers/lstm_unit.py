"""LSTMUnit: one step of an LSTM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


def lstm_unit_forward(gates: Tensor, c_prev: Tensor, cont: Tensor, c: Tensor, tanh_c: Tensor, h: Tensor) -> None:
    """Write c = cont f c_prev + i g, tanh(c) and h = o tanh(c), (N, D) each.

    gates (N, 4D): the arguments of the sigmoids i, f, o and of the tanh g; they are replaced by i, cont f, o, g.
    cont: (N, 1).
    """
    size = c.shape[1]
    i, f, o, g = gates.chunk(4, 1)
    gates[:, : 3 * size].sigmoid_()
    g.tanh_()
    f.mul_(cont)
    torch.mul(f, c_prev, out=c).addcmul_(i, g)
    torch.tanh(c, out=tanh_c)
    torch.mul(o, tanh_c, out=h)


def lstm_unit_backward(
    gates: Tensor, c_prev: Tensor, tanh_c: Tensor, d_c: Tensor, d_h: Tensor, d_gates: Tensor
) -> None:
    """Write d_gates, the gradient of the gates' arguments, from that of h and c; make d_c that of c_prev.

    gates (N, 4D): i, cont f, o, g, as lstm_unit_forward leaves them.
    """
    size = d_c.shape[1]
    i, f, o, g = gates.chunk(4, 1)
    d_i, d_f, d_o, d_g = d_gates.chunk(4, 1)
    torch.mul(d_h, o, out=d_g)  # d_g serves as scratch
    d_c.addcmul_(d_g, 1 - tanh_c * tanh_c)
    torch.mul(d_c, g, out=d_i)
    torch.mul(d_c, c_prev, out=d_f)
    torch.mul(d_h, tanh_c, out=d_o)
    torch.mul(d_c, i, out=d_g).mul_(1 - g * g)
    sigmoids = gates[:, : 3 * size]
    d_gates[:, : 3 * size].mul_(sigmoids).mul_(1 - sigmoids)
    d_c.mul_(f)


@register("LSTMUnit")
class LSTMUnit(Layer):
    """i, f, o = sigmoid, g = tanh of x; c = cont f c_prev + i g; h = o tanh(c).

    Bottom: [0] c_prev (1, N, D), [1] x (1, N, 4D) in the order i, f, o, g, [2] cont (1, N), which gets no
    gradient. Top: [0] c, [1] h, (1, N, D). As Caffe's LSTMUnit.
    """

    bottoms = 3
    tops = 2

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._gates, self._tanh, self._d_gates, self._d_c = Blob(), Blob(), Blob(), Blob()

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        first = bottom[0].shape
        if len(first) != 3 or first[0] != 1:
            raise self.error(f"bottom[0] must have shape (1, N, D), got {first}")
        _, num, size = first
        for i, wanted in ((1, (1, num, 4 * size)), (2, (1, num))):
            if bottom[i].shape != wanted:
                raise self.error(f"bottom[{i}] must have shape {wanted}, got {bottom[i].shape}")
        for blob in (*top, self._tanh, self._d_c):
            blob.reshape(*first)
        for blob in (self._gates, self._d_gates):
            blob.reshape(1, num, 4 * size)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        gates = self._gates.write()[0].copy_(bottom[1].read()[0])
        c_prev, cont = bottom[0].read()[0], bottom[2].read()[0].unsqueeze(1)  # read first: c may be in its place
        c, h = top[0].write()[0], top[1].write()[0]
        lstm_unit_forward(gates, c_prev, cont, c, self._tanh.write()[0], h)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[2]:
            raise self.error("cannot backpropagate to bottom[2], the marks of where sequences begin")
        if not any(propagate_down):
            return
        d_c = self._d_c.write()[0].copy_(top[0].read_diff()[0])
        d_gates = (bottom[1].write_diff() if propagate_down[1] else self._d_gates.write())[0]
        d_h, tanh_c = top[1].read_diff()[0], self._tanh.read()[0]
        lstm_unit_backward(self._gates.read()[0], bottom[0].read()[0], tanh_c, d_c, d_h, d_gates)
        if propagate_down[0]:
            bottom[0].write_diff()[0].copy_(d_c)
