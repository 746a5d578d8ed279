"""Layers as published ones have them: a loop over samples, ROIs or positions. What `library.py` compares ours with.

They are right: they take the loss weight, and their gradients are forward's.
"""

from loops.boxes import IoU, ROIAligned, ROIPool, Suppress
from loops.embeddings import ArcFace, BatchHardTriplet, LabelContrastive, LiftedStructure, Normalize, NPair
from loops.losses import L1, SSIM, Dice, LovaszSoftmax, ScaleInvariant, SigmoidFocal, SmoothL1, SoftmaxMaps, SoftmaxOHEM
from loops.maps import GELU, GroupNorm, MeanIoU, Resize

__all__ = [
    "GELU",
    "L1",
    "SSIM",
    "ArcFace",
    "BatchHardTriplet",
    "Dice",
    "GroupNorm",
    "IoU",
    "LabelContrastive",
    "LiftedStructure",
    "LovaszSoftmax",
    "MeanIoU",
    "NPair",
    "Normalize",
    "ROIAligned",
    "ROIPool",
    "Resize",
    "ScaleInvariant",
    "SigmoidFocal",
    "SmoothL1",
    "SoftmaxMaps",
    "SoftmaxOHEM",
    "Suppress",
]
