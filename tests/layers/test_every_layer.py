"""The contract of Caffe's Python layers, on every layer of the package."""

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import caffe_pylayers
from caffe_pylayers import Layer
from caffe_pylayers._layer.parameter import declared
from caffe_pylayers.testing import LayerRun, check_layer
from tests.layers.cases import CASES, NEEDS

ROOT = Path(caffe_pylayers.__file__).parent
MODULES = sorted(path.stem for path in ROOT.glob("[!_]*.py"))
ROWS = [pytest.param(name, row, id=f"{name}-{i}") for name, rows in CASES.items() for i, row in enumerate(rows)]


def layers():
    for stem in MODULES:
        module = importlib.import_module(f"caffe_pylayers.{stem}")
        for name in module.__all__:
            if inspect.isclass(getattr(module, name)):
                yield f"{stem}.{name}", getattr(module, name)


LAYERS = dict(layers())
TENSOR_ROWS = [
    row
    for row in ROWS
    if LAYERS[row.values[0]].array_api and row.values[1]["bottoms"] and row.values[1].get("repeatable", True)
]


@pytest.fixture(autouse=True)
def libraries(request):
    """Leave out what cannot run here: layers of libraries that are not installed."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    for library in NEEDS.get(parameters.get("name"), ()):
        pytest.importorskip(library)


def test_every_layer_has_cases_and_every_case_a_layer():
    assert set(CASES) == set(LAYERS)


def test_public_modules_hold_layers_and_nothing_shadows_another_module():
    for stem in MODULES:
        assert any(name.startswith(f"{stem}.") for name in LAYERS), f"{stem}.py holds no layer"
        bare = ROOT / "bare" / f"{stem}.py"
        spec = importlib.util.find_spec(stem)
        if spec is not None:  # the bare name, installed
            assert Path(spec.origin).read_text() == bare.read_text(), f"{stem} shadows {spec.origin}"
    for path in (ROOT / "bare").glob("*.py"):
        assert path.stem in MODULES


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_contract(name, row):
    check_layer(LAYERS[name], **row)


def test_some_layers_take_tensors():
    assert TENSOR_ROWS


@pytest.mark.parametrize(("name", "row"), TENSOR_ROWS)
def test_tensors_give_the_numbers_of_arrays(tensor, name, row):
    torch = pytest.importorskip("torch")
    options = {key: row[key] for key in ("param_str", "tops", "phase") if key in row}
    bottoms = [np.asarray(x, np.float32) for x in row["bottoms"]]
    arrays = LayerRun(LAYERS[name], bottoms, dtype=np.float32, **options)
    tensors = LayerRun(LAYERS[name], [tensor(x) for x in bottoms], **options)
    for ours, theirs in zip(arrays.forward(), tensors.forward()):
        assert isinstance(theirs, torch.Tensor)
        assert_near(theirs.cpu().numpy(), ours)
    rng = np.random.RandomState(1701)  # not all the same: a normalizer has no gradient for that
    diffs = [np.asarray(rng.standard_normal(top.shape), np.float32) for top in arrays.top]
    for ours, theirs in zip(arrays.backward(diffs), tensors.backward([tensor(d) for d in diffs])):
        assert_near(theirs.cpu().numpy(), ours)
    for ours, theirs in zip(arrays.layer.blobs, tensors.layer.blobs):
        assert_near(theirs.diff.cpu().numpy(), ours.diff)


def assert_near(theirs, ours):
    """To the largest value's digits: small ones are differences of large ones, and libraries sum in other orders."""
    np.testing.assert_allclose(theirs, ours, rtol=1e-6, atol=1e-30 + 1e-5 * np.abs(ours).max(initial=0))


@pytest.mark.parametrize("name", LAYERS)
def test_documented(name):
    layer = LAYERS[name]
    for block in ("Bottom:", "Top:", "Backward:", "Raises:", "Example:", "References:"):
        assert block in layer.__doc__, f"{name} documents no {block}"
    for parameter in declared(layer).values():
        assert parameter.doc
    module = inspect.getmodule(layer)
    assert f'module: "{module.__name__}"' in module.__doc__


@pytest.mark.parametrize("name", LAYERS)
def test_the_example_runs(name):
    module = inspect.getmodule(LAYERS[name])
    (test,) = doctest.DocTestFinder(recurse=False).find(LAYERS[name], name, module)
    assert test.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("name", LAYERS)
def test_is_a_layer_without_an_init(name):
    layer = LAYERS[name]
    bases = layer.__mro__[: layer.__mro__.index(Layer)]
    order = ["setup", "plan", "reshape", "forward", "backward"]
    for base in bases:
        assert "__init__" not in vars(base)
        methods = [m for m in vars(base) if m in order]
        assert methods == sorted(methods, key=order.index), f"{base.__name__} has its methods in another order"
    assert all(any(m in vars(base) for base in bases) for m in ("forward", "backward"))


@pytest.mark.parametrize("name", LAYERS)
def test_unknown_parameter_is_refused(name):
    row = CASES[name][0]
    with pytest.raises(
        ValueError,
        match=rf"{name.split('.')[1]}: unknown parameter 'xyzzy' in param_str; (known: |this layer has none)",
    ):
        LayerRun(LAYERS[name], row["bottoms"], param_str='{"xyzzy": 1}')


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("count", [0, 9])
def test_bottoms_are_counted(name, count):
    row = CASES[name][0]
    if not count and not row["bottoms"]:
        pytest.skip("it needs none")
    options = {"param_str": row["param_str"], "tops": row.get("tops", 1)}
    number = r"\d( to \d)? bottoms? \(.*\), got 9" if count else ""  # of none, a layer may say what it is to have
    with pytest.raises(ValueError, match=rf"^{name.split('.')[1]}: needs {number}"):
        LayerRun(LAYERS[name], [np.zeros((2, 2))] * count, **options)
