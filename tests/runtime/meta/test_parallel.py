"""Several processes on a device without values: the host waits once in an iteration, for all sums of gradients."""

import contextlib
from unittest import mock

import pytest
import torch

from caffe_pylayers.runtime.memory import device, scalars
from caffe_pylayers.runtime.parallel.group import Group
from caffe_pylayers.runtime.parallel.nccl import NCCL
from caffe_pylayers.runtime.parallel.presence import GroupError
from tests.runtime.meta.place import META, on_meta
from tests.runtime.meta.test_training import IMAGES, make_solver


class Alone(Group):
    """A group of two of whom the other one adds nothing; ``said`` has what was asked of it."""

    def __init__(self):
        self.rank, self.count, self.said = 0, 2, []
        self.stalls = mock.Mock()

    def check_equal(self, what, text):
        """Say that they are."""

    def sum(self, tensor):
        assert tensor.device == device.current()
        self.said.append("sum")
        return tensor

    def finish(self, works):
        if works:
            self.said.append(f"wait for {len(works)}")


@pytest.mark.parametrize("layer_wise", [False, True])
@pytest.mark.parametrize("iter_size", [1, 2])
def test_the_host_waits_once(monkeypatch, layer_wise, iter_size):
    solver, group = make_solver(IMAGES, "SGD", iter_size=iter_size), Alone()
    nccl = NCCL(solver, group, numbers=2, bucket=64)
    nccl.numbers = lambda: [scalars.total(solver.net.blobs["loss"]), True]
    solver.add_callback(nccl)
    if layer_wise:
        solver.net.after_backward(nccl)
    with on_meta(monkeypatch) as watched:
        solver.step(1)
        group.said.clear()
        with watched():
            solver.step(1)
    *sums, waits = group.said
    assert len(sums) > 3
    assert set(sums) == {"sum"}
    assert waits == f"wait for {len(sums)}"


def test_the_numbers_are_those_of_the_host(monkeypatch):
    assert scalars.vector([1.5, True]).tolist() == [1.5, 1]
    monkeypatch.setattr(device, "_device", torch.device("cpu", 0))
    found = scalars.vector([torch.tensor(0.1), 2, torch.tensor(3.0)])
    assert torch.equal(found, torch.tensor([0.1, 2, 3]))
    assert scalars.numbers([torch.tensor(0.5), torch.tensor(2.0)]) == [0.5, 2]


class Work:
    """A sum that is there after some looks."""

    def __init__(self, looks):
        self.looks, self.waited = looks, False

    def is_completed(self):
        self.looks -= 1
        return self.looks < 0

    def wait(self):
        assert self.looks < 0, "the stream would wait for one that may never come"
        self.waited = True


class Others:
    """The presence of processes of which one ends after some looks."""

    def __init__(self, looks=99):
        self.looks = looks

    def check(self):
        self.looks -= 1
        if self.looks < 0:
            raise GroupError("solver 1 of 2 has ended")


@pytest.fixture
def waiting(monkeypatch):
    """A group that waits for works on the meta device, with others of this presence."""

    def make(others):
        group = Alone()
        group._presence, group._under_way = others, 2
        group._reaching = contextlib.nullcontext
        return lambda works: Group.finish(group, [(work, META) for work in works])

    return make


def test_the_stream_waits_for_what_is_there(waiting):
    works = Work(3), Work(0)
    waiting(Others())(works)
    assert all(work.waited for work in works)


def test_the_stream_does_not_wait_for_one_that_has_ended(waiting):
    works = Work(0), Work(50)
    with pytest.raises(GroupError, match="has ended"):
        waiting(Others(5))(works)
    assert [work.waited for work in works] == [True, False]
