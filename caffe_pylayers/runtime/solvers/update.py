"""Groups of learned blobs that a solver updates at once, the decay and the clipping of their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.solvers import foreach

Tensors = list[torch.Tensor]


class Group:
    """Learned blobs that have one learning rate and one decay.

    After ``load``, a tensor for each blob, to be changed in place: in ``data``, in ``diff`` and in
    each list of the rule's ``history``; they belong to ``blobs`` and ``histories``.
    """

    def __init__(
        self, lr_mult: float, decay_mult: float, blobs: Sequence[Blob], histories: Sequence[Sequence[Blob]]
    ) -> None:
        self.lr_mult = lr_mult
        self.decay_mult = decay_mult
        self.data: Tensors = []
        self.diff: Tensors = []
        self.history: list[Tensors] = []
        self.blobs = blobs
        self.histories = histories
        self._scratch: dict[tuple[int, torch.device], Tensors] = {}

    def load(self) -> None:
        """Take the blobs' tensors, each in the layout that its gradient has been computed in."""
        layouts = [blob.diff_layout for blob in self.blobs]
        self.data = [blob.update(layout) for blob, layout in zip(self.blobs, layouts)]
        self.diff = [blob.update_diff(layout) for blob, layout in zip(self.blobs, layouts)]
        self.history = [[blob.update(layout) for blob, layout in zip(history, layouts)] for history in self.histories]

    def give_back_diffs(self) -> None:
        """After an update whose result the gradients have only once they are looked at, give back their memory."""
        self.diff = []
        for blob in self.blobs:
            blob.give_back_deferred_diff()

    def scratch(self, number: int = 0) -> Tensors:
        """Tensors to use within a step: what they hold is undefined."""
        key = (number, self.diff[0].device)
        if key not in self._scratch:
            self._scratch[key] = [torch.empty_like(diff) for diff in self.diff]
        return self._scratch[key]

    def regularize(self, kind: str, decay: float) -> None:
        """Add the gradient of the decay: decay * w for L2, decay * sign(w) for L1."""
        if kind == "L2":
            foreach.add_(self.diff, self.data, alpha=decay)
        else:
            sign = self.scratch()
            foreach.copy_(sign, self.data)
            foreach.sign_(sign)
            foreach.add_(self.diff, sign, alpha=decay)


def make_groups(
    blobs: Sequence[Blob],
    lr_mults: Sequence[float],
    decay_mults: Sequence[float],
    history: Sequence[Blob],
    alone: Sequence[int] = (),
) -> list[Group]:
    """Return the groups of a net's learned blobs. history: a blob for each of them, then the next for each.

    alone: the blobs that get a group of their own.
    """
    members: dict[tuple[float, float, int | None], list[int]] = {}
    for i, rates in enumerate(zip(lr_mults, decay_mults)):
        members.setdefault((*rates, i if i in alone else None), []).append(i)
    starts = range(0, len(history), max(len(blobs), 1))
    return [
        Group(*rates[:2], [blobs[i] for i in found], [[history[start + i] for i in found] for start in starts])
        for rates, found in members.items()
    ]


def clip(diffs: Tensors, limit: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale the gradients down to the L2 norm ``limit`` where theirs, of all together, is larger.

    Returns their norm and the factor that they were multiplied by, scalars where the gradients are.
    """
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(diff) for diff in diffs]))
    scale = torch.where(norm > limit, limit / norm, 1.0)
    if scale.device != device.HOST or scale != 1:  # on a GPU the host does not know, and would wait to learn it
        foreach.mul_(diffs, scale)
    return norm, scale
