"""Load PyTorch, before anything else does, with OpenMP's threads set up to share the machine and to survive a fork.

libgomp's threads wait for the next piece of work in a loop, for about a millisecond unless its environment
variables say otherwise. Where other processes want the cores too, the loop takes them from the thread that all
wait for: on a busy machine an iteration of LeNet lasted 60 times as long as alone, with fewer turns 12 times.
Alone that costs 2 or 3 in 100.

A forked process inherits none of these threads, but libgomp's belief that they are there, and would wait for them
for ever. So the child of a process that has made a net computes with one thread, which libgomp does not ask for.

PyTorch's own log stays away: it shows the insides of torch.distributed where another process ends.
"""

import os

__all__ = ["settings", "torch"]

TURNS = "20000"  # some 50 us: mostly longer than from one kernel to the next
# Read when PyTorch and libgomp are loaded; each gives way to the user's choice, by the variables behind it.
_SETTINGS = {
    "GOMP_SPINCOUNT": (TURNS, ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")),
    "TORCH_CPP_LOG_LEVEL": ("FATAL", ("TORCH_CPP_LOG_LEVEL",)),  # what fails in its code raises, and is said once
}


def settings() -> dict[str, str]:
    """Return the variables that have to be there as PyTorch is loaded, but for those that the user has chosen."""
    return {name: value for name, (value, choices) in _SETTINGS.items() if not any(map(os.environ.get, choices))}


_ours = settings()
os.environ.update(_ours)
try:
    import torch
finally:
    for _name in _ours:
        del os.environ[_name]

_started = False


def threads_start() -> None:
    """Say that from now on kernels run in this process, and with them their threads."""
    global _started
    _started = True


def _after_fork() -> None:
    if _started:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
