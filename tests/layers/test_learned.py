"""LearnedScale, LearnedShift, LearnedMatrix, LearnedParameter: Caffe's Scale and Bias, learning, and stored blobs."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.learned import LearnedMatrix, LearnedParameter, LearnedScale, LearnedShift
from caffe_pylayers.testing import LayerRun

MAPS = np.random.RandomState(1).standard_normal((3, 4, 2, 5))
D_TOP = np.random.RandomState(2).standard_normal(MAPS.shape)


@pytest.mark.parametrize("axes", [[], [1], [0, 2], [1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize(("layer", "exponential"), [(LearnedScale, False), (LearnedScale, True), (LearnedShift, None)])
def test_pytorch_s_numbers(layer, exponential, axes):
    torch = pytest.importorskip("torch")
    option = "" if exponential is None else f', "exponential": {str(exponential).lower()}'
    ours = LayerRun(layer, [MAPS], param_str=f'{{"axes": {axes}, "filler": "gaussian", "filler_value": 1{option}}}')
    given = torch.tensor(MAPS, requires_grad=True)
    blob = torch.tensor(ours.layer.blobs[0].data, requires_grad=True)
    assert blob.shape == tuple(MAPS.shape[axis] for axis in axes)
    whole = blob.reshape([size if axis in axes else 1 for axis, size in enumerate(MAPS.shape)])
    expected = given + whole if exponential is None else given * (whole.exp() if exponential else whole)
    expected.backward(torch.tensor(D_TOP))
    np.testing.assert_allclose(ours.forward()[0], expected.detach(), rtol=1e-12)
    np.testing.assert_allclose(ours.backward([D_TOP])[0], given.grad, rtol=1e-12)
    np.testing.assert_allclose(ours.layer.blobs[0].diff, blob.grad, rtol=1e-12, atol=1e-14)


def test_a_matrix_is_a_convolution():
    torch = pytest.importorskip("torch")
    run, d_top = LayerRun(LearnedMatrix, [MAPS[:, :2]], param_str="{diagonal: [2]}"), D_TOP[:, :2]
    assert run.layer.blobs[0].data.tolist() == [[[[2]], [[0]]], [[[0]], [[1]]]]
    weights, bias = np.random.RandomState(4).standard_normal((2, 2, 1, 1)), np.random.RandomState(4).standard_normal(2)
    run.layer.blobs[0].data[...], run.layer.blobs[1].data[...] = weights, bias
    for i in range(2):
        run.layer.blobs[i].diff[...] = 0
    maps, weights, bias = (torch.tensor(array, requires_grad=True) for array in (MAPS[:, :2], weights, bias))
    wanted = torch.nn.functional.conv2d(maps, weights, bias)
    wanted.backward(torch.tensor(d_top))
    np.testing.assert_allclose(run.forward()[0], wanted.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(run.backward([d_top])[0], maps.grad, rtol=1e-10, atol=1e-12)
    for i, learned in enumerate((weights, bias)):
        np.testing.assert_allclose(run.layer.blobs[i].diff, learned.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer", [LearnedScale, LearnedShift])
def test_in_place(layer):
    apart, run = (LayerRun(layer, [MAPS], param_str='{"filler": "gaussian"}') for _ in range(2))
    (top,) = apart.forward()
    run.layer.forward(run.bottom, run.bottom)
    np.testing.assert_array_equal(run.bottom[0].data, top)
    run.bottom[0].diff[...] = D_TOP
    run.layer.backward(run.bottom, [True], run.bottom)
    np.testing.assert_array_equal(run.bottom[0].diff, apart.backward([D_TOP])[0])
    np.testing.assert_array_equal(run.layer.blobs[0].diff, apart.layer.blobs[0].diff)


NET = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 4 dim: 2 dim: 5 } } }
"""
NATIVE = """
layer { name: "scale" type: "Scale" bottom: "x" top: "y" scale_param { axis: 1 num_axes: 2 } }
layer { name: "shift" type: "Bias" bottom: "y" top: "z" bias_param { axis: 2 num_axes: -1 } }
"""
OURS = """
layer { name: "scale" type: "Python" bottom: "x" top: "y"
  python_param { module: "caffe_pylayers.learned" layer: "LearnedScale" param_str: "axes: [1, 2]" } }
layer { name: "shift" type: "Python" bottom: "y" top: "z"
  python_param { module: "caffe_pylayers.learned" layer: "LearnedShift" param_str: "axes: [2, 3]" } }
"""


@pytest.fixture
def caffe():
    if not _engine.available():
        pytest.skip("needs a caffe")
    return _engine.caffe()


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("min_value: 0.5", [0.5, 2, 9]),
        ("max_value: 3", [-1, 2, 3]),
        ("min_value: 0.5, max_value: 3", [0.5, 2, 3]),
    ],
)
def test_factors_between_bounds(text, held):
    """They are brought back in the blob itself; the gradient is that of the factors there."""
    run = LayerRun(LearnedScale, [[[2.0, 3.0, 4.0]]], param_str=f"{{{text}, filler_value: 2}}")
    run.layer.blobs[0].data[...] = [-1, 2, 9]
    assert run.forward()[0].tolist() == [[2 * held[0], 3 * held[1], 4 * held[2]]]
    assert run.layer.blobs[0].data.tolist() == held
    assert run.backward([[[1.0, 1, 1]]])[0].tolist() == [held]
    assert run.layer.blobs[0].diff.tolist() == [2, 3, 4]


def test_a_caffemodel_of_scale_and_bias_fits(caffe, tmp_path):
    nets = []
    for name, layers in (("native", NATIVE), ("ours", OURS)):
        (tmp_path / name).write_text(NET + layers)
        nets.append(caffe.Net(str(tmp_path / name), 0))
    native, ours = nets
    for name in native.params:
        assert native.params[name][0].data.shape == ours.params[name][0].data.shape
        np.testing.assert_array_equal(native.params[name][0].data, ours.params[name][0].data)  # as they start
        native.params[name][0].data[...] = np.random.RandomState(3).standard_normal(native.params[name][0].data.shape)
    native.save(str(tmp_path / "weights"))
    ours.copy_from(str(tmp_path / "weights"))
    for net in nets:
        net.blobs["x"].data[...] = MAPS
        net.forward()
        net.blobs["z"].diff[...] = D_TOP
        net.backward()
    for blob in ("z", "x"):
        np.testing.assert_allclose(ours.blobs[blob].data, native.blobs[blob].data, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours.blobs[blob].diff, native.blobs[blob].diff, rtol=1e-5, atol=1e-6)
    for name in native.params:
        np.testing.assert_allclose(ours.params[name][0].diff, native.params[name][0].diff, rtol=1e-4, atol=1e-5)


LEARNS = """
layer { name: "p" type: "Python" top: "p" param { name: "shared" lr_mult: 2 decay_mult: 0 }
  python_param { module: "caffe_pylayers.learned" layer: "LearnedParameter"
    param_str: '{"shape": [2, 3], "filler": "constant", "filler_value": 1}' } }
layer { name: "target" type: "DummyData" top: "t" dummy_data_param { shape { dim: 2 dim: 3 }
  data_filler { type: "constant" value: 5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "p" bottom: "t" top: "loss" }
"""
SOLVER = 'net: "{net}" base_lr: 0.25 lr_policy: "fixed" snapshot_prefix: "{folder}/s" solver_mode: CPU type: "SGD"'


def test_a_parameter_is_learned_and_stored(caffe, tmp_path):
    (tmp_path / "net").write_text(LEARNS)
    (tmp_path / "solver").write_text(SOLVER.format(net=tmp_path / "net", folder=tmp_path))
    solver = caffe.get_solver(str(tmp_path / "solver"))
    solver.step(1)
    # loss = 6 * (p - 5)**2 / 2 / 2, so d_p = (p - 5) / 2 = -2, and the rate is 0.25 * lr_mult 2
    np.testing.assert_allclose(solver.net.params["p"][0].data, np.full((2, 3), 2.0))
    solver.net.save(str(tmp_path / "weights"))
    again = caffe.Net(str(tmp_path / "net"), 1, weights=str(tmp_path / "weights"))
    np.testing.assert_allclose(again.forward()["loss"], 6 * 3**2 / 4)


@pytest.mark.parametrize(
    ("layer", "bottoms", "param_str", "message"),
    [
        (LearnedScale, [(3, 4)], "axes: [2]", r"axis 2 is outside bottom\[0\] of shape \(3, 4\)"),
        (LearnedScale, [(3, 4)], "axes: [1, 0]", r"axes must be in ascending order, none of them twice, got \[1, 0\]"),
        (LearnedScale, [(3, 4)], "{min_value: 2, max_value: 1}", r"min_value 2.0 is above max_value 1.0"),
        (LearnedShift, [(3, 4)], "axes: [1, -1]", r"axes must be in ascending order"),
        (LearnedShift, [(3, 4)], "filler: orthogonal", r"filler must be one of constant, "),
        (
            LearnedMatrix,
            [(3, 2)],
            "diagonal: [1, 2, 3]",
            r"diagonal has 3 values, but bottom\[0\] .* 2 channels",
        ),
        (LearnedParameter, [], "", r"parameter shape is required"),
        (LearnedParameter, [], "shape: [0]", r"parameter shape\[0\] must be an integer >= 1, got 0"),
    ],
)
def test_refused(layer, bottoms, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, bottoms)), param_str=param_str)


def test_other_sizes_than_learned_are_refused():
    run = LayerRun(LearnedScale, [MAPS])
    run.bottom[0].reshape(3, 5)
    with pytest.raises(ValueError, match=r"^LearnedScale: blobs\[0\] \(4,\) was made for other sizes than"):
        run.forward()
