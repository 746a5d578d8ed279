"""``caffe.NCCL``, as a Caffe without NCCL has it."""

from __future__ import annotations

from typing import Any, NoReturn

WITHOUT = "this caffe has no NCCL: caffe.has_nccl() is False; train on one GPU, set_device(0)"


def has_nccl() -> bool:
    """Return False: several GPUs do not train together through NCCL's pycaffe interface."""
    return False


class NCCL:
    """Trains with several GPUs, in a Caffe that has NCCL. RuntimeError here; ask has_nccl() first."""

    def __init__(self, solver: Any, uid: Any) -> None:
        raise RuntimeError(WITHOUT)

    @staticmethod
    def new_uid() -> NoReturn:
        """Raise RuntimeError, as the constructor does."""
        raise RuntimeError(WITHOUT)
