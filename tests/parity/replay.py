"""Runs cases on the runtime's layers, as its net would."""

import contextlib

import numpy as np
import torch
from google.protobuf import text_format

import caffe_pylayers.runtime.layers  # noqa: F401  they register themselves
from caffe_pylayers.runtime.layers.layer import LAYERS, LayerError
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.net.step import Step
from caffe_pylayers.runtime.proto import caffe_pb2
from tests.parity.plan import down, layer_text, loss_weights, top_diff


def replay(case, learned=(), used=False):
    """The arrays of a case, by the names of a Recording.

    learned: the values for the learned blobs. used: the layer has run before, also on another batch size.
    """
    with torch.no_grad():
        run = Run(case, learned)
        if case.before:
            run.arrays(case.before)
        if used:
            run.arrays(case.bottoms)
            with contextlib.suppress(LayerError):  # where bottoms must fit each other or learned blobs
                run.arrays([x[: (len(x) + 1) // 2] if x.ndim else x for x in case.bottoms])
        return run.arrays(case.bottoms)


class Run:
    """A layer with its blobs."""

    def __init__(self, case, learned):
        param = caffe_pb2.LayerParameter()
        text_format.Parse(layer_text(case), param)
        param.phase = case.phase
        self.case = case
        self.layer = LAYERS.get(case.type)(param, case.phase)
        self.bottoms = [Blob() for _ in case.bottoms]
        self.tops = [self.bottoms[0] if case.in_place and i == 0 else Blob() for i in range(self._count())]
        self.weights = loss_weights(case, len(self.tops))
        self.down = [i in down(case) for i in range(len(self.bottoms))]
        self._fill(case.before or case.bottoms)
        self.step = Step(self.layer, [], [], self.bottoms, self.tops, backward=True, propagate_down=self.down)
        self.step.setup()
        if case.arrays:
            self.layer.reset(*case.arrays, len(case.arrays[0]))
        self.layer.param_propagate_down = [True] * len(self.layer.blobs)
        for blob, values in zip(self.layer.blobs, learned):
            assert blob.shape == values.shape, f"learned blob of shape {blob.shape}, in Caffe {values.shape}"
            blob.data[...] = values
        self.learned = {f"blob{i}": np.array(blob.data) for i, blob in enumerate(self.layer.blobs)}

    def arrays(self, bottoms):
        """Forward and backward on these bottoms, from the learned values of the beginning."""
        self._fill(bottoms)
        for blob, values in zip(self.layer.blobs, self.learned.values()):
            blob.data[...] = values
        self.step.reshape(always=True)
        arrays = {**self.learned, **self._forward()}
        if any(self.down) or self.layer.blobs:
            for blob in self.layer.blobs:
                blob.diff[...] = 0
            self._backward()
            arrays.update((f"d_bottom{i}", np.array(self.bottoms[i].diff)) for i in down(self.case))
            arrays.update((f"d_blob{i}", np.array(blob.diff)) for i, blob in enumerate(self.layer.blobs))
            self._check_accumulation(arrays)
        if not self.case.in_place:
            for i, (blob, values) in enumerate(zip(self.bottoms, bottoms)):
                assert np.array_equal(blob.data, values, equal_nan=True), f"bottom[{i}] was modified"
        return arrays

    def _count(self):
        """How many tops: the net adds those that a loss's prototxt leaves out."""
        least = self.layer.tops if isinstance(self.layer.tops, int) else self.layer.tops[0]
        return max(self.case.tops, least if self.layer.auto_tops else 0)

    def _fill(self, bottoms):
        """Gradients are NaN, so that what backward leaves out is seen."""
        for blob, values in zip(self.bottoms, bottoms):
            blob.reshape(*values.shape)
            blob.data[...] = values
            blob.diff[...] = np.nan

    def _forward(self):
        for top, weight in zip(self.tops, self.weights):
            if weight:
                top.diff[...] = weight
        self.step.run_forward()
        arrays = {f"top{i}": np.array(top.data) for i, top in enumerate(self.tops)}
        for i, blob in enumerate(self.layer.blobs):
            if not np.array_equal(blob.data, self.learned[f"blob{i}"]):
                arrays[f"after_blob{i}"] = np.array(blob.data)
        return arrays

    def _backward(self):
        for i, (top, weight) in enumerate(zip(self.tops, self.weights)):
            top.diff[...] = weight or top_diff(i, top.shape)
        self.step.run_backward()

    def _check_accumulation(self, arrays):
        """A second backward adds the same gradients to those of the learned blobs."""
        shared = any(np.shares_memory(blob.diff, top.diff) for blob in self.layer.blobs for top in self.tops)
        if self.case.in_place or shared:
            return
        self._backward()
        for i, blob in enumerate(self.layer.blobs):
            twice = 2 * arrays[f"d_blob{i}"]
            assert np.allclose(blob.diff, twice, 1e-4, 1e-5, equal_nan=True), (
                f"a second backward does not add to d_blob{i}"
            )
