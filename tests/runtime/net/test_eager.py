"""benchmarks/eager.py's nets give the outputs of the prototxts that they are compared with."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from caffe_pylayers import pycaffe

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
BATCH = 2
NETS = ["lenet_python", "lenet_euclidean", "lenet_softmax", "caffenet", "alexnet", "googlenet", "resnet50", "vgg16"]
# Of a result as a whole. Depth enlarges rounding, ResNet's most, as tests/parity/test_zoo.py says.
TOLERANCES = dict.fromkeys(NETS, 1e-4) | {"resnet50": 1e-3}
FILLER = re.compile(r"weight_filler \{ [^}]* \}")


@pytest.fixture(scope="module")
def benchmarks():
    """Give the modules eager and nets."""
    path, before = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("eager"), importlib.import_module("nets")
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def test_every_net(benchmarks):
    eager, nets = benchmarks
    assert list(eager.NETS) == list(nets.NETS) == NETS


@pytest.mark.parametrize("name", NETS)
def test_outputs(benchmarks, tmp_path, name):
    eager, nets = benchmarks
    nets.write(tmp_path, name, BATCH)
    torch.manual_seed(0)
    pycaffe.set_random_seed(0)
    for path in tmp_path.iterdir():
        # Values neither grow nor vanish, and none is dropped: no two engines drop the same.
        filler = "" if path.suffix == ".forward" else 'type: "msra"'
        text = FILLER.sub(f"weight_filler {{ {filler} }}", path.read_text())
        path.write_text(re.sub(r"dropout_ratio: [0-9.]+", "dropout_ratio: 0", text))
    with torch.device("meta"):  # its own weights are not needed
        net = eager.build(name)
    net = net.to_empty(device="cpu")
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images, labels = eager.batch(name, BATCH)
    inputs = {"data": images.numpy(), "label": labels.numpy()}

    trained = pycaffe.Net(tmp_path / f"{name}.train", pycaffe.TRAIN)
    found = trained.forward(**inputs)
    loss = sum(trained.blob_loss_weights[blob] * value.sum() for blob, value in found.items())
    eager.copy_weights(net, trained.params)
    net.train()
    assert net(images, labels).item() == pytest.approx(loss, rel=TOLERANCES[name])

    eager.copy_weights(net, trained.params)  # again: BatchNorm has seen the batch
    used = pycaffe.Net(tmp_path / f"{name}.forward", pycaffe.TEST)
    used.share_with(trained)
    found = used.forward(**{blob: inputs[blob] for blob in used.inputs})
    values = eager.using(net, images, labels)()
    values = values if isinstance(values, tuple) else (values,)
    names = ("loss", "accuracy") if name in nets.LENETS else ("prob",)
    for value, wanted in zip(values, map(found.get, names), strict=True):
        assert np.linalg.norm(value.numpy() - wanted) <= TOLERANCES[name] * np.linalg.norm(wanted)
