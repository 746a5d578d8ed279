"""LSTM."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.layers._recurrent import RecurrentLayer
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.layers.lstm_unit import lstm_unit_backward, lstm_unit_forward
from caffe_pylayers.runtime.memory.blob import Blob


@register("LSTM")
class LSTM(RecurrentLayer):
    """h_t, c_t = LSTMUnit(c_{t-1}, W_x x_t + b + W_static static + W_h (cont_t h_{t-1}), cont_t); y_t = h_t.

    Bottom, Top: see RecurrentLayer; the states are h, c. Learned: W_x (4D, K), b (4D), W_static (4D, S) if
    there is a static bottom, W_h (4D, D), rows in the order i, f, o, g. As Caffe's LSTM.
    """

    states = 2
    width = 4

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().setup(bottom, top)
        self._h_cont, self._c, self._tanh_c, self._d_state = Blob(), Blob(), Blob(), Blob()

    def reshape_steps(self, time: int, num: int) -> None:
        for blob in (self._h_cont, self._c, self._tanh_c):
            blob.reshape(time, num, self._size)
        self._d_state.reshape(2, num, self._size)

    def steps_forward(
        self, x_out: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], y: torch.Tensor
    ) -> Sequence[torch.Tensor]:
        h, c_prev = before
        weight = self.blobs[-1].read().t()
        steps = zip(x_out, cont, self._h_cont.write(), self._c.write(), self._tanh_c.write(), y)
        for gates, cont_t, h_cont, c, tanh_c, y_t in steps:
            gates.addmm_(torch.mul(h, cont_t, out=h_cont), weight)
            lstm_unit_forward(gates, c_prev, cont_t, c, tanh_c, y_t)
            h, c_prev = y_t, c
        return h, c_prev

    def steps_backward(
        self, d_y: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], d_x_out: torch.Tensor
    ) -> None:
        weight, h_cont = self.blobs[-1].read(), self._h_cont.read()
        gates, c, tanh_c = self._x_out.read(), self._c.read(), self._tanh_c.read()
        d_h, d_c = self._d_state.write().zero_()
        for t in range(len(d_y) - 1, -1, -1):
            d_h.add_(d_y[t])
            lstm_unit_backward(gates[t], c[t - 1] if t else before[1], tanh_c[t], d_c, d_h, d_x_out[t])
            torch.mm(d_x_out[t], weight, out=d_h).mul_(cont[t])
        self.blobs[-1].update_diff().addmm_(d_x_out.flatten(0, 1).t(), h_cont.flatten(0, 1))
