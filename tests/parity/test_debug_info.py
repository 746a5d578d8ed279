"""The lines that a net with debug_info logs, beside real Caffe's."""

import logging
import os
import re
import subprocess

import numpy as np
import pytest

from tests.parity.families import ROOT, caffe_python
from tests.parity.test_nets import LOSS, ip, net

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")

NAMED = 'param { name: "w" } param { name: "b" lr_mult: 0 }'
TEXT = net(
    ip("a", "data", 5, NAMED)
    + 'layer { name: "n" type: "BatchNorm" bottom: "a" top: "n" }\n'
    + 'layer { name: "r" type: "ReLU" bottom: "n" top: "n" }\n'
    + ip("c", "n", 5, NAMED)
    + ip("d", "n", 5, "propagate_down: false")
    + 'layer { name: "sum" type: "Eltwise" bottom: "c" bottom: "d" top: "sum" }\n'
    + LOSS % "sum",
    head="debug_info: true",
)
NUMBER = re.compile(r"-?[\d.]+(?:e[-+]\d+)?$")


def lines(text):
    """(words, number) of each line."""
    found = [line[line.index("[") :] for line in text.splitlines() if "[Forward]" in line or "[Backward]" in line]
    return [(NUMBER.sub("", line), float(NUMBER.search(line).group())) for line in found]


def test_each_layer(tmp_path, caplog):
    python = caffe_python()
    if python is None:
        assert "CI" not in os.environ, "no real Caffe to compare with"
        pytest.skip("no real Caffe; `make caffe` installs one")
    path = tmp_path / "net.prototxt"
    path.write_text(TEXT)
    env = dict(os.environ, PYTHONPATH=str(ROOT), GLOG_minloglevel="0")
    command = [python, ROOT / "tests" / "parity" / "record_net.py", tmp_path]
    theirs = lines(subprocess.run(command, env=env, check=True, stderr=subprocess.PIPE, text=True).stderr)

    inputs = np.load(path.with_suffix(".npz"))
    ours = pycaffe.Net(path, pycaffe.TRAIN, weights=path.with_suffix(".caffemodel"))
    ours.clear_param_diffs()
    with caplog.at_level(logging.INFO, "caffe_pylayers.runtime"):
        ours.forward(**{name: inputs[f"input/{name}"] for name in ours.inputs})
        ours.backward()
    found = lines("\n".join(caplog.messages))
    assert [words for words, _ in found] == [words for words, _ in theirs]
    np.testing.assert_allclose([number for _, number in found], [number for _, number in theirs], rtol=1e-4, atol=1e-7)
    assert len(found) > 30
