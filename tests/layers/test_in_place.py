"""Layers that may work in place, in a net: the same values and gradients as with a top of their own."""

import numpy as np
import pytest

from caffe_pylayers import _engine

LAYERS = {
    "noise.SpatialDropout": "{'seed': 3}",
    "noise.DropPath": "{'seed': 3}",
    "noise.GaussianNoise": "{'seed': 3}",
    "mixing.Cutout": "{'seed': 3, 'length': 2}",
    "gradients.GradientScale": "{'scale': 0.3}",
    "gradients.GradientReversal": "",
    "gradients.GradientClip": "{'norm': 0.5, 'value': 0.1}",
    "gradients.StopGradient": "",
    "inspection.Inspect": "file: /dev/null",
    "inspection.NaNGuard": "",
}
NET = """
layer {{ name: "in" type: "Input" top: "x" top: "t" input_param {{ shape {{ dim: 4 dim: 3 dim: 5 dim: 5 }} }} }}
layer {{
  name: "scale" type: "Scale" bottom: "x" top: "s" scale_param {{ filler {{ value: 1.5 }} }}
}}
layer {{
  name: "layer" type: "Python" bottom: "s" top: "{top}"
  python_param {{ module: "caffe_pylayers.{module}" layer: "{layer}" param_str: "{param_str}" }}
}}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "{top}" bottom: "t" top: "loss" }}
"""


@pytest.mark.skipif(not _engine.available(), reason="no engine")
@pytest.mark.parametrize("name", LAYERS)
def test_in_place(make_net, name):
    _engine.caffe()
    module, layer = name.split(".")
    found = []
    for top in ("y", "s"):
        net = make_net(NET.format(module=module, layer=layer, top=top, param_str=LAYERS[name]))
        rng = np.random.RandomState(0)
        for blob in ("x", "t"):
            net.blobs[blob].data[...] = rng.standard_normal(net.blobs[blob].shape)
        loss = float(net.forward()["loss"])
        net.backward()
        found.append([loss, *(blob.diff.copy() for blob in net.params["scale"])])
    for apart, in_place in zip(*found):
        np.testing.assert_array_equal(in_place, apart)
    assert np.any(found[0][1]) == (layer != "StopGradient")
