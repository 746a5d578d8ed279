"""Caffe's phases: what a net is built for.

They stand here, below everything else, as layers may import nothing of the package but this room.
"""

TRAIN, TEST = 0, 1
PHASES = {"TRAIN": TRAIN, "TEST": TEST}
