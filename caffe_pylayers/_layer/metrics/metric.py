"""The base class of metrics: values over a whole test pass, where a mean of batches would be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, passes
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.metrics.pictures import Picture
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["Metric"]


class Metric(NoGradient):
    """A layer whose tops are measured over all batches of a test pass.

    Caffe prints the mean of a top over the batches of a pass. The mean of the batches' F1 is not
    F1: so, in the TEST phase, the tops are such that their mean over the first k batches is the
    value of these k together:

        top_k = k V_k - (top_1 + ... + top_(k-1)),   V_k the value of batches 1 .. k

    A value that is not defined, such as the recall of a class without samples, or any over a pass
    without samples, is 0, as in Caffe's Accuracy. In the TRAIN phase every batch has its own value.

    Samples that count, those that no parameter ignores, have to be numbers; what the others hold is
    not looked at.

    A subclass has setup and plan, as every layer, and in place of forward:

        def start(self):             # forget all batches
        def update(self, bottom):    # take a batch
        def values(self):            # return a value for each top, NaN where it is not defined
        def picture(self):           # optional: what the training driver draws after each test

    A pass begins after training, and after ``start_pass()``; see passes.py. With real Caffe's own
    solver and no layer of this package in the training net, test_iter has to tell.

    Bottoms get a gradient of zero.
    """

    report = Parameter(
        str,
        "pass",
        choices=("pass", "running", "batch"),
        doc="TEST: what a top holds; pass: a value whose mean over the pass is that of all its batches; "
        "running: the value of the batches so far; batch: that of this one",
    )
    test_iter = Parameter(int, 0, low=0, doc="batches in a pass, as the solver's test_iter; 0: until training goes on")

    _pass: Any = None
    _batches = 0
    _reported: list[Any]

    def start(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__}: start is not defined")

    def update(self, bottom: Any) -> None:
        """Take a batch."""
        raise NotImplementedError(f"{type(self).__name__}: update is not defined")

    def values(self) -> Any:
        """Return a value for each top, NaN where it is not defined."""
        raise NotImplementedError(f"{type(self).__name__}: values is not defined")

    def picture(self) -> Picture | None:
        """Return what shows the batches so far at a glance, None where nothing does."""
        return None

    def start_pass(self) -> None:
        """Begin a pass with the next batch."""
        self._pass = None

    def reshape(self, bottom: Any, top: Any) -> None:
        super().reshape(bottom, top)
        if not hasattr(self, "_reported"):  # so that there are values before the first batch
            self._begin(len(top))

    def forward(self, bottom: Any, top: Any) -> None:
        alone = self.phase == TRAIN or self.report == "batch"
        if alone or self._pass != passes.current() or (self.test_iter and self._batches == self.test_iter):
            self._begin(len(top))
            self._pass = passes.current()
        self.update(bottom)
        self._batches += 1
        for i, value in zip(range(len(top)), self.values()):
            found = arrays.to_numpy(value).astype(np.float64).reshape(top[i].data.shape)
            found = np.where(np.isnan(found), 0, found)
            if self.report == "pass" and not alone:
                found = self._share_of_pass(found, self._reported[i])
            top[i].data[...] = arrays.from_numpy(found, top[i].data)
            reported = arrays.to_numpy(top[i].data)  # as the blob rounds it: the next share makes up for that
            self._reported[i] = self._reported[i] + np.where(np.isfinite(reported), reported, 0)

    def _begin(self, tops: int) -> None:
        self._batches, self._reported = 0, [0.0] * tops
        self.start()

    def _share_of_pass(self, value: Any, reported: Any) -> Any:
        """Return what makes the mean of a top over the batches so far the value; reported: the sum of those before."""
        return np.where(np.isinf(value), value, self._batches * value - reported)
