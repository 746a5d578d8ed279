"""The base of all solvers: Caffe's Solver, with its rule, its state and its updates."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

import torch

from caffe_pylayers._nets import lr_policy, prototxt, solver_rules, upgrade
from caffe_pylayers.runtime import process, rng
from caffe_pylayers.runtime.files.paths import path_of
from caffe_pylayers.runtime.memory.blob import Blob, arrays_in_step
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.proto import caffe_pb2
from caffe_pylayers.runtime.registry import Registry
from caffe_pylayers.runtime.solvers import foreach, nets, report, snapshot, training
from caffe_pylayers.runtime.solvers.early import EarlyUpdates, large_blobs
from caffe_pylayers.runtime.solvers.training import FIRST, Hooks
from caffe_pylayers.runtime.solvers.update import Group, clip, make_groups

SOLVERS: Registry[Any] = Registry("solver type")


def name_of(solver: Any) -> str:
    """Return the name that errors give a solver: its file's."""
    return path_of(solver) or "SolverParameter"


def read_param(solver: Any) -> Any:
    """Read the SolverParameter in a file, or copy the one given.

    RuntimeError for a file that is missing, TypeError for what is neither a path nor a SolverParameter.
    """
    path = path_of(solver)
    if path is not None:
        if not os.path.exists(path):
            raise RuntimeError(f"Could not open file {path}")
        param = prototxt.read_solver(path, caffe_pb2)
        param.snapshot_prefix = solver_rules.snapshot_prefix(param, path)
        return param
    if not isinstance(solver, caffe_pb2.SolverParameter):
        raise TypeError(f"a solver takes the path of its prototxt, or a SolverParameter, got {solver!r}")
    param = caffe_pb2.SolverParameter()
    param.CopyFrom(solver)
    upgrade.upgrade_solver(param, "SolverParameter")
    return param


class Solver:
    """Train a net: the base of the solver types, registered by Caffe's name: ``@SOLVERS.register("SGD")``.

    Made from a solver prototxt's path or a SolverParameter, whose ``type`` does not count: the
    class decides. A subclass overrides ``compute_update``, and sets ``histories``: how many blobs
    it keeps for each learned blob.

    history: what the rule remembers, in Caffe's order. current_step: of the learning rate policy.

    Raises TypeError for an argument of another kind, RuntimeError for files that are missing or cannot be written,
    ValueError for parameters that Caffe refuses.
    """

    type: ClassVar[str]
    histories: ClassVar[int] = 1

    def __init__(self, solver: Any) -> None:
        self._name = name_of(solver)
        self._param = read_param(solver)
        self._iter = 0
        self.current_step = 0
        self._hooks = Hooks()
        self._refuse(solver_rules.net_problems(self.param))
        self._refuse(solver_rules.update_problems(self.param, self.type))
        seed, rank = self.param.random_seed, process.solver_rank()
        if rank == FIRST:
            snapshot.check_writable(self.param, self.error)
        if seed >= 0:
            rng.seed(seed % 2**32)  # of all solvers that train together, which share the data in one order
        self._net: Net = nets.train_net(self.param, self._name)
        self._test_nets: list[Net] = nets.test_nets(self.param, self._name)
        learnable = self.net.learnable
        if seed >= 0 and rank:
            rng.seed((seed + rank) % 2**32)
        for net in self.test_nets:
            net.debug_info = self.param.debug_info
        self.history = [Blob(blob.shape) for _ in range(self.histories) for blob in learnable]
        self._groups = make_groups(learnable, self.net.lr_mults, self.net.decay_mults, self.history)
        self._early: EarlyUpdates | None = None

    # --- what a type of solver is ------------------------------------------------------------------

    def compute_update(self, group: Group, rate: float) -> None:
        """Turn ``group.diff``, the gradients, into what is to be subtracted from the values."""
        raise NotImplementedError

    def update(self, group: Group, rate: float, decay: float) -> None:
        """Add the gradient of the decay, compute the update and subtract it; ``group.diff`` then holds it."""
        if decay:
            group.regularize(self.param.regularization_type, decay)
        self.compute_update(group, rate)
        foreach.sub_(group.data, group.diff)

    # --- state -------------------------------------------------------------------------------------

    @property
    def param(self) -> Any:
        """The SolverParameter, read anew in each iteration: its fields may be set."""
        return self._param

    @property
    def net(self) -> Net:
        """The train net."""
        return self._net

    @property
    def test_nets(self) -> list[Net]:
        """The test nets."""
        return self._test_nets

    @property
    def iter(self) -> int:
        """The number of iterations done, which is of updates of the weights."""
        return self._iter

    @property
    def is_called_back(self) -> bool:
        """True if there are callbacks, which want the gradients before the update."""
        return bool(self._hooks.on_gradients)

    @property
    def torn(self) -> bool:
        """True after an iteration that failed halfway through its updates: the weights are those of none."""
        return self._early is not None and self._early.torn

    @property
    def lr(self) -> float:
        """The learning rate of this iteration."""
        rate, self.current_step = self.next_rate()
        return rate

    def next_rate(self) -> tuple[float, int]:
        """Return what ``lr`` is going to be, and the current_step that it is going to set."""
        try:
            return lr_policy.learning_rate(self.param, self._iter, self.current_step)
        except ValueError as error:
            raise self.error(str(error)) from None

    def resume(self, iteration: int, current_step: int) -> None:
        """Go on from an iteration and a step of the learning rate policy."""
        self._iter, self.current_step = iteration, current_step

    def restore(self, path: Any) -> None:
        """Go on from a snapshot: load a .solverstate, or .solverstate.h5, and the weights that it names."""
        snapshot.restore(self, os.fsdecode(path))

    def snapshot(self) -> None:
        """Write the weights and the state to files named by snapshot_prefix and the iteration.

        RuntimeError after an iteration that failed halfway through its updates.
        """
        if self.torn:
            raise RuntimeError(
                f"{self._name}: no snapshot: iteration {self._iter + 1} failed halfway through its updates"
            )
        snapshot.save(self)

    def share_weights(self, net: Net) -> None:
        """Have a net use the train net's weights, in one memory. TypeError for what is no net."""
        if not isinstance(net, Net):
            raise TypeError(f"takes a net, got {net!r}")
        net.share_with(self.net)

    def reuse_memory(self) -> None:
        """Have the nets give memory back that no layer of theirs reads any more; see Net.reuse_memory.

        Where the rule can, large learned blobs are updated as soon as their gradient is complete; see early.py.
        """
        self.net.reuse_memory()
        for net in self.test_nets:
            net.reuse_memory(backward=False)
        if self._early is None and (large := large_blobs(self.net)):
            net = self.net
            self._groups = make_groups(net.learnable, net.lr_mults, net.decay_mults, self.history, large)
            self._early = EarlyUpdates(self, self._groups, large)

    def updates_early(self) -> bool:
        """True if the rule's ``learn`` does what its ``update`` would, and the gradients are not looked at before."""
        return False

    def learn(self, group: Group, rate: float, decay: float, left: torch.Tensor, right: torch.Tensor) -> None:
        """Do as ``update`` does with the gradient left^T right, which needs no memory, of a group of one blob."""
        raise NotImplementedError

    def add_callback(self, on_start: Any, on_gradient: Callable[[], Any] | None = None) -> None:
        """Call back in each iteration: before the first forward, and when the gradients are complete.

        on_start: a function, with on_gradient another one; or, alone, an object with both, such as a caffe.NCCL.
        """
        if on_gradient is None:
            if not hasattr(on_start, "on_gradients"):
                raise TypeError(f"takes two functions, or a caffe.NCCL, got {on_start!r}")
            self._hooks.checks.append(on_start.check)
            on_start, on_gradient = on_start.on_start, on_start.on_gradients
        self._hooks.on_start.append(on_start)
        self._hooks.on_gradients.append(on_gradient)

    def set_action_function(self, function: Callable[[], int]) -> None:
        """Ask this function for an Action after each iteration, and between the batches of a test."""
        self._hooks.action = function

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}: iteration {self._iter} of {self.param.max_iter}, {self.net!r}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise RuntimeError(
            f"{self._name}: a solver cannot be copied or pickled: solver.snapshot(), then restore(path) in a new one"
        )

    def error(self, message: str) -> ValueError:
        """Return a ValueError whose message starts with the solver's file."""
        return ValueError(f"{self._name}: {message}")

    def _refuse(self, problems: Iterable[str]) -> None:
        """Raise the first of the problems, if there is one."""
        for problem in problems:
            raise self.error(problem)

    # --- training ----------------------------------------------------------------------------------

    def solve(self, resume: Any = None) -> None:
        """Train up to max_iter, from a snapshot if one is given; then snapshot, and show the loss and a test.

        Of solvers that train together the first one does what comes after the training.
        """
        training.solve(self, self._hooks, resume)

    def step(self, iters: int) -> None:
        """Train for a number of iterations. TypeError for one that is no integer."""
        stop, smoothed = self._iter + operator.index(iters), report.SmoothedLoss(self.param.average_loss)
        training.train(self, self._hooks, stop, smoothed)

    def compute_gradients(self) -> Any:
        """Run the batches of an iteration and add up their gradients; return the mean loss, on a GPU a scalar there.

        Large learned blobs may have been updated then, see reuse_memory.
        """
        if self._early is None:
            return self._forward_backward()
        self._check_decay()  # before any update
        return self._early.run(self._forward_backward)

    def _forward_backward(self) -> Any:
        """Run iter_size batches and add up their gradients; return their mean loss, on a GPU a scalar there."""
        losses = []
        for _ in range(int(self.param.iter_size)):
            losses.append(self.net.forward_loss())
            self.net.backward_all()
        self.net.check_values()  # before anything is updated by them
        return sum(losses[1:], losses[0]) / len(losses) if losses[1:] else losses[0]

    def apply_update(self) -> None:
        """Update the weights by their gradients, and count the iteration.

        Afterwards the gradients' arrays hold what has been subtracted.
        """
        param = self.param
        before = self.current_step
        rate = self.lr
        if param.lr_policy == "multistep" and self.current_step != before:
            process.log_once(f"MultiStep Status: Iteration {self._iter}, step = {self.current_step}")
        if param.display and self._iter % param.display == 0:
            process.log_once(f"Iteration {self._iter}, lr = {rate:g}")
        self._check_decay()
        done: set[Group] = set() if self._early is None else self._early.finish()
        groups = [group for group in self._groups if group not in done]
        with arrays_in_step(self.net.learnable):
            for group in groups:
                group.load()
            if param.clip_gradients >= 0 and groups:
                self._clip(param.clip_gradients)
            for group in groups:
                if param.iter_size > 1:
                    foreach.mul_(group.diff, 1 / param.iter_size)
                self.update(group, rate * group.lr_mult, param.weight_decay * group.decay_mult)
        self._iter += 1

    def _check_decay(self) -> None:
        if self.param.weight_decay:
            self._refuse(solver_rules.decay_problems(self.param))

    def _clip(self, limit: float) -> None:
        norm, scale = clip([diff for group in self._groups for diff in group.diff], limit)
        if process.is_logged() and scale != 1:  # last what waits for a GPU, to be read
            process.log_once(
                f"Gradient clipping: scaling down gradients (L2 norm {norm:g} > {limit:g}) by scale factor {scale:g}"
            )
