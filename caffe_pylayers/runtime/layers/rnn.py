"""RNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers._recurrent import RecurrentLayer
from caffe_pylayers.runtime.layers.layer import register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape


@register("RNN")
class RNN(RecurrentLayer):
    """h_t = tanh(W_x x_t + b + W_static static + W_h (cont_t h_{t-1})); y_t = tanh(W_o h_t + b_o).

    Bottom, Top: see RecurrentLayer; the state is h. Learned: W_x (D, K), b (D), W_static (D, S) if there is
    a static bottom, W_h (D, D), W_o (D, D), b_o (D). As Caffe's RNN.
    """

    states = 1
    width = 1

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        super().setup(bottom, top)
        self._h_cont, self._y, self._d_y, self._d_h = Blob(), Blob(), Blob(), Blob()

    def learned(self, bottom: Sequence[Blob], param: Any) -> list[tuple[Shape, Any]]:
        own = [((self._size, self._size), param.weight_filler), ((self._size,), param.bias_filler)]
        return [*super().learned(bottom, param), *own]

    def reshape_steps(self, time: int, num: int) -> None:
        for blob in (self._h_cont, self._y, self._d_y, self._d_h):
            blob.reshape(time, num, self._size)

    def steps_forward(
        self, x_out: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], y: torch.Tensor
    ) -> Sequence[torch.Tensor]:
        (h,) = before
        w_h, w_o, b_o = (blob.read() for blob in self.blobs[-3:])
        for h_t, cont_t, h_cont in zip(x_out, cont, self._h_cont.write()):
            h = h_t.addmm_(torch.mul(h, cont_t, out=h_cont), w_h.t()).tanh_()
        own = self._y.write()  # backward needs it, and y may be changed in place
        torch.addmm(b_o, x_out.flatten(0, 1), w_o.t(), out=own.flatten(0, 1)).tanh_()
        y.copy_(own)
        return (h,)

    def steps_backward(
        self, d_y: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], d_x_out: torch.Tensor
    ) -> None:
        h, y, w_h, w_o = self._x_out.read(), self._y.read(), self.blobs[-3].read(), self.blobs[-2].read()
        d_out = torch.mul(y, y, out=self._d_y.write()).neg_().add_(1).mul_(d_y).flatten(0, 1)
        d_h = self._d_h.write()
        torch.mm(d_out, w_o, out=d_h.flatten(0, 1))
        torch.mul(h, h, out=d_x_out).neg_().add_(1)
        for t in range(len(d_y) - 1, -1, -1):
            d_x_out[t].mul_(d_h[t])
            if t:
                d_h[t - 1].add_((d_x_out[t] @ w_h).mul_(cont[t]))
        self.blobs[-3].update_diff().addmm_(d_x_out.flatten(0, 1).t(), self._h_cont.read().flatten(0, 1))
        self.blobs[-2].update_diff().addmm_(d_out.t(), h.flatten(0, 1))
        self.blobs[-1].add_diff(d_out.sum(0))
