"""Recurrent layers: their refusals, and the states that they carry on."""

import numpy as np
import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import one_layer

PARAM = """recurrent_param { num_output: 2 %s weight_filler { type: "uniform" min: -1 max: 1 }
                             bias_filler { type: "uniform" min: -1 max: 1 } }"""
STATES = {"LSTM": 2, "RNN": 1}


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 2), (3, 2)], r"bottom\[0\] must have 3 axes or more, .*, got shape \(3, 2\)"),
        ([(3, 2, 3), (2, 3)], r"bottom\[1\] must have shape \(3, 2\), .*, got \(2, 3\)"),
        ([(3, 2, 3), (3, 2, 1)], r"bottom\[1\] must have shape \(3, 2\), .*, got \(3, 2, 1\)"),
        ([(3, 2, 3), (3, 2), (2,)], r"bottom\[2\] must have shape \(2, ...\), .*, got \(2,\)"),
        ([(3, 2, 3), (3, 2), (3, 2)], r"bottom\[2\] must have shape \(2, ...\), .*, got \(3, 2\)"),
        ([(3, 2, 3), (3, 2), (2, 2), (2, 2)], "with expose_hidden false takes 2 or 3 bottoms and 1 tops, got 4 and 1"),
    ],
)
def test_refused(kind, shapes, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, PARAM % "", *shapes)


@pytest.mark.parametrize(("kind", "states"), STATES.items())
def test_exposed_refused(kind, states):
    param, shapes = PARAM % "expose_hidden: true", [(3, 2, 3), (3, 2), *[(1, 2, 2)] * states]
    message = f"with expose_hidden true takes {2 + states} or {3 + states} bottoms and {1 + states} tops, got 2 and 1"
    with pytest.raises(LayerError, match=message):
        one_layer(kind, param, *shapes[:2])
    with pytest.raises(LayerError, match=f"{1 + states} tops, got {2 + states} and 1"):
        one_layer(kind, param, *shapes)
    with pytest.raises(LayerError, match=rf"bottom\[{1 + states}\] must have shape \(1, 2, 2\), got \(2, 2\)"):
        one_layer(kind, param, *shapes[:-1], (2, 2), tops=1 + states)


@pytest.mark.parametrize("kind", STATES)
def test_size_and_steps_are_fixed(kind):
    with pytest.raises(LayerError, match=r"recurrent_param\.num_output must be positive, got 0"):
        one_layer(kind, "", (3, 2, 3), (3, 2))
    layer, bottom, top = one_layer(kind, PARAM % "", (3, 2, 3), (3, 2), (2, 4))
    for i, shape, message in (
        (0, (3, 2, 4), r"bottom\[0\] must have 3 inputs, got shape \(3, 2, 4\)"),
        (2, (2, 5), r"bottom\[2\] must have 4 inputs, got shape \(2, 5\)"),
    ):
        old = bottom[i].shape
        bottom[i].reshape(*shape)
        with pytest.raises(LayerError, match=message):
            layer.reshape(bottom, top)
        bottom[i].reshape(*old)
    bottom[0].reshape(4, 2, 3)
    bottom[1].reshape(4, 2)
    with pytest.raises(LayerError, match=r"bottom\[0\] must keep its 3 time steps, got shape \(4, 2, 3\)"):
        layer.reshape(bottom, top)


@pytest.mark.parametrize(
    ("kind", "shapes", "tops", "index"),
    [
        ("LSTM", [(3, 2, 3), (3, 2)], 1, 1),
        ("RNN", [(3, 2, 3), (3, 2)], 1, 1),
        ("LSTMUnit", [(1, 2, 3), (1, 2, 12), (1, 2)], 2, 2),
    ],
)
def test_no_gradient_for_marks(kind, shapes, tops, index):
    layer, bottom, top = one_layer(kind, "" if kind == "LSTMUnit" else PARAM % "", *shapes, tops=tops)
    layer.forward(bottom, top)
    with pytest.raises(LayerError, match=rf"cannot backpropagate to bottom\[{index}\], the marks of .*"):
        layer.backward(top, [True] * len(shapes), bottom)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 2, 3), (2, 2, 12), (2, 2)], r"bottom\[0\] must have shape \(1, N, D\), got \(2, 2, 3\)"),
        ([(1, 2, 3), (1, 2, 11), (1, 2)], r"bottom\[1\] must have shape \(1, 2, 12\), got \(1, 2, 11\)"),
        ([(1, 2, 3), (1, 2, 12), (1, 3)], r"bottom\[2\] must have shape \(1, 2\), got \(1, 3\)"),
    ],
)
def test_unit_refused(shapes, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\(LSTMUnit\\): {message}$'):
        one_layer("LSTMUnit", "", *shapes, tops=2)


def run(layer, bottom, top, x, cont):
    bottom[0].data[...], bottom[1].data[...] = x, cont
    layer.forward(bottom, top)
    return np.array(top[0].data)


@pytest.mark.parametrize("kind", STATES)
def test_states_go_on_in_the_next_forward(kind):
    """Two forwards over halves of a sequence give what one over all of it gives, also where top[0] is changed."""
    random = np.random.RandomState(0)
    x, cont = random.standard_normal((6, 2, 3)), np.array([[0, 0], [1, 1], [1, 0], [1, 1], [1, 1], [0, 1]])
    whole, half = (one_layer(kind, PARAM % "", (steps, 2, 3), (steps, 2)) for steps in (6, 3))
    for mine, theirs in zip(half[0].blobs, whole[0].blobs):
        mine.share_data(theirs)
    wanted = run(*whole, x, cont)
    first = run(*half, x[:3], cont[:3])
    half[2][0].data[...] = 7
    np.testing.assert_allclose(np.concatenate([first, run(*half, x[3:], cont[3:])]), wanted, 1e-5, 1e-6)
    half[0].reset()
    np.testing.assert_array_equal(run(*half, x[:3], np.vstack([[1, 1], cont[1:3]])), first)


@pytest.mark.parametrize("kind", STATES)
def test_backward_does_not_read_its_top(kind):
    """A layer after it may work in place."""
    random = np.random.RandomState(0)
    layer, bottom, top = one_layer(kind, PARAM % "", (3, 2, 3), (3, 2))
    gradients = []
    for changed in (False, True):
        layer.reset()
        run(layer, bottom, top, random.standard_normal((3, 2, 3)) if not changed else bottom[0].data, np.ones((3, 2)))
        if changed:
            top[0].data[...] = 7
        top[0].diff[...] = 1
        layer.backward(top, [True, False], bottom)
        gradients.append(np.array(bottom[0].diff))
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize(("kind", "states"), STATES.items())
def test_exposed_states_get_zeros(kind, states):
    shapes = [(3, 2, 3), (3, 2), *[(1, 2, 2)] * states]
    layer, bottom, top = one_layer(kind, PARAM % "expose_hidden: true", *shapes, tops=1 + states)
    layer.forward(bottom, top)
    for blob in (*bottom, *top):
        blob.diff[...] = 5
    layer.backward(top, [True, False] + [True] * states, bottom)
    assert all((blob.diff == 0).all() for blob in bottom[2:])
