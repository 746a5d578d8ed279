"""What a launcher such as torchrun says of this process, in variables; known before an engine is loaded."""

from __future__ import annotations

import os

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun's


def started() -> int:
    """Return how many processes a launcher such as torchrun started for this training; 1 where none did.

    UserError for variables that say nothing of the kind: of processes of which each knows its rank alone, each would
    train for itself.
    """
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        given = [name for name in ("RANK", "WORLD_SIZE") if name not in missing]
        if given:
            raise UserError(
                f"the environment has {' and '.join(given)}, as of a launcher's process, but no "
                f"{' and no '.join(missing)}: set all of them, or none"
            )
        return 1
    rank, count, port = map(_number, ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if not 0 < port < 2**16:
        raise UserError(f"MASTER_PORT={port} is not a port, from 1 to {2**16 - 1}")
    if rank >= count:
        raise UserError(f"RANK={rank} is not below WORLD_SIZE={count}")
    return count


def _number(variable: str) -> int:
    text = os.environ[variable]
    if not (text.isascii() and text.isdigit()):
        raise UserError(f"{variable}={text} is not a number")
    return int(text)


def leads() -> bool:
    """Return True in the process that leads, which speaks for all."""
    return started() == 1 or int(os.environ["RANK"]) == 0


def local_rank() -> int:
    """Return the number of this process among those on its machine."""
    return int(os.environ.get("LOCAL_RANK", os.environ["RANK"])) if started() > 1 else 0


def local_count() -> int:
    """Return the number of processes on its machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", started())) if started() > 1 else 1


def speaks_here() -> bool:
    """Return True in the process that speaks of what is wrong with its machine, or with the options for it."""
    return local_rank() == 0


def refuse_caffe() -> None:
    """UserError, which the process that leads prints, where the engine is a real Caffe; loads the engine."""
    if not _engine.on_runtime():
        error = UserError("several processes train together on the runtime alone: --engine runtime")
        error.told = not leads()
        raise error
