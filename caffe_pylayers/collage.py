"""Scenes made of small pictures, with the label maps, boxes and label sets that belong to them.

    layer {
      name: "scenes"  type: "Python"
      bottom: "digit"  bottom: "label"  top: "data"  top: "label_map"
      python_param { module: "caffe_pylayers.collage"  layer: "Collage"  param_str: "{patches: 4, size: [64, 64]}" }
    }

A net that learns to segment, to detect or to tell what is there can so be tried on any data of labelled pictures.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter

__all__ = ["Collage", "collage_forward", "patch_boxes"]


def collage_forward(patches, labels, corners, threshold, canvases, maps):
    """Paste patches on canvases, a later one over an earlier one where it is above the threshold.

    patches: (N, K, C, h, w), K for each canvas. labels: (N, K), to be written into the maps.
    corners: (N, K, 2) integers, the row and column of each patch's first pixel.
    canvases: (N, C, H, W), and maps: (N, 1, H, W), both with their backgrounds: receive patches and labels.
    """
    height, width = patches.shape[3:]
    for n, k in np.ndindex(*labels.shape):
        row, column = corners[n, k]
        window = np.s_[:, row : row + height, column : column + width]
        shown = (patches[n, k] > threshold).any(0)
        canvases[n][window] = np.where(shown, patches[n, k], canvases[n][window])
        maps[n][window][:, shown] = labels[n, k]


def patch_boxes(patches, corners, threshold):
    """Return (N, K, 4), x1 y1 x2 y2 of the first and last pixels above the threshold; a patch without any: its corner.

    patches, corners: as collage_forward takes them.
    """
    shown = (patches > threshold).any(2)
    boxes = np.empty((*corners.shape[:2], 4))
    for i, extent in ((1, shown.any(3)), (0, shown.any(2))):  # rows, then columns
        found = extent.any(-1)
        start = corners[..., 1 - i]
        boxes[..., i] = start + np.where(found, extent.argmax(-1), 0)
        last = extent.shape[-1] - 1 - extent[..., ::-1].argmax(-1)
        boxes[..., i + 2] = start + np.where(found, last, 0)
    return boxes


class Collage(NoGradient):
    """Pictures pasted at random places of canvases.

    canvas n holds the patches n K .. n K + K - 1, each at a place drawn uniformly, a later one over an earlier one.

    Bottom:
        [0] patches (N K, C, h, w)
        [1] labels (N K,) or (N K, 1, 1, 1), integers from 0 on
    Top:
        [0] canvases (N, C, H, W): the background, and of each patch the pixels above the threshold in any channel
        [1] label maps (N, 1, H, W), optional: label + 1 where a patch is seen, 0 on the background
        [2] boxes (N, K, 5), optional: x1, y1, x2, y2 of the patch's first and last pixels above the threshold, also
            where another covers it, and label + 1
        [3] label sets (N, num_classes), optional: 1 for the labels on the canvas, 0 for the others
    Backward:
        Zeros.
    Raises:
        ValueError for a number of patches that K does not divide, for patches larger than the canvas, and for a label
        that is no integer in [0, num_classes).
    References:
        Pasting for training: Dwibedi et al., "Cut, Paste and Learn", 2017, arXiv:1708.01642.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> patches = [[[[5, 5]]], [[[7, 0]]]]
        >>> options = '{"patches": 2, "size": [1, 4], "seed": 1}'
        >>> scene, label_map = LayerRun(Collage, [patches, [0, 3]], tops=2, param_str=options).forward()
        >>> scene[0, 0], label_map[0, 0]
        (array([[0., 7., 5., 0.]]), array([[0., 4., 1., 0.]]))
    """

    patches = Parameter(int, low=1, doc="K, the patches on each canvas")
    size = Parameter((int, int), low=1, doc="height and width of a canvas, in pixels")
    fill_value = Parameter(float, 0.0, doc="value of a canvas without patches")
    threshold = Parameter(float, 0.0, doc="a pixel of a patch that is not above it is transparent")
    num_classes = Parameter(int, 10, low=1, doc="labels lie below it")
    seed = seed_parameter()

    def setup(self, bottom, top):
        self._draws = Draws(self.seed)
        checks.tops(self, top, "canvases", "label maps", "boxes", "label sets", optional=3)

    def plan(self, patches, labels):
        if patches.ndim != 4 or len(patches) % self.patches or labels.size != len(patches):
            raise checks.error(
                self,
                f"bottom[0] (patches) must have shape (N * {self.patches}, C, h, w), and bottom[1] one label for each, "
                f"got {tuple(patches.shape)} and {tuple(labels.shape)}",
            )
        self._places = [whole - part + 1 for whole, part in zip(self.size, patches.shape[2:])]
        if 0 in patches.shape[2:]:
            raise checks.error(self, f"bottom[0] (patches) must have pixels, got shape {tuple(patches.shape)}")
        if min(self._places) < 1:
            raise checks.error(self, f"patches of {patches.shape[2:]} pixels are larger than a canvas of {self.size}")
        count = len(patches) // self.patches
        return [
            (count, patches.shape[1], *self.size),
            (count, 1, *self.size),
            (count, self.patches, 5),
            (count, self.num_classes),
        ]

    def forward(self, bottom, top):
        labels, _ = checks.class_labels(self, bottom[1].data, self.num_classes)
        canvases = top[0].data
        labels = labels.reshape(len(canvases), self.patches)
        patches = bottom[0].data.reshape(len(canvases), self.patches, *bottom[0].data.shape[1:])
        corners = np.stack([self._draws.host.integers(0, places, labels.shape) for places in self._places], -1)
        maps = top[1].data if len(top) > 1 else np.empty((len(canvases), 1, *self.size))
        arrays.fill(canvases, self.fill_value)
        arrays.fill(maps, 0)
        collage_forward(patches, labels + 1, corners, self.threshold, canvases, maps)
        if len(top) > 2:
            top[2].data[..., :4] = patch_boxes(patches, corners, self.threshold)
            top[2].data[..., 4] = labels + 1
        if len(top) > 3:
            arrays.fill(top[3].data, 0)
            np.put_along_axis(top[3].data, labels, 1, 1)
