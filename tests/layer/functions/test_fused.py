"""PyTorch's kernels in place of formulas: the same numbers on the same tensors, and the formula where there is none."""

import inspect

import numpy as np
import pytest

from caffe_pylayers import activations, regression
from caffe_pylayers._layer import blocks
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.softmax import softmax_backward

torch = pytest.importorskip("torch")

FUNCTIONS = {**vars(activations), **vars(regression)}
FORMULAS = {name: FUNCTIONS[name] for row in fused.KERNELS for name in (f"{row}_forward", f"{row}_backward")}
OF_ONE_PASS = [name for name in FORMULAS if hasattr(activations, name)]
OTHERS = {"relu6": [(0.1,)], "swish": [(1.7,)], "hard_sigmoid": [(0.2, 0.4)], "softplus": [(0.7,), (20.0,)]}
CALLS = [(name, others) for name in FORMULAS for others in [(), *OTHERS.get(name.rpartition("_")[0], ())]]
FINITE = [*np.linspace(-12, 12, 40), 0.0, -0.0, 1e4, -1e4, 1e-30, 88.0, -88.0, 104.0, -104.0]
SLOPE_TIMES_X = ("swish_backward", "mish_backward", "gelu_backward", "gelu_tanh_backward")  # 0 times infinity
NOT_AT_INFINITY = "gelu_forward"  # PyTorch's kernel gives NaN for infinity where the processor has AVX-512


def arrays_of(name, x):
    """x, targets where there are some, and the gradient of the result in a backward."""
    needed = [p for p in inspect.signature(FORMULAS[name]).parameters.values() if p.default is p.empty]
    given = [x, torch.full_like(x, 0.25)][: len(needed) - 1 - name.endswith("backward")]
    return (*given, torch.full_like(x, 3.7)) if name.endswith("backward") else tuple(given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "others"), CALLS)
def test_the_kernel_computes_the_formula(name, others, dtype):
    function = FORMULAS[name]
    x = torch.tensor(FINITE, dtype=dtype)
    given = arrays_of(name, x)
    before = [array.clone() for array in given]
    # In hardsigmoid_backward 1 / 6 is float32's.
    eps = torch.finfo(torch.float32 if name == "hard_sigmoid_backward" else dtype).eps
    expected = function.__wrapped__(torch, *given, *others)
    found = function(torch, *given, *others)
    torch.testing.assert_close(found, expected, rtol=16 * eps, atol=256 * eps)
    for array, as_was in zip(given, before):
        assert torch.equal(array, as_was)


@pytest.mark.parametrize("name", [name for name in FORMULAS if name not in (*SLOPE_TIMES_X, NOT_AT_INFINITY)])
def test_at_infinity(name):
    compare(name, [np.inf, -np.inf])


@pytest.mark.parametrize("name", [f"{name}_forward" for name in fused.KERNELS])
def test_of_no_number(name):
    """Forward alone: PyTorch's kernels give NaN a slope that depends on how many values there are."""
    compare(name, [np.nan] if name == NOT_AT_INFINITY else [np.inf, -np.inf, np.nan])


def compare(name, values):
    given = arrays_of(name, torch.tensor(values * 16))
    function = FORMULAS[name]
    expected = function.__wrapped__(torch, *given)
    torch.testing.assert_close(function(torch, *given), expected, equal_nan=True)
    with np.errstate(invalid="ignore"):
        on_numpy = function(np, *(array.numpy() for array in given))
    np.testing.assert_allclose(on_numpy, expected, rtol=1e-6)


@pytest.mark.parametrize("name", OF_ONE_PASS)
def test_memory_of_any_kind(name):
    function = FORMULAS[name]
    x = torch.linspace(-4, 4, 35).reshape(5, 7)
    expected = function.__wrapped__(torch, *arrays_of(name, x.T))
    torch.testing.assert_close(function(torch, *arrays_of(name, x.T)), expected)
    assert function(torch, *arrays_of(name, x[:0])).shape == (0, 7)
    out = torch.zeros(5, 14)[:, ::2]
    assert function(torch, *arrays_of(name, x), out=out) is out
    torch.testing.assert_close(out, expected.T)
    given = arrays_of(name, x.clone())
    function(torch, *given, out=given[-1])  # into x, or into d_y
    torch.testing.assert_close(given[-1], expected.T)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_pytorch_without_the_kernel(name, monkeypatch):
    function, given = FORMULAS[name], arrays_of(name, torch.tensor(FINITE))
    row = fused.KERNELS[name.rpartition("_")[0]]
    monkeypatch.setitem(fused.KERNELS, name.rpartition("_")[0], row._replace(name="none_such"))
    monkeypatch.setattr(blocks, "_MOST", 7)
    assert torch.equal(function(torch, *given), function.__wrapped__(torch, *given))


@pytest.mark.parametrize("name", FORMULAS)
def test_every_kernel_is_there_and_used(name, monkeypatch):
    found, by_kernel = [], fused._by_kernel
    monkeypatch.setattr(fused, "_by_kernel", lambda *given: found.append(by_kernel(*given)) or found[-1])
    FORMULAS[name](torch, *arrays_of(name, torch.tensor(FINITE)))
    assert found == [True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_backward(axis, dtype, monkeypatch):
    scores, d_p = (torch.randn(4, 5, 6, dtype=dtype) for _ in range(2))
    p = scores.softmax(axis)
    found = softmax_backward(torch, p, d_p, axis)
    in_place = d_p.clone()
    assert softmax_backward(torch, p, in_place, axis, in_place) is in_place
    strided = softmax_backward(torch, p, d_p, axis, torch.empty(4, 5, 12, dtype=dtype)[..., ::2])
    monkeypatch.setattr(fused, "softmax_backward_by_kernel", lambda *arguments: None)
    for result in (found, in_place, strided):
        torch.testing.assert_close(result, softmax_backward(torch, p, d_p, axis))
