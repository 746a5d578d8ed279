"""Batches that go to a device: copied by the thread that makes them, and in memory that goes round."""

import threading

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.data import prefetch
from caffe_pylayers.runtime.data.prefetch import Prefetch
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from tests.parity.cases import data, hdf5_data, image_data
from tests.parity.replay import Run
from tests.runtime.meta.place import META, on_meta


class Copier:
    """In place of a GPU's: the device is the host, or one without values."""

    def __init__(self, place=device.HOST):
        self.place = place
        self.threads, self.targets, self.free = [], [], []
        self.in_use = []  # what was sent and is given, by when

    def host_memory(self, count):
        return torch.empty(count)

    def send(self, values, targets, free):
        self.threads.append(threading.current_thread().name)
        self.free.append(free)
        self.targets.append([target is not None for target in targets])
        sent = []
        for each, target in zip(values, targets):
            fits = target is not None and target.numel() == each.numel()
            sent.append((target if fits else torch.empty(each.numel(), device=self.place)).view(each.shape))
            sent[-1].copy_(each)
        return sent

    def given(self, sent):
        self.in_use.append(sent)
        return len(self.in_use)


@pytest.fixture
def copier(monkeypatch):
    made = Copier()
    monkeypatch.setattr(prefetch, "copier", lambda place: made)
    return made


def counter():
    state = {"made": 0}

    def fill(batch):
        for array in batch.reshape((2,), (3, 1)):
            array[...] = state["made"]
        state["made"] += 1

    return fill


def give(batches, tops):
    batches.give(tops)
    return [float(top.read().sum() / top.count) for top in tops]


def test_the_thread_that_makes_them_copies_them(copier):
    batches, tops = Prefetch(counter(), 2), [Blob(), Blob()]
    assert [give(batches, tops) for _ in range(6)] == [[i, i] for i in range(6)]
    batches.stop()
    assert set(copier.threads) == {"caffe-prefetch"}


def test_memory_of_the_device_goes_round(copier):
    batches, tops = Prefetch(counter(), 1), [Blob(), Blob()]
    for _ in range(6):
        give(batches, tops)
    batches.stop()
    assert copier.free[0] is None
    assert copier.free[1:6] == [1, 2, 3, 4, 5], "each copy waits for what was begun when its memory was given back"
    assert not any(copier.targets[0])
    assert all(map(all, copier.targets[2:])), "the memory of the batch before"
    assert len({tensor.data_ptr() for sent in copier.in_use for tensor in sent}) <= 6


def test_what_is_held_stays(copier):
    batches, tops = Prefetch(counter(), 1), [Blob(), Blob()]
    give(batches, tops)
    held = tops[0].data
    for i in range(1, 5):
        give(batches, tops)
        assert (held == i).all()
    batches.stop()


def test_a_batch_for_another_device_has_memory_of_its_own(copier, monkeypatch):
    batches, tops = Prefetch(counter(), 1), [Blob(), Blob()]
    for _ in range(3):
        give(batches, tops)
    others = Copier()
    monkeypatch.setattr(prefetch, "copier", lambda place: others)
    for i in range(3, 8):
        assert give(batches, tops) == [i, i]
    batches.stop()
    assert others.threads
    assert others.free[0] is None


def test_an_error_of_a_copy_is_raised_by_the_forward(copier):
    def fail(*arguments):
        raise MemoryError("no room")

    copier.send = fail
    with pytest.raises(MemoryError, match="no room"):
        Prefetch(counter(), 1).give([Blob(), Blob()])


@pytest.mark.parametrize("case", [data.CASES[0], hdf5_data.CASES[0], image_data.CASES[0]], ids=lambda case: case.type)
def test_a_forward_takes_what_is_there_already(case, monkeypatch):
    layer = Run(case, ())
    monkeypatch.setattr(prefetch, "copier", Copier)
    with on_meta(monkeypatch) as watched:
        for _ in range(3):
            with watched():
                layer.step.run_forward()
            for top in layer.tops:
                assert top.read().device == META
                assert np.prod(top.shape)
    layer.layer._prefetch.stop()
