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


ACTIVATIONS = ("ReLU6", "Swish", "Mish", "HardSigmoid", "HardSwish", "GELU", "Softplus")
ABOVE = {
    **LAYERS,
    "embeddings.L2Normalize": "",
    "normalization.GroupNorm": "groups: 3",
    "normalization.InstanceNorm": "",
    "normalization.LayerNorm": "",
    "bilinear.SignedSqrt": "",
    "learned.LearnedScale": "",
    **{f"activations.{name}": "" for name in ACTIVATIONS},
}
TIMES_20 = """
layer {{ name: "above" type: "Scale" bottom: "{below}" top: "{above}" scale_param {{ filler {{ value: 20 }} }} }}
"""


@pytest.mark.skipif(not _engine.available(), reason="no engine")
@pytest.mark.parametrize("name", ABOVE)
@pytest.mark.parametrize("below", ["s", "y"], ids=["in place", "apart"])
def test_a_layer_above_may_change_the_top_in_place(make_net, name, below):
    _engine.caffe()
    module, layer = name.split(".")
    layers, loss = NET.rstrip().rsplit("\n", 1)
    found = []
    for above in (below, "z"):
        text = layers.format(module=module, layer=layer, top=below, param_str=ABOVE[name])
        net = make_net("\n".join([text, TIMES_20.format(below=below, above=above), loss.format(top=above)]))
        net.blobs["x"].data[...] = np.random.RandomState(0).standard_normal(net.blobs["x"].shape)
        net.forward()
        net.backward()
        found.append([blob.diff.copy() for blob in net.params["scale"]])
    for inside, apart in zip(*found):
        np.testing.assert_allclose(inside, apart, rtol=1e-5, atol=1e-6)
