"""The log of a net with ``debug_info``, in Caffe's words: the mean absolute value of each blob as it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory.blob import Blob


def forward_lines(step: Any, names: Sequence[str]) -> Iterator[str]:
    """Give a line for each top and each learned blob of a Step that has run forward. names: of the net's blobs."""
    start = f"    [Forward] Layer {step.layer.name}, "
    for blob, i in zip(step.top, step.top_ids):
        yield f"{start}top blob {names[i]} data: {_mean(blob.read()):g}"
    for i, blob in enumerate(step.layer.blobs):
        yield f"{start}param blob {_name(step.layer, i)} data: {_mean(blob.read()):g}"


def backward_lines(step: Any, names: Sequence[str]) -> Iterator[str]:
    """Give a line for each gradient that a Step was asked for, after its backward. names: of the net's blobs."""
    start = f"    [Backward] Layer {step.layer.name}, "
    for blob, i, asked in zip(step.bottom, step.bottom_ids, step.propagate_down):
        if asked:
            yield f"{start}bottom blob {names[i]} diff: {_mean(blob.read_diff()):g}"
    for i, (blob, asked) in enumerate(zip(step.layer.blobs, step.layer.param_propagate_down)):
        if asked:
            yield f"{start}param blob {i} diff: {_mean(blob.read_diff()):g}"


def norms(blobs: Sequence[Blob]) -> str:
    """Return the line after a whole backward: L1 and L2 norms of all learned values, and of all their gradients."""
    data, diff = [blob.read() for blob in blobs], [blob.read_diff() for blob in blobs]
    (l1_data, l1_diff), (l2_data, l2_diff) = ([_norm(data, p), _norm(diff, p)] for p in (1, 2))
    return (
        f"    [Backward] All net params (data, diff): L1 norm = ({l1_data:g}, {l1_diff:g}); "
        f"L2 norm = ({l2_data:g}, {l2_diff:g})"
    )


def _name(layer: Any, i: int) -> str:
    """Return a learned blob's ``param`` name, or else its number."""
    specs = layer.layer_param.param
    return (specs[i].name if i < len(specs) else "") or str(i)


def _mean(values: torch.Tensor) -> float:
    return values.abs().mean().item()


def _norm(tensors: list[torch.Tensor], p: int) -> float:
    return torch.stack([tensor.norm(p) for tensor in tensors]).norm(p).item() if tensors else 0.0
