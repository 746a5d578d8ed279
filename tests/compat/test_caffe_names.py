"""Names of caffe in the Python 2 days and in forks, on both engines."""

import sys

import pytest

pytest.importorskip("fissix")

NET = 'name: "n" layer { name: "x" type: "Python" top: "y" python_param { module: "layer" layer: "Old" } }\n'
LAYER = """
import caffe
import numpy as np

class Old(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.append(caffe.Blob([2, 3]))
        self.blobs[0].data[...] = 4
        print 'phase', self.phase
    def reshape(self, bottom, top):
        top[0].reshape(*np.array([2, 3]))
        assert top[np.int64(0)].count == 6
    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data
    def backward(self, top, propagate_down, bottom):
        pass
"""
GO = """
import caffe
train = caffe.Net('net.prototxt')
caffe.set_phase_test()
caffe.set_mode_cpu()
net = caffe.Net('net.prototxt')
net.save('weights.caffemodel')
net = caffe.Net('net.prototxt', 'weights.caffemodel')
net.set_phase_test()
net.set_mode_cpu()
net.params['x'][0].data[...] *= 2
print net.forward()['y'].sum(), caffe.Blob((2, 5)).data.shape
caffe.set_phase_train()
caffe.Net('net.prototxt')
caffe.Net('net.prototxt', caffe.TEST)
"""


def test_phases_modes_and_blobs(run_program, root, tmp_path):
    for name, text in (("layer.py", LAYER), ("go.py", GO), ("net.prototxt", NET)):
        (tmp_path / name).write_text(text)
    ended = run_program(
        *(sys.executable, "-m", "caffe_pylayers", "run", "--compat", "go.py"), cwd=tmp_path, pythonpath=(root,)
    )
    told = [line for line in ended.stdout.splitlines() if line.startswith(("phase", "48"))]
    phases = [f"phase {name}" for name in ("TRAIN", "TEST", "TEST", "TRAIN", "TEST")]
    assert told == [*phases[:3], "48.0 (2, 5)", *phases[3:]], ended.stdout
    assert ended.returncode == 0
