"""A layer's phase as older forks give it: a number that says its name, for code such as cfg[str(self.phase)]."""

from __future__ import annotations

import enum


class NamedPhase(enum.IntEnum):
    """Equal to caffe.TRAIN or caffe.TEST."""

    TRAIN = 0
    TEST = 1

    def __str__(self) -> str:
        return self.name
