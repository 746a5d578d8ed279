"""``caffe.NCCL``, as a Caffe without NCCL has it."""

from __future__ import annotations

from typing import Any


def has_nccl() -> bool:
    """Whether several GPUs can train together through NCCL."""
    return False


class NCCL:
    """Trains with several GPUs. RuntimeError, as there is no NCCL here; ask has_nccl() first."""

    def __init__(self, solver: Any, uid: Any) -> None:
        raise RuntimeError("this caffe has no NCCL: caffe.has_nccl() is False")
