"""The base class: parameters at setup, visible errors, and what old engines leave out."""

import numpy as np
import pytest

from caffe_pylayers import Layer, Parameter
from caffe_pylayers.testing import LayerRun


class Doubles(Layer):
    factor = Parameter(float, 2.0, doc="factor")

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data


class DoublesMore(Doubles):
    extra = Parameter(int, doc="added")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        self.seen = (self.factor, self.extra)


class Fails(Layer):
    def reshape(self, bottom, top):
        self._inner()

    def _inner(self):
        raise KeyError("the reason")


def test_parameters_without_a_setup_of_its_own():
    assert LayerRun(Doubles, [[1.0, 2.0]], param_str="factor: 3").forward()[0].tolist() == [3, 6]


def test_parameters_are_inherited_and_read_before_setup():
    assert LayerRun(DoublesMore, [[1.0]], param_str="extra: 5").layer.seen == (2.0, 5)


def test_required_parameter():
    with pytest.raises(ValueError, match=r"^DoublesMore: parameter extra is required in param_str: an integer"):
        LayerRun(DoublesMore, [[1.0]])


def test_instances_have_their_own_values():
    one, two = (LayerRun(Doubles, [[1.0]], param_str=f"factor: {n}").layer for n in (1, 2))
    assert (one.factor, two.factor) == (1, 2)
    assert isinstance(Doubles.factor, Parameter)


@pytest.mark.parametrize("method", ["reshape", "forward", "backward"])
def test_a_missing_method_is_named(method):
    bare = Layer.__new__(Layer)
    with pytest.raises(NotImplementedError, match=f"Layer: {method} is not defined"):
        getattr(bare, method)(*[[]] * (3 if method == "backward" else 2))


class Planned(Layer):
    """Tops: the shape of bottom[0], and one row of it."""

    def plan(self, first, second=None):
        self.planned = [*getattr(self, "planned", []), tuple(first.shape)]
        return first.shape, (1, *first.shape[1:])

    def forward(self, bottom, top):
        pass


@pytest.mark.parametrize("tops", [1, 2])
def test_a_plan_is_made_when_shapes_change_and_shapes_the_tops(tops):
    run = LayerRun(Planned, [np.zeros((4, 3))], tops=tops)
    run.forward()
    assert [tuple(top.shape) for top in run.top] == [(4, 3), (1, 3)][:tops]
    run.bottom[0].reshape(2, 6)
    run.forward()
    run.top[0].reshape(12)  # by somebody else
    run.forward()
    assert [tuple(top.shape) for top in run.top] == [(2, 6), (1, 6)][:tops]
    assert run.layer.planned == [(4, 3), (2, 6)]
    assert run.layer.xp is np


@pytest.mark.parametrize("count", [0, 3])
def test_the_arguments_of_plan_are_the_bottoms(count):
    with pytest.raises(ValueError, match=rf"^Planned: needs 1 to 2 bottoms \(first, \[second\]\), got {count}$"):
        LayerRun(Planned, [[1.0]] * count)


class PlansNothing(Planned):
    def plan(self, *bottoms):
        return self.shapes


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        (None, TypeError, r"PlansNothing: plan must return a shape for each top, such as \[\(1,\)\], got None"),
        ((1,), TypeError, r"plan must return a shape for each top, .* got \(1,\)"),
        ([], ValueError, "PlansNothing: plan returns 0 shapes for 1 tops"),
    ],
)
def test_a_plan_without_shapes(shapes, error, message):
    PlansNothing.shapes = shapes
    with pytest.raises(error, match=message):
        LayerRun(PlansNothing, [[1.0]])


def test_a_plan_that_fails_is_printed_and_made_again(capfd):
    run = LayerRun(Planned, [np.zeros((4, 3))])
    run.layer.plan = lambda *bottoms: 1 / 0
    run.bottom[0].reshape(12)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run.forward()
    assert capfd.readouterr().err.count("Planned.reshape failed") == 2


def test_failure_is_printed_once_and_raised(capfd):
    with pytest.raises(KeyError, match="the reason"):
        LayerRun(Fails, [[1.0, 2.0]], param_str="{}")
    report = capfd.readouterr().err
    assert "tests.layer.test_layer.Fails.reshape failed\n  phase: TRAIN\n  param_str: '{}'\n" in report
    assert "  bottom[0]: (2,)\n  top[0]: (0,)\n" in report
    assert report.count("Traceback (most recent call last)") == 1
    assert "in _inner" in report


def test_failure_in_super_is_printed_once(capfd):
    with pytest.raises(ValueError, match="parameter factor must be"):
        LayerRun(DoublesMore, [[1.0]], param_str='{"extra": 1, "factor": Infinity}')
    assert capfd.readouterr().err.count("Traceback") == 1


class Large(Layer):
    library = np

    def plan(self, x):
        self.library.empty(self.shape)
        return [x.shape]


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2**50, 8), "Unable to allocate 64.0 PiB"), ((2**31,) * 3, "array is too big|Maximum allowed")],
)
def test_memory_that_cannot_be_had_names_the_layer(capfd, shape, message):
    Large.library, Large.shape = np, shape
    with pytest.raises(MemoryError, match=rf"^Large: not enough memory: (?:{message})"):
        LayerRun(Large, [[1.0]])
    assert capfd.readouterr().err.count("Large.reshape failed") == 1


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2**50, 8), "tried to allocate 36028797018963968 bytes"), ((2**31,) * 3, "Storage size calculation overflowed")],
)
def test_memory_that_torch_cannot_have_names_the_layer(shape, message):
    Large.library, Large.shape = pytest.importorskip("torch"), shape
    with pytest.raises(MemoryError, match=f"^Large: not enough memory: {message}$"):
        LayerRun(Large, [[1.0]])


def test_older_engines_set_param_str_with_an_underscore_and_no_phase():
    layer = Doubles.__new__(Doubles)
    layer.param_str_ = "factor: 4"
    layer.setup([], [])
    assert (layer.factor, layer.param_str, layer.phase) == (4, "factor: 4", 0)
