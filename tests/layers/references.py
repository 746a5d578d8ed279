"""What layers are compared with: PyTorch's functions with autograd in float64, and the caffe's own layers."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.testing import LayerRun


def against_torch(layer, bottoms, param_str, function, wrt=(0,), tops=1):
    """Check a loss and its gradients: function(F, *bottoms), with torch.nn.functional as F, gives the loss.

    wrt: the bottoms whose gradients are compared.
    """
    torch = pytest.importorskip("torch")
    run = LayerRun(layer, bottoms, param_str=param_str, tops=tops)
    loss = run.forward()[0]
    diffs = run.backward([3.7] + [0] * (tops - 1))
    tensors = [torch.tensor(x) for x in map(np.asarray, bottoms)]
    for i in wrt:
        tensors[i].requires_grad_()
    expected = function(torch.nn.functional, *tensors)
    (3.7 * expected).backward()
    np.testing.assert_allclose(loss, [expected.item()], rtol=1e-12, atol=1e-12)
    for i in wrt:
        np.testing.assert_allclose(diffs[i], tensors[i].grad.numpy(), rtol=1e-11, atol=1e-14)


def of_caffe(tmp_path, kind, parameters, bottoms):
    """Return the loss of one of Caffe's own layers, and its gradient of the first bottom, for a weight of 3.7."""
    caffe = _engine.caffe()
    inputs = "".join(
        f'layer {{ name: "b{i}" type: "Input" top: "b{i}" input_param {{ shape {{ '
        + " ".join(f"dim: {n}" for n in np.shape(x))
        + " } } }\n"
        for i, x in enumerate(bottoms)
    )
    names = " ".join(f'bottom: "b{i}"' for i in range(len(bottoms)))
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'force_backward: true\n{inputs}layer {{ name: "loss" type: "{kind}" {names} top: "loss" loss_weight: 3.7 '
        f"propagate_down: true propagate_down: false {parameters} }}\n"
    )
    net = caffe.Net(str(path), caffe.TRAIN)
    for i, x in enumerate(bottoms):
        net.blobs[f"b{i}"].data[...] = x
    net.forward()
    net.backward()
    return float(net.blobs["loss"].data), net.blobs["b0"].diff.copy()


def against_caffe(tmp_path, layer, bottoms, param_str, kind, parameters):
    """Check a loss and its first gradient against one of Caffe's own layers."""
    loss, d_first = of_caffe(tmp_path, kind, parameters, bottoms)
    run = LayerRun(layer, bottoms, param_str=param_str, dtype=np.float32)
    np.testing.assert_allclose(run.forward()[0], [loss], rtol=2e-6)
    np.testing.assert_allclose(run.backward([3.7])[0], d_first, rtol=2e-5, atol=1e-6)
