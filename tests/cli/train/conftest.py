"""A folder with a net of 8 weights on 12 samples, to train in no time."""

import contextlib
import csv
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from caffe_pylayers import _engine

HERE = Path(__file__).parent

NET = """
name: "tiny"
layer {{
  name: "data" type: "HDF5Data" top: "data" top: "label" include {{ phase: TRAIN }}
  hdf5_data_param {{ source: "data/train.txt" batch_size: 4 }}
}}
layer {{
  name: "data" type: "HDF5Data" top: "data" top: "label" include {{ phase: TEST }}
  hdf5_data_param {{ source: "data/test.txt" batch_size: 4 }}
}}
{middle}
layer {{
  name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "ip"
  inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }}
}}
layer {{
  name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include {{ phase: TEST }}
}}
{loss}
"""
SOFTMAX = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'
AT = """
layer {{
  name: "at" type: "Python" bottom: "data" top: "at"
  python_param {{ module: "train_layers" layer: "{layer}" param_str: '{param_str}' }}
}}
"""
SOLVER = {
    "net": '"nets/net.prototxt"',
    "base_lr": 0.1,
    "lr_policy": '"fixed"',
    "momentum": 0.9,
    "max_iter": 12,
    "test_iter": 2,
    "test_interval": 5,
    "snapshot_prefix": '"out/tiny"',
    "random_seed": 1,
    "solver_mode": "CPU",
}


class Project:
    """A project's folder: nets/net.prototxt, nets/solver.prototxt, data/."""

    def __init__(self, root):
        self.root = root
        self.out = root / "out"
        (root / "nets").mkdir()
        (root / "data").mkdir()
        random = np.random.RandomState(0)
        for name, count in (("train", 12), ("test", 8)):
            labels = np.arange(count) % 2
            self.data(name, random.normal(size=(count, 3)) + 3 * labels[:, None] - 1.5, labels)
        self.net()
        self.solver()

    def data(self, name, data, label):
        import h5py

        with h5py.File(self.root / "data" / f"{name}.h5", "w") as file:
            file["data"] = data.astype(np.float32)
            file["label"] = label.astype(np.float32)
        (self.root / "data" / f"{name}.txt").write_text(f"data/{name}.h5\n")

    def net(self, middle="", bottom="data", loss=SOFTMAX, name="net"):
        path = self.root / "nets" / f"{name}.prototxt"
        path.write_text(NET.format(middle=middle, bottom=bottom, loss=loss))
        return path

    def net_with(self, param_str, layer="At"):
        """A net with a layer of train_layers between data and ip."""
        return self.net(AT.format(layer=layer, param_str=param_str), bottom="at")

    def solver(self, name="solver", **fields):
        """Write a solver; None drops a field, and a list repeats it."""
        lines = []
        for key, value in {**SOLVER, **fields}.items():
            values = value if isinstance(value, list) else [] if value is None else [value]
            lines += [f"{key}: {str(each).lower() if isinstance(each, bool) else each}" for each in values]
        self.path = self.root / "nets" / f"{name}.prototxt"
        self.path.write_text("\n".join(lines) + "\n")
        return self.path

    def train(self, plot=False, **options):
        """Train, without the plot if a test does not look at it: it takes longer than the training."""
        from caffe_pylayers.cli.train import train

        with contextlib.ExitStack() as stack:
            if not plot:
                stack.enter_context(mock.patch("caffe_pylayers.cli._training.driver._plotter", return_value=None))
            return train(self.path, **options)

    def error(self, **options):
        """The message of the UserError that training ends with."""
        from caffe_pylayers.cli import UserError

        with pytest.raises(UserError) as caught:
            self.train(**options)
        return str(caught.value)

    def files(self):
        """What is in the output folder."""
        return sorted(path.name for path in self.out.iterdir())

    def weights(self, path):
        """The parameters in a caffemodel, flat, by layer."""
        from caffe.proto import caffe_pb2

        net = caffe_pb2.NetParameter.FromString(Path(path).read_bytes())
        return {layer.name: [v for blob in layer.blobs for v in blob.data] for layer in net.layer if layer.blobs}

    def rows(self, path=None):
        """The log's rows."""
        with open(path or self.out / "log.csv", newline="") as file:
            return list(csv.DictReader(file))

    def start(self, *arguments, **popen):
        """scripts/train.py as a process of its own."""
        script = HERE.parents[2] / "scripts" / "train.py"
        command = [sys.executable, str(script), "--solver", str(self.path), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)

    def run(self, *arguments, **popen):
        """That process's exit code, output and errors."""
        with self.start(*arguments, **popen) as process:
            out, err = process.communicate()
        return process.returncode, out, err


@pytest.fixture(scope="session", autouse=True)
def _matplotlib_is_loaded():
    """Its import warns of a library it uses; that is no test's doing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A Project, from whose folder tests run."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", str(HERE))  # of processes
    monkeypatch.chdir(tmp_path)
    _engine.caffe()  # from here on `import caffe` gives it
    return Project(tmp_path)
