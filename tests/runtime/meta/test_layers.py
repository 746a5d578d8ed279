"""Layers on a device without values: none waits for the host, but those that do so by their nature."""

import importlib

import pytest

from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.memory.blob import Blob
from tests.layers.cases import CASES, NEEDS
from tests.parity.case import Case, normal
from tests.parity.cases.python_layers import python
from tests.parity.families import FAMILIES, cases
from tests.parity.replay import Run
from tests.runtime.meta.place import WaitError, checks_on_meta, on_meta
from tests.runtime.meta.waits import NATIVE, PYTHON

READ_FILES = {"Data", "HDF5Data", "ImageData", "WindowData"}


def on_tensors(name):
    module, layer = name.split(".")
    return getattr(importlib.import_module(f"caffe_pylayers.{module}"), layer).array_api


def is_computed(case):
    """False for bottoms without values; and for a BatchNorm of one value, where PyTorch's meta kernel divides by 0."""
    return all(x.size > (case.type == "BatchNorm" and x.shape[1]) for x in case.bottoms)


NATIVE_CASES = {kind: [] for kind in LAYERS.names() if kind not in {"Python", *READ_FILES}}
NATIVE_CASES["HDF5Output"].append(
    Case("HDF5Output", 'hdf5_output_param { file_name: "never.h5" }', [normal(2, 3), normal(2)], tops=0, down=[])
)
for family in FAMILIES:
    for case in cases(family):
        if case.type in NATIVE_CASES and is_computed(case):
            NATIVE_CASES[case.type].append(case)


PYTHON_CASES = {
    name: [python(name, row) for row in rows if row["bottoms"]] for name, rows in CASES.items() if on_tensors(name)
}


def once(rows):
    """The cases, of those that differ in shapes and values alone the first."""
    what = {(case.param, len(case.bottoms), case.tops, case.phase, str(case.down)): case for case in rows[::-1]}
    return what.values()


def run(case, monkeypatch):
    """Forward and backward of a case on meta tensors, in steady state: the layer has been reshaped for them."""
    layer = Run(case, ())
    with on_meta(monkeypatch) as watched:
        for blob in [*layer.bottoms, *layer.layer.blobs]:
            blob.write(), blob.write_diff()
        layer.step.reshape(always=True)
        for kept in layer.layer.__dict__.values():
            if isinstance(kept, Blob) and kept.count:
                kept.read()  # what it has read from a file goes to the device once
        with watched():
            with checks_on_meta():
                layer.step.run_forward()
            for top in layer.tops:
                top.write_diff()
            if any(layer.down) or layer.layer.blobs:
                layer.step.run_backward()


def waits(case, monkeypatch):
    """Why a case waits for the device; nothing if it does not."""
    try:
        run(case, monkeypatch)
    except (WaitError, NotImplementedError, RuntimeError, TypeError) as error:
        while error.__cause__ is not None:
            error = error.__cause__
        if not isinstance(error, WaitError) and "meta" not in str(error).lower():
            raise
        return str(error)
    return ""


@pytest.mark.parametrize("kind", NATIVE_CASES)
def test_native(kind, monkeypatch):
    found = [reason for case in once(NATIVE_CASES[kind]) if (reason := waits(case, monkeypatch))]
    assert bool(found) == (kind in NATIVE), found[:1] or "it is listed in waits.py, and does not wait"


@pytest.mark.parametrize("name", PYTHON_CASES)
def test_python(name, monkeypatch):
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library)
    found = [reason for case in once(PYTHON_CASES[name]) if (reason := waits(case, monkeypatch))]
    assert bool(found) == (name in PYTHON), found[:1] or "it is listed in waits.py, and does not wait"


def test_what_waits_is_there():
    assert NATIVE.keys() <= NATIVE_CASES.keys()
    assert PYTHON.keys() <= PYTHON_CASES.keys()
