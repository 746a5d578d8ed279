"""``caffe.NCCL``, as scripts use it, on torch.distributed: NCCL between GPUs, gloo between CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.distributed as dist

from caffe_pylayers.runtime import process
from caffe_pylayers.runtime.memory import scalars
from caffe_pylayers.runtime.memory.blob import Blob, arrays_in_step
from caffe_pylayers.runtime.memory.transfer import sent_to_host
from caffe_pylayers.runtime.parallel import agreement, group
from caffe_pylayers.runtime.parallel.gradients import BUCKET, Gradients
from caffe_pylayers.runtime.solvers.solver import Solver


def has_nccl() -> bool:
    """Return True if several processes can train together: PyTorch is built with torch.distributed."""
    return dist.is_available()


class NCCL:
    """This process's part in a training by several, each with a solver of the same file.

    Before it is made, each process says who it is: ``set_solver_count(count)``, ``set_solver_rank(rank)``. Then
    ``nccl.bcast()``, ``solver.add_callback(nccl)``, and, where the gradients of a layer are to be on their way while
    the layers before it are computed, ``solver.net.after_backward(nccl)``.

    Gradients are summed and divided by the number of solvers; those of several batches (iter_size) when the last one's
    are there. Those of blobs with lr_mult 0 are not sent, unless clip_gradients takes the norm of all.

    numbers: how many numbers of each process go with the gradients, in single precision: ``numbers()`` returns them
        when the backward passes of an iteration are through, those on a GPU as scalars there; ``means`` are of all.
    bucket: bytes of gradients that go together, about.
    uid: of ``NCCL.new_uid()``, the same for all; or "env://", where torchrun started them: its variables say the rest.
    Raises TypeError for what is no solver or no text, ValueError for a uid or a rank that cannot be, RuntimeError where
    the others cannot be reached, or have another net or solver.
    """

    by_unit = True  # a net calls it once for several layers that it computes together, with the first's index

    def __init__(self, solver: Any, uid: Any, numbers: int = 0, bucket: int = BUCKET) -> None:
        if not isinstance(solver, Solver):
            raise TypeError(f"takes a solver, got {solver!r}")
        if not isinstance(uid, (str, group.Group)):
            raise TypeError(f"takes the text that NCCL.new_uid() returns, got {uid!r}")
        net = solver.net
        self._group = _met(uid)
        self._group.check_equal("net", agreement.net(net))
        self._group.check_equal("solver", agreement.solver(solver))
        self._solver = solver
        param = solver.param
        clips = param.clip_gradients >= 0  # by the norm of all gradients, those of frozen blobs too
        sent = {id(blob) for blob, rate in zip(net.learnable, net.lr_mults) if rate or clips}
        layers = [[blob for blob in step.layer.blobs if id(blob) in sent] for step in net.steps]
        # The numbers go with the gradients of the first layer: a sum of their own would take as long as its messages.
        self.numbers: Callable[[], Sequence[Any]] = list
        self._means: Callable[[], list[float]] = list
        self._exchanged = Blob([numbers])
        if numbers:
            layers[0].append(self._exchanged)
        self._gradients = Gradients(self._group, layers, self._put_numbers, bucket)
        self._begun = self._expected = False  # iterations, gradients
        self._group.stalls.where = lambda: f"iteration {solver.iter + 1}"

    @staticmethod
    def new_uid() -> str:
        """Return a uid of a new training; this process has to live as long as it."""
        return group.new_uid()

    def bcast(self) -> None:
        """Give the first solver's learned values to all."""
        learnable = self._solver.net.learnable
        with arrays_in_step(learnable):
            for blob in learnable:
                self._group.broadcast(blob.update())
        self._group.check_equal("weights", agreement.values(self._solver.net))

    def on_start(self) -> None:
        """Expect the gradients of an iteration: what a solver calls before it.

        RuntimeError if, before the first one, the solvers go on from different iterations.
        """
        if not self._begun:
            self._group.check_equal("iteration", str(self._solver.iter))
            self._begun = True
        self._gradients.begin(self._solver.param.iter_size)
        self._expected = True

    def on_gradients(self) -> None:
        """Have the mean of all solvers' gradients in the net's: what a solver calls before it updates the values.

        Once in an iteration, though a script may have added the callback twice.
        """
        if self._expected:
            self._gradients.finish()
            self._expected = False
            if self._exchanged.count:
                self._means = sent_to_host(self._exchanged.read_diff())  # not behind the update

    def check(self) -> None:
        """RuntimeError if another process has ended: what a solver calls between the batches of a test."""
        self._group.check()

    @property
    def means(self) -> list[float]:
        """The means of all solvers' numbers in the last iteration."""
        return self._means()

    def _put_numbers(self) -> None:
        if self._exchanged.count:
            self._exchanged.take_diff(scalars.vector(self.numbers()))

    def __call__(self, layer: int) -> None:
        """Send the gradients that are complete with this layer's: what a net calls after its backward."""
        self._gradients.layer_done(layer)


def _met(uid: Any) -> group.Group:
    """Return the group of a uid; a group that has met is its own."""
    return uid if isinstance(uid, group.Group) else group.Group(uid, process.solver_rank(), process.solver_count())
