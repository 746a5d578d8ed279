"""Blobs without any values, where Caffe's own library calls refuse them; tests/parity/cases/empty.py has the others."""

import contextlib
import dataclasses
import re

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.layers.layer import LayerError
from tests.parity.families import FAMILIES, cases
from tests.parity.replay import replay
from tests.runtime.layers.one_layer import one_layer

NO_IMAGES = [(0, 3, 4, 5)]
NO_MAP = (2, 3, 0, 5)
SCALE = 'layer { name: "scale" type: "Scale" bottom: "x" top: "x" }'


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "down"),
    [
        ("BatchNorm", "batch_norm_param { use_global_stats: true }", NO_IMAGES, [True]),
        ("Eltwise", "", [(0, 3), (0, 3)], [True, True]),
        ("EuclideanLoss", "", [(0, 3), (0, 3)], [True, True]),
        ("LRN", "", NO_IMAGES, [True]),
        ("LRN", "", [(2, 0, 4, 5)], [True]),
        ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", NO_IMAGES, [True]),
        ("LSTM", "recurrent_param { num_output: 2 }", [(3, 0, 4), (3, 0)], [True, False]),
        ("MVN", "", NO_IMAGES, [True]),
        ("Power", "power_param { power: 3 }", NO_IMAGES, [True]),
        ("RNN", "recurrent_param { num_output: 2 }", [(3, 0, 4), (3, 0)], [True, False]),
        ("Scale", "", NO_IMAGES, [True]),
        ("SPP", "spp_param { pyramid_height: 2 }", NO_IMAGES, [True]),
        ("SPP", "spp_param { pyramid_height: 2 }", [(2, 0, 4, 5)], [True]),
        ("Softmax", "", NO_IMAGES, [True]),
        ("SoftmaxWithLoss", "", [(0, 3), (0,)], [True, False]),
        ("Swish", "", NO_IMAGES, [True]),
    ],
)
def test_forward_and_backward(kind, param, shapes, down):
    layer, bottom, top = one_layer(kind, param, *shapes)
    for blob in layer.blobs:
        blob.data[...] = 1
    layer.forward(bottom, top)
    layer.backward(top, down, bottom)
    assert not any(blob.diff.any() for blob in layer.blobs)
    assert not any(blob.diff.size for blob, wanted in zip(bottom, down) if wanted)


def test_pooling_of_no_map():
    """Its windows lie wholly outside: the lowest float, or a sum over a size of zero."""
    for method, value in ("MAX", -3.4028235e38), ("AVE", np.nan):
        layer, bottom, top = one_layer(
            "Pooling", f"pooling_param {{ pool: {method} kernel_size: 2 stride: 3 }}", NO_MAP
        )
        layer.forward(bottom, top)
        np.testing.assert_array_equal(top[0].data, np.full((2, 3, 1, 2), value, np.float32))
        layer.backward(top, [True], bottom)


@pytest.mark.parametrize("shape", [*NO_IMAGES, NO_MAP, (0, 3)])
@pytest.mark.parametrize("scale", ["", SCALE])
def test_statistics_of_nothing(tmp_path, shape, scale):
    """Real Caffe ends the process. In place on images the layers are computed together."""
    dims = " ".join(f"dim: {n}" for n in shape)
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'force_backward: true layer {{ name: "in" type: "Input" top: "d" input_param {{ shape {{ {dims} }} }} }} '
        'layer { name: "copy" type: "Power" bottom: "d" top: "x" } '
        'layer { name: "norm" type: "BatchNorm" bottom: "x" top: "x" } ' + scale
    )
    net = pycaffe.Net(path, pycaffe.TRAIN)
    message = f'layer "norm" (BatchNorm): bottom[0] of shape {shape} has no values to take the mean of'
    for run in (net.forward, net.backward):
        with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
            run()


CASES = {case.type: case for family in FAMILIES for case in cases(family) if case.bottoms and case.type != "Python"}


@pytest.mark.parametrize("kind", CASES)
def test_an_empty_axis_is_computed_or_refused_by_name(kind):
    case = CASES[kind]
    for axis, size in enumerate(case.bottoms[0].shape):
        emptied = [np.take(x, [], axis) if x.shape[axis : axis + 1] == (size,) else x for x in case.bottoms]
        with contextlib.suppress(LayerError):  # it names the layer
            replay(dataclasses.replace(case, bottoms=emptied))
