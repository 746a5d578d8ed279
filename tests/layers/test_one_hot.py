"""label2one_hot: values by hand, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers.one_hot import label2one_hot, one_hot_forward
from caffe_pylayers.testing import LayerRun


def run(labels, features=None, param_str="", tops=1):
    bottoms = [np.asarray(labels)] + ([] if features is None else [np.zeros(features)])
    return LayerRun(label2one_hot, bottoms, param_str=param_str, tops=tops, dtype=np.float32)


def codes(*args, **kwargs):
    return run(*args, **kwargs).forward()[0]


@pytest.mark.parametrize(("shape", "axis"), [((5, 4), 1), ((2, 3, 4, 5), 1), ((2, 3, 4), -1), ((4, 2), 0), ((0, 3), 1)])
@pytest.mark.parametrize("ignored", [False, True])
def test_the_formula(shape, axis, ignored):
    rng = np.random.RandomState(1)
    place = list(shape)
    place[axis] = 1
    labels, valid = rng.randint(0, shape[axis], place), rng.rand(*place) < 0.7 if ignored else np.ones(place, bool)
    classes = np.arange(shape[axis]).reshape([-1] + [1] * (len(shape) - 1 - axis % len(shape)))
    one_hot = np.full(shape, np.nan)
    one_hot_forward(labels.ravel(), one_hot, axis, 0.9, 0.1, valid.ravel() if ignored else None)
    np.testing.assert_array_equal(one_hot, np.where((labels == classes) & valid, 0.9, 0.1))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1, 1)])
@pytest.mark.parametrize("features", [(3, 4), (3, 4, 1, 1)])
def test_labels_of_any_number_of_axes(shape, features):
    top = codes(np.reshape([2, 0, 3], shape), features)
    assert top.shape == features
    np.testing.assert_array_equal(top.reshape(3, 4), [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("labels_shape", [(2, 1, 2, 3), (2, 2, 3)])
def test_spatial_labels(labels_shape):
    labels = np.array([[[0, 1, 2], [2, 2, 0]], [[1, 1, 1], [0, 2, 1]]])
    top = codes(labels.reshape(labels_shape), (2, 3, 2, 3))
    np.testing.assert_array_equal(top.argmax(1), labels)
    np.testing.assert_array_equal(top.sum(1), np.ones((2, 2, 3)))


def test_classes_on_the_last_axis():
    np.testing.assert_array_equal(codes([[0, 1]], (1, 2, 2), "axis: -1"), [[[1, 0], [0, 1]]])


@pytest.mark.parametrize(
    ("labels", "param_str", "shape"),
    [
        ((5,), "num_classes: 3", (5, 3)),
        ((5, 1), "num_classes: 3", (5, 3)),
        ((5, 1, 1, 1), "num_classes: 3", (5, 3, 1, 1)),
        ((5, 1, 2, 2), "num_classes: 3", (5, 3, 2, 2)),
        ((5, 2, 2), "num_classes: 3", (5, 3, 2, 2)),
        ((4, 5), "{num_classes: 3, axis: -1}", (4, 5, 3)),
        ((4, 5), "{num_classes: 3, axis: 2}", (4, 5, 3)),
        ((0,), "num_classes: 3", (0, 3)),
    ],
)
def test_shape_without_features(labels, param_str, shape):
    assert codes(np.zeros(labels), param_str=param_str).shape == shape


def test_smoothing():
    top = codes([1, 0], param_str='{"num_classes": 2, "on_value": 0.9, "off_value": 0.1}')
    np.testing.assert_allclose(top, [[0.1, 0.9], [0.9, 0.1]])


def test_ignored_labels_are_off_and_not_valid():
    layer = run([1, 255, 0], (3, 2), '{"ignore_label": 255, "off_value": 0.5}', tops=2)
    one_hot, valid = layer.forward()
    np.testing.assert_array_equal(one_hot, [[0.5, 1], [0.5, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(valid, [[1], [0], [1]])


def test_all_labels_are_valid_without_ignore_label():
    np.testing.assert_array_equal(run(np.zeros((2, 1, 3, 3)), (2, 4, 3, 3), tops=2).forward()[1], np.ones((2, 1, 3, 3)))


def test_top_is_cleared_each_time():
    layer = run([0, 1], (2, 2))
    layer.forward()
    layer.bottom[0].data[...] = [1, 0]
    np.testing.assert_array_equal(layer.forward()[0], [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 12], r"label 12 at index 3 is outside \[0, 10\)"),
        ([0, -1, 0, 0], r"label -1 at index 1 is outside \[0, 10\)"),
        ([3.5, 0, 0, 0], r"label 3.5 at index 0 is no integer; labels lie in \[0, 10\)"),
        ([0, 0, np.nan, 0], r"label nan at index 2 is no integer"),
        ([0, 0, np.inf, 0], r"label inf at index 2 is no integer"),
        ([1e30, 0, 0, 0], r"label 1\d+ at index 0 is outside"),
    ],
)
def test_refused_labels(labels, message):
    layer = run(labels, (4, 10))
    with pytest.raises(ValueError, match=rf"^label2one_hot: {message}"):
        layer.forward()


def test_refused_label_in_a_map_names_its_position():
    labels = np.zeros((2, 1, 3, 4))
    labels[1, 0, 2, 3] = 9
    with pytest.raises(ValueError, match=r"label 9 at index \(1, 0, 2, 3\) is outside \[0, 5\)"):
        run(labels, (2, 5, 3, 4)).forward()


@pytest.mark.parametrize(
    ("labels", "features", "param_str", "message"),
    [
        (
            (4,),
            (5, 10),
            "",
            r"bottom\[0\] \(labels\) must have shape \(5,\), one label for each position of bottom\[1\] "
            r"\(features\) of shape \(5, 10\) with classes on axis 1, got \(4,\)",
        ),
        ((4,), (4, 10, 2, 2), "", r"must have shape \(4, 2, 2\)"),
        ((4, 3, 2), (4, 10, 2, 3), "", r"must have shape \(4, 2, 3\), .* got \(4, 3, 2\)"),
        (
            (4,),
            (4, 10),
            "num_classes: 9",
            r"parameter num_classes is 9, but bottom\[1\] \(features\) of shape \(4, 10\) has 10",
        ),
        ((4,), (4, 10), "axis: 2", r"axis 2 is outside bottom\[1\] \(features\) of shape \(4, 10\), which has 2 axes"),
        ((4,), None, "{num_classes: 3, axis: 2}", r"axis 2 is outside top\[0\] for labels of shape \(4,\)"),
        ((4,), None, "", r"needs bottom\[1\] \(features\) or the parameter num_classes"),
        ((4,), (4, 10), "num_classes: 0", r"parameter num_classes must be an integer >= 1, got 0"),
    ],
)
def test_refused_shapes(labels, features, param_str, message):
    with pytest.raises(ValueError, match=rf"^label2one_hot: .*{message}"):
        run(np.zeros(labels), features, param_str)


def test_backward_writes_zeros_only_where_asked():
    layer = run([0, 1], (2, 2))
    layer.forward()
    labels, features = layer.backward([np.ones((2, 2))], [False, True])
    assert np.isnan(labels).all()
    np.testing.assert_array_equal(features, np.zeros((2, 2)))


def test_without_classes_every_label_is_outside():
    with pytest.raises(ValueError, match=r"^label2one_hot: label 3 at index 0 is outside \[0, 0\)"):
        LayerRun(label2one_hot, [[3, 1], np.zeros((2, 0))]).forward()
