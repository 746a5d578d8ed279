"""Metric: what the tops hold in a pass, and where one begins."""

import numpy as np
import pytest

from caffe_pylayers._layer import passes
from caffe_pylayers._layer.metrics.metric import Metric
from caffe_pylayers.testing import LayerRun

TRAIN, TEST = 0, 1
BATCHES = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [np.nan, np.nan]]


class Share(Metric):
    """Ones among the values that are numbers; and how many there are."""

    def plan(self, x):
        return [(), (1,)]

    def start(self):
        self.ones, self.count = 0, 0

    def update(self, bottom):
        x = bottom[0].data
        self.ones += np.sum(x == 1)
        self.count += np.sum(~np.isnan(x))

    def values(self):
        return self.ones / self.count if self.count else np.nan, [self.ones]


def tops(run, batches):
    found = []
    for batch in batches:
        run.bottom[0].data[...] = batch
        found.append([float(np.ravel(top)[0]) for top in run.forward()])
    return np.array(found)


def run(param_str="", phase=TEST):
    return LayerRun(Share, [BATCHES[0]], tops=2, phase=phase, param_str=param_str, dtype=np.float32)


def test_the_mean_of_a_pass_is_the_value_of_all_its_batches():
    found = tops(run(), BATCHES)
    for k in range(1, len(BATCHES) + 1):
        values = np.ravel(BATCHES[:k])
        values = values[~np.isnan(values)]
        np.testing.assert_allclose(found[:k].mean(0), [values.mean(), (values == 1).sum()], rtol=1e-6)


def test_a_long_pass_keeps_its_digits():
    rng = np.random.RandomState(0)
    batches = rng.rand(2000, 2) < 0.3
    found = tops(run(), batches)
    np.testing.assert_allclose(found.mean(0), [batches.mean(), batches.sum()], rtol=1e-6)


@pytest.mark.parametrize(("report", "expected"), [("running", [0.5, 0.75, 0.5, 0.5]), ("batch", [0.5, 1.0, 0.0, 0.0])])
def test_other_reports(report, expected):
    np.testing.assert_allclose(tops(run(f"report: {report}"), BATCHES)[:, 0], expected)


def test_a_value_that_is_not_defined_counts_as_zero():
    found = tops(run(), [BATCHES[3], BATCHES[1]])
    assert found[0].tolist() == [0, 0]
    assert found.mean(0).tolist() == [1, 2]


def test_in_training_each_batch_has_its_own():
    np.testing.assert_allclose(tops(run(phase=TRAIN), BATCHES)[:3, 0], [0.5, 1.0, 0.0])


def begin_by_training():
    class Passing(Share):
        """A layer of a training net."""

    tops(LayerRun(Passing, [BATCHES[0]], tops=2, phase=TRAIN), BATCHES[:1])


@pytest.mark.parametrize("begin", [passes.begin, begin_by_training, None], ids=["a solver", "training", "by hand"])
def test_a_pass_begins(begin):
    layer = run()
    tops(layer, BATCHES)
    (begin or layer.layer.start_pass)()
    np.testing.assert_allclose(tops(layer, [BATCHES[1], BATCHES[0]]).mean(0), [0.75, 3])


def test_test_iter_ends_a_pass():
    layer = run("test_iter: 2")
    for _ in range(3):
        np.testing.assert_allclose(tops(layer, BATCHES[:2]).mean(0), [0.75, 3])


def test_bottoms_get_no_gradient():
    layer = run()
    layer.forward()
    np.testing.assert_array_equal(layer.backward([1, 1])[0], [0, 0])
