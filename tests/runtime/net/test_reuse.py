"""Nets that give memory back compute the same, and leave what is held outside as it is."""

import ctypes
from typing import ClassVar

import numpy as np
import pytest
import torch

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory import memory
from caffe_pylayers.runtime.memory.given_back import GivenBackError, refusal
from tests.parity.families import FAMILIES, cases
from tests.parity.replay import Run

TEXT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "one" type: "Convolution" bottom: "conv" top: "one"
        convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "one" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "ip1" type: "InnerProduct" bottom: "flat" top: "ip1"
        inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "double" type: "Python" bottom: "ip1" top: "double"
        python_param { module: "tests.runtime.my_layers" layer: "Records" } }
layer { name: "ip2" type: "InnerProduct" bottom: "double" top: "ip2"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
GONE = ["conv", "one", "sum", "pool", "flat"]


def solver(tmp_path, reuse):
    (tmp_path / "net.prototxt").write_text(TEXT)
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net: "{tmp_path}/net.prototxt" base_lr: 0.1 momentum: 0.9 weight_decay: 0.01 lr_policy: "fixed" '
        "random_seed: 1 snapshot_prefix: 'x'"
    )
    made = pycaffe.get_solver(str(path))
    fill(made.net)
    if reuse:
        made.reuse_memory()
    return made


def fill(net, seed=0):
    rng = np.random.RandomState(seed)
    net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].shape)
    net.blobs["label"].data[...] = rng.randint(0, 5, net.blobs["label"].shape)


def learned(net):
    return [array.copy() for blob in net.learnable for array in (blob.data, blob.diff)]


def bytes_of(net):
    """What the memories of the blobs in between have."""
    blobs = [net.blobs[name] for name in GONE]
    return sum(store.nbytes for blob in blobs for m in (blob._data, blob._diff) for store in m._stores.values())


@pytest.mark.parametrize("few", [0, memory.FEW])
def test_the_same_is_learned_and_the_memory_is_given_back(tmp_path, monkeypatch, few):
    monkeypatch.setattr(memory, "FEW", few)
    other, own = solver(tmp_path, reuse=False), solver(tmp_path, reuse=True)
    for _ in range(3):
        for each in (other, own):
            each.step(1)
        assert (bytes_of(own.net) == 0) == (few == 0)
        assert bytes_of(other.net)
        for name in ("loss", "accuracy"):
            np.testing.assert_array_equal(own.net.blobs[name].data, other.net.blobs[name].data)
    for mine, theirs in zip(learned(own.net), learned(other.net)):
        np.testing.assert_array_equal(mine, theirs)


def test_views_that_a_script_keeps(tmp_path):
    """Through iterations, a larger batch, and back: they show what they show in a net that gives nothing back."""
    views = []
    for reuse in (False, True):
        own = solver(tmp_path, reuse)
        blobs = own.net.blobs
        kept = {
            name: (blobs[name].data[1:3], blobs[name].diff) for name in ("conv", "one", "sum", "flat", "ip1", "ip2")
        }
        shown = []
        for batch in (4, 4, 2, 6, 4):
            blobs["data"].reshape(batch, 3, 8, 8)
            blobs["label"].reshape(batch)
            fill(own.net, batch)
            own.step(1)
            shown += [view.copy() for pair in kept.values() for view in pair]
            shown += [blobs[name].diff.copy() for name in kept]  # of new memory, from the batch of 6 on
        views.append(shown)
    for with_all, reused in zip(*views):
        np.testing.assert_array_equal(reused, with_all)


def test_an_array_that_is_asked_for_too_late(tmp_path):
    own = solver(tmp_path, reuse=True)
    own.step(1)
    for name in GONE:
        for kind, what in (("data", "values"), ("diff", "gradients")):
            # "flat" is "pool" in another shape.
            named = (
                rf'^the {what} of blob "{name.replace("flat", "pool")}" are gone, as Net.reuse_memory was called: look'
            )
            with pytest.raises(GivenBackError, match=named):
                getattr(own.net.blobs[name], kind)
    message = r'^layer "ip1" \(InnerProduct\): backward: the values of blob "pool" are gone, as Net.reuse_memory was'
    with pytest.raises(RuntimeError, match=message):
        own.net.backward()


def test_look_once_and_it_is_kept(tmp_path):
    own, other = solver(tmp_path, reuse=True), solver(tmp_path, reuse=False)
    for each in (own, other):
        assert not each.net.blobs["conv"].diff.any()  # not held any longer
        each.step(2)
    np.testing.assert_array_equal(own.net.blobs["conv"].diff, other.net.blobs["conv"].diff)


def test_layers_one_by_one_after_the_whole_net(tmp_path):
    own, other = solver(tmp_path, reuse=True), solver(tmp_path, reuse=False)
    for each in (own, other):
        each.step(1)
        last = len(each.net.layers) - 1
        each.net.clear_param_diffs()
        for i in range(last + 1):
            each.net._forward(i, i)
        for i in reversed(range(last + 1)):
            each.net._backward(i, i)
    for mine, theirs in zip(learned(own.net), learned(other.net)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_a_net_that_runs_forward_alone(tmp_path):
    own, other = solver(tmp_path, reuse=False), solver(tmp_path, reuse=False)
    own.net.reuse_memory(backward=False)
    for _ in range(2):
        found, wanted = own.net.forward(), other.net.forward()
        for name, values in wanted.items():
            np.testing.assert_array_equal(found[name], values)
    with pytest.raises(GivenBackError):
        own.net.forward(["pool"])


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_that_say_what_backward_does_not_read(family):
    for case in cases(family):
        try:
            run = Run(case, ())
        except (LayerError, ValueError, ModuleNotFoundError):
            continue  # what only real Caffe tells, or what it refuses
        layer = run.layer
        if all((layer.backward_reads_bottoms, layer.backward_reads_tops)) or not any(run.down) or case.before:
            continue
        with torch.no_grad():
            wanted = run.arrays(case.bottoms)
            run._fill(case.bottoms)
            for blob, values in zip(layer.blobs, run.learned.values()):
                blob.data[...], blob.diff[...] = values, 0
            torch_state = torch.get_rng_state()
            run._forward()
            torch.set_rng_state(torch_state)
            read = [run.bottoms, layer.blobs] if layer.backward_reads_bottoms else [layer.blobs]
            read += [run.tops] if layer.backward_reads_tops else []
            memories = {blob._data for blobs in read for blob in blobs}
            for blob in (*run.bottoms, *run.tops):
                if blob._data not in memories:
                    blob._data.shown = False
                    blob.give_back(refusal("the values"))
            run._backward()
        for i, blob in enumerate(run.bottoms):
            if f"d_bottom{i}" in wanted and case.type not in ("Dropout", "Pooling"):  # these draw anew
                np.testing.assert_allclose(blob.diff, wanted[f"d_bottom{i}"], 1e-5, 1e-6, err_msg=str(case.param))


CROP = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "crop" type: "Crop" bottom: "data" bottom: "conv" top: "crop" crop_param { axis: 2 } }
layer { name: "both" type: "Concat" bottom: "crop" bottom: "conv" top: "both" }
layer { name: "loss" type: "Reduction" bottom: "both" top: "loss" loss_weight: 1 reduction_param { operation: SUMSQ } }
"""


def test_a_gradient_that_no_layer_writes(tmp_path):
    """That of Crop's bottom[1]: the Split beneath adds what it is, zeros, in each iteration."""
    (tmp_path / "net.prototxt").write_text(CROP)
    found = []
    for reuse in (False, True):
        net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
        net.params["conv"][0].data[...] = 0.1
        net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal(net.blobs["data"].shape)
        if reuse:
            net.reuse_memory()
        for _ in range(3):
            net.clear_param_diffs()
            net.forward()
            net.backward()
        found.append(net.params["conv"][0].diff.copy())
    np.testing.assert_array_equal(*found)


class _Malloc(ctypes.Structure):
    """glibc's mallinfo2."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in _names.split()]


def in_use():
    """Return the bytes that malloc has given out."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("another C library, or an older one")
    libc.mallinfo2.restype = _Malloc
    return libc.mallinfo2().uordblks


def test_memory_is_flat(tmp_path):
    own = solver(tmp_path, reuse=True)
    own.step(20)
    before = in_use()
    own.step(40)
    assert in_use() - before < 40 * 512, "a blob, or an object of each blob, is left of each iteration"
