"""A forked process computes too, as with real Caffe: a child waits for none of its parent's threads."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("caffe_pylayers.runtime")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

START = """
import multiprocessing, os, sys
import numpy as np
import torch
from caffe_pylayers import runtime
caffe = runtime.install()
torch.set_num_threads(2)

LAYERS = '''
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 32 kernel_size: 3
        weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 10
        weight_filler { type: "xavier" } } }
layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
'''
INPUT = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 8 dim: 8 dim: 32 dim: 32 } } }'

def net(text=INPUT):
    with open("net.prototxt", "w") as file:
        file.write(text + LAYERS)
    return caffe.Net("net.prototxt", caffe.TRAIN)

def run(made):
    made.forward()
    made.backward()
    return made.blobs["loss"].data.shape

def anew(_=None):
    return run(net())

def in_a_fork(do):
    child = os.fork()
    if not child:
        try:
            do()
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""

POOL = "anew(); print(multiprocessing.get_context('fork').Pool(1).map(anew, [0, 1]))"
SAME_NET = "made = net(); run(made); in_a_fork(lambda: run(made)); run(made)"
GRANDCHILD = "anew(); in_a_fork(lambda: (anew(), in_a_fork(anew)))"
LOADER = """
class Loader(caffe.Layer):
    def setup(self, bottom, top):
        context = multiprocessing.get_context("fork")
        self.queue = context.Queue(2)
        self.process = context.Process(target=load, args=(self.queue,), daemon=True)
        self.process.start()

    def reshape(self, bottom, top):
        top[0].reshape(8, 8, 32, 32)

    def forward(self, bottom, top):
        top[0].data[...] = self.queue.get()

def load(queue):
    filter = caffe.Net("net.prototxt", caffe.TEST)  # a net of its own
    while True:
        run(filter)
        queue.put(np.random.rand(8, 8, 32, 32))

anew()
sys.modules["loader"] = sys.modules["__main__"]
text = '''layer { name: "in" type: "Python" top: "data" python_param { module: "loader" layer: "Loader" } }'''
open("other.prototxt", "w").write(text + LAYERS)
made = caffe.Net("other.prototxt", caffe.TRAIN)
run(made), run(made)
made.layers[0].process.terminate()
"""
WHILE_READING = """
text = '''layer { name: "d" type: "Data" top: "data" data_param { source: "%s" batch_size: 4 backend: LMDB } }'''
reading = net(text)
run(reading), run(reading)

def child():
    anew()
    run(net(text))
    try:
        run(reading)
    except Exception as error:
        assert "cannot go on in a forked process" in str(error), error
    else:
        raise AssertionError("it went on")

in_a_fork(child)
run(reading)
"""


@pytest.mark.parametrize("script", [POOL, SAME_NET, GRANDCHILD, LOADER, WHILE_READING])
def test_a_child_computes(script, tmp_path, root):
    if "%s" in script:
        script %= root / "tests" / "parity" / "files" / "color_lmdb"
    done = subprocess.run(
        [sys.executable, "-c", START + script], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_child_of_a_process_without_a_net_has_all_threads(tmp_path):
    script = START + "in_a_fork(lambda: print(torch.get_num_threads()))"
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "2\n"
