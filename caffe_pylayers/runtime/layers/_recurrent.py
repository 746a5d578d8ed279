"""The base of LSTM and RNN: Caffe's RecurrentLayer, without its unrolled net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from caffe_pylayers.runtime.layers._elementwise import refuse_in_place
from caffe_pylayers.runtime.layers._setup import make_learned_blobs
from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape


class RecurrentLayer(Layer):
    """A layer that reads T time steps of N independent streams, one step after the other.

    Bottom: [0] x (T, N, ...); [1] cont (T, N), 0 where a sequence begins and 1 where it goes on, which gets
    no gradient; then, if there, static (N, ...), read at every step; with ``expose_hidden`` the states before
    the first step, each (1, N, D). Top: [0] y (T, N, D), D = num_output; with ``expose_hidden`` the
    states after the last step. Without it the states go on to the next forward, where cont says so.
    Learned: W_x, b, W_static if there is a static bottom, W_h, then the subclass's own.

    As in Caffe, no gradient goes to or from the states at the ends (a state's bottom is given zeros), and the
    learned blobs are given theirs even where lr_mult is 0: they count when gradients are clipped.

    A subclass gives the number of ``states`` and the ``width`` of W_x x + b, makes its buffers in ``reshape_steps``,
    and runs the steps in ``steps_forward`` and ``steps_backward``. In their arguments x_out is W_x x + b, with
    W_static static if there is one: (T, N, width * D).
    """

    bottoms = (2, 5)
    tops = (1, 3)
    states: ClassVar[int]
    width: ClassVar[int]  # the values of W_x x + b for each output: 4 gates in an LSTM

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        param = self.layer_param.recurrent_param
        self._size = param.num_output
        self.check(self._size > 0, "recurrent_param.num_output must be positive, got 0")
        self._exposed = self.states if param.expose_hidden else 0
        extra = len(bottom) - 2 - self._exposed
        if extra not in (0, 1) or len(top) != 1 + self._exposed:
            raise self.error(
                f"with expose_hidden {str(param.expose_hidden).lower()} takes {2 + self._exposed} or "
                f"{3 + self._exposed} bottoms and {1 + self._exposed} tops, got {len(bottom)} and {len(top)}"
            )
        self._static = bool(extra)
        self._time = self._shape(bottom)[0]
        self.blobs.clear()  # values in the prototxt are passed over, as in Caffe
        make_learned_blobs(self, *self.learned(bottom, param))
        self._x_out, self._d_x_out = Blob(), Blob()
        self._before = [Blob() for _ in range(self.states)]  # the states before the first step
        self._after = [Blob() for _ in range(self.states)]  # and after the last

    def learned(self, bottom: Sequence[Blob], param: Any) -> list[tuple[Shape, Any]]:
        """Return the shape and the FillerParameter of each learned blob."""
        weight, rows = param.weight_filler, self.width * self._size
        specs = [((rows, math.prod(bottom[0].shape[2:])), weight), ((rows,), param.bias_filler)]
        if self._static:
            specs.append(((rows, math.prod(bottom[2].shape[1:])), weight))
        return [*specs, ((rows, self._size), weight)]

    def _shape(self, bottom: Sequence[Blob]) -> tuple[int, int]:
        """Return T and N; LayerError for bottoms whose shapes do not fit each other."""
        x, cont = bottom[0].shape, bottom[1].shape
        if len(x) < 3:
            raise self.error(f"bottom[0] must have 3 axes or more, (steps, streams, ...), got shape {x}")
        if cont != x[:2]:
            raise self.error(f"bottom[1] must have shape {x[:2]}, (steps, streams) of bottom[0], got {cont}")
        if self._static and (len(bottom[2].shape) < 2 or bottom[2].shape[0] != x[1]):
            raise self.error(f"bottom[2] must have shape ({x[1]}, ...), a row for each stream, got {bottom[2].shape}")
        return x[0], x[1]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        time, num = self._shape(bottom)
        if time != self._time:
            raise self.error(f"bottom[0] must keep its {self._time} time steps, got shape {bottom[0].shape}")
        inputs = [(0, math.prod(bottom[0].shape[2:]))]
        if self._static:
            inputs.append((2, math.prod(bottom[2].shape[1:])))
        for i, found in inputs:
            wanted = self.blobs[i].shape[1]
            self.check(found == wanted, f"bottom[{i}] must have {wanted} inputs, got shape {bottom[i].shape}")
        first = len(bottom) - self._exposed
        state = (1, num, self._size)
        for i in range(first, len(bottom)):
            self.check(bottom[i].shape == state, f"bottom[{i}] must have shape {state}, got {bottom[i].shape}")
        top[0].reshape(time, num, self._size)
        for blob in (*self._before, *self._after, *top[1:]):
            blob.reshape(*state)
        for blob in (self._x_out, self._d_x_out):
            blob.reshape(time, num, self.width * self._size)
        self.reshape_steps(time, num)

    def reset(self) -> None:
        """Make the next forward start with states of zero."""
        for blob in self._after:
            blob.write().zero_()

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        given = bottom[len(bottom) - self._exposed :] if self._exposed else self._after
        for blob, source in zip(self._before, given):
            blob.write().copy_(source.read())
        x_out = self._x_out.write()
        x, flat = self._flat(bottom[0]), x_out.flatten(0, 1)
        torch.addmm(self.blobs[1].read(), x, self.blobs[0].read().t(), out=flat)
        if self._static:
            x_out.add_(bottom[2].read().flatten(1) @ self.blobs[2].read().t())
        before = [blob.read()[0] for blob in self._before]
        after = self.steps_forward(x_out, self._cont(bottom), before, top[0].write())
        for i, state in enumerate(after):
            self._after[i].write()[0].copy_(state)
            if self._exposed:
                top[1 + i].write()[0].copy_(state)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[1]:
            raise self.error("cannot backpropagate to bottom[1], the marks of where sequences begin")
        before = [blob.read()[0] for blob in self._before]
        d_x_out = self._d_x_out.write()
        self.steps_backward(top[0].read_diff(), self._cont(bottom), before, d_x_out)
        self._linear_backward(d_x_out.flatten(0, 1), bottom[0], 0, propagate_down[0])
        self.blobs[1].add_diff(d_x_out.sum((0, 1)))
        if self._static:
            self._linear_backward(d_x_out.sum(0), bottom[2], 2, propagate_down[2])
        for i in range(len(bottom) - self._exposed, len(bottom)):
            if propagate_down[i]:
                bottom[i].write_diff().zero_()

    def _linear_backward(self, d_out: torch.Tensor, bottom: Blob, weight: int, propagate_down: bool) -> None:
        """Add the gradient of W = blobs[weight] in out = x W^T, and write that of the bottom x if asked for."""
        x = self._flat(bottom) if weight == 0 else bottom.read().flatten(1)
        self.blobs[weight].update_diff().addmm_(d_out.t(), x)
        if propagate_down:
            torch.mm(d_out, self.blobs[weight].read(), out=bottom.write_diff().view(x.shape))

    def _flat(self, bottom: Blob) -> torch.Tensor:
        return bottom.read().view(math.prod(bottom.shape[:2]), math.prod(bottom.shape[2:]))

    def _cont(self, bottom: Sequence[Blob]) -> torch.Tensor:
        return bottom[1].read().unsqueeze(2)

    # --- for subclasses --------------------------------------------------------------------------

    def reshape_steps(self, time: int, num: int) -> None:
        """Give the subclass's buffers their shapes, for T = time and N = num."""
        raise NotImplementedError

    def steps_forward(
        self, x_out: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], y: torch.Tensor
    ) -> Sequence[torch.Tensor]:
        """Write y (T, N, D) and return the states after the last step, (N, D) each.

        x_out: may be kept and changed. cont: (T, N, 1). before: the states before the first step, (N, D) each.
        y is the top's memory, which layers in place may change before backward.
        """
        raise NotImplementedError

    def steps_backward(
        self, d_y: torch.Tensor, cont: torch.Tensor, before: Sequence[torch.Tensor], d_x_out: torch.Tensor
    ) -> None:
        """Write the gradient of x_out to d_x_out, and add those of W_h and of the subclass's own learned blobs."""
        raise NotImplementedError
