"""Modes and devices where there is no GPU."""

import warnings

import pytest
import torch

from caffe_pylayers.runtime.memory import device

CALLS = [device.set_mode_gpu, lambda: device.set_device(2)]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(device, "_warned", False)
    monkeypatch.delenv(device.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.parametrize("call", CALLS)
def test_without_a_gpu_the_message_names_the_cure(call):
    with pytest.raises(RuntimeError) as error:
        call()
    message = str(error.value)
    assert "sees no GPU" in message
    for cure in ("caffe.set_mode_cpu()", "caffe-pylayers run --cpu", "CAFFE_PYLAYERS_CPU=1", "pytorch.org"):
        assert cure in message
    assert device.current() == device.HOST


def test_a_gpu_beyond_those_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RuntimeError, match=r"GPU 2 cannot be used: .* sees GPUs 0 to 1\."):
        device.set_device(2)


def test_the_gpu_is_pytorchs_current_one(monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(device, "_device", device.HOST)
    monkeypatch.setattr(device, "_gpu", 0)
    device.set_device(1)
    assert not used
    device.set_mode_gpu()
    device.set_device(2)
    assert used == [1, 2]
    assert device.current() == torch.device("cuda", 2)


def test_the_variable_keeps_the_cpu_and_warns_once(monkeypatch):
    monkeypatch.setenv(device.VARIABLE, "1")
    with pytest.warns(UserWarning, match=r"CAFFE_PYLAYERS_CPU is set: set_mode_gpu\(\) and the like stay on the CPU"):
        device.set_mode_gpu()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device.set_device(7)
        device.set_mode_gpu()
    assert device.current() == device.HOST


@pytest.mark.parametrize("value", ["", "0"])
def test_the_variable_is_off(monkeypatch, value):
    monkeypatch.setenv(device.VARIABLE, value)
    with pytest.raises(RuntimeError):
        device.set_mode_gpu()
