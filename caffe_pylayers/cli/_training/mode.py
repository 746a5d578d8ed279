"""CPU or GPU: chosen, checked, and entered."""

from __future__ import annotations

from typing import Any, Sequence

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._device import gpu_problem


def choose_mode(param: Any, gpus: Sequence[int], cpu: bool, local_rank: int | None) -> None:
    """Write the mode to run in into a SolverParameter: the one asked for, the file's own, or CPU.

    A solver_mode that is not given is CPU here as in the caffe program, though the message's
    default is GPU.

    gpus: one for each process on this machine, where they are asked for. local_rank: the place of this one among
        them, whose GPU has that number where none are asked for; None where it trains alone.
    """
    if gpus:
        param.solver_mode, param.device_id = param.GPU, gpus[local_rank or 0]
    elif cpu or not param.HasField("solver_mode"):
        param.solver_mode = param.CPU
    elif local_rank is not None:
        param.device_id = local_rank


def check_mode(param: Any, asked_by: str) -> None:
    """UserError where the engine cannot run in the chosen mode.

    asked_by: what chose it, for the message.
    """
    problem = "" if param.solver_mode == param.CPU else gpu_problem(param.device_id)
    if problem:
        raise UserError(f"{asked_by}: {problem}; --cpu trains on the CPU")


def enter_mode(param: Any) -> None:
    """Set the engine's mode."""
    caffe = _engine.caffe()
    if param.solver_mode == param.CPU:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(param.device_id)
        caffe.set_mode_gpu()
