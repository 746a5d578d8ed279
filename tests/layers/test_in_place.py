"""Layers that may work in place, in a net: the same values and gradients as with a top of their own.

check_layer says the same of them without one, on every case.
"""

import numpy as np
import pytest

from caffe_pylayers import _engine
from tests.layers.cases import CASES
from tests.layers.test_every_layer import LAYERS

pytestmark = pytest.mark.skipif(not _engine.available(), reason="no engine")

IN_PLACE = [name for name, layer in LAYERS.items() if layer.in_place]
DATA = """
layer {{ name: "in" type: "Input" {tops} top: "t" input_param {{ {shapes} shape {{ {dims} }} }} }}
layer {{ name: "scale" type: "Scale" bottom: "x0" top: "s" scale_param {{ axis: 0 filler {{ value: 1.5 }} }} }}
layer {{
  name: "layer" type: "Python" {bottoms} top: "{top}"
  python_param {{ module: "caffe_pylayers.{module}" layer: "{layer}" param_str: "{param_str}" }}
}}
"""
TIMES_20 = """
layer {{
  name: "above" type: "Scale" bottom: "{top}" top: "{above}" scale_param {{ axis: 0 filler {{ value: 20 }} }}
}}
"""
LOSS = 'layer {{ name: "loss" type: "EuclideanLoss" bottom: "{above}" bottom: "t" top: "loss" }}\n'


def case_of(name):
    """Return a case with one top and with values, of a seed where the layer is random."""
    rows = [row for row in CASES[name] if row.get("tops", 1) == 1 and all(np.size(x) for x in row["bottoms"])]
    return next((row for row in rows if "seed" in row["param_str"]), rows[0])


def run(make_net, name, top, above=None):
    """Return the loss and the learned gradients of a net in which the layer has this top, and one above it another.

    above: None for no layer above.
    """
    row, (module, layer) = case_of(name), name.split(".")
    sizes = [" ".join(f"dim: {n}" for n in np.shape(x)) for x in row["bottoms"]]
    text = (DATA + (TIMES_20 if above else "") + LOSS).format(
        tops=" ".join(f'top: "x{i}"' for i in range(len(sizes))),
        shapes=" ".join(f"shape {{ {dims} }}" for dims in sizes),
        dims=sizes[0],
        bottoms=" ".join(['bottom: "s"', *(f'bottom: "x{i}"' for i in range(1, len(sizes)))]),
        module=module,
        layer=layer,
        param_str=row["param_str"].replace('"', '\\"'),
        top=top,
        above=above or top,
    )
    net = make_net(text)
    for i, x in enumerate(row["bottoms"]):
        net.blobs[f"x{i}"].data[...] = x
    net.blobs["t"].data[...] = np.random.RandomState(0).standard_normal(net.blobs["t"].shape)
    loss = float(net.forward()["loss"])
    net.backward()
    return [loss, *(blob.diff.copy() for blobs in net.params.values() for blob in blobs)]


def test_some_layers_work_in_place():
    assert len(IN_PLACE) > 20


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(make_net, name):
    _engine.caffe()
    for inside, apart in zip(run(make_net, name, "s"), run(make_net, name, "y")):
        np.testing.assert_allclose(inside, apart, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("top", ["s", "y"], ids=["in place", "apart"])
def test_a_layer_above_may_change_the_top_in_place(make_net, name, top):
    _engine.caffe()
    for inside, apart in zip(run(make_net, name, top, top), run(make_net, name, top, "z")):
        np.testing.assert_allclose(inside, apart, rtol=1e-5, atol=1e-6)
