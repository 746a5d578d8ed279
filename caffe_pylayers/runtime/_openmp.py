"""Loads PyTorch with threads that soon sleep when there is nothing for them to do.

libgomp's threads wait for the next piece of work in a loop, for about a millisecond unless its environment
variables say otherwise. Where other processes want the cores too, the loop takes them from the thread that all
wait for: on a busy machine an iteration of LeNet lasted 60 times as long as alone, with fewer turns 12 times.
Alone that costs 2 or 3 in 100.
"""

import os

TURNS = "20000"  # some 50 us: mostly longer than from one kernel to the next
CHOICES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # of the user's, which stand

_chosen = any(name in os.environ for name in CHOICES)
if not _chosen:
    os.environ["GOMP_SPINCOUNT"] = TURNS
try:
    import torch  # noqa: F401 - libgomp reads its variables when it is loaded
finally:
    if not _chosen:
        del os.environ["GOMP_SPINCOUNT"]
