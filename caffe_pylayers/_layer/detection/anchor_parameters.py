"""What the layers with anchors share: how these are made, and where a map has them."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection.anchor_boxes import exact_anchors, generate_anchors, shifted
from caffe_pylayers._layer.detection.boxes import plus_one_parameter


class AnchorParameters(NoGradient):
    """A layer whose param_str says what its anchors are."""

    feat_stride = Parameter(float, 16.0, above=0, doc="pixels of the image from one cell of the map to the next")
    scales = Parameter([float], (8.0, 16.0, 32.0), above=0, length=(1, None), doc="size of anchors over base_size")
    ratios = Parameter([float], (0.5, 1.0, 2.0), above=0, length=(1, None), doc="height over width of anchors")
    base_size = Parameter(float, 16.0, above=0, doc="size of the anchor of scale 1 and ratio 1, in pixels")
    offset = Parameter(float, 0.0, doc="added to the cells' rows and columns, in cells")
    legacy_plus_one = plus_one_parameter()

    @property
    def anchors_per_cell(self) -> int:
        """Return A, the number of anchors at a cell."""
        return len(self.scales) * len(self.ratios)

    def anchors_at(self, height: int, width: int) -> Any:
        """Return the anchors of a map, (H W A, 4), float64."""
        make = generate_anchors if self.legacy_plus_one else exact_anchors
        base = make(self.base_size, self.ratios, self.scales)
        return shifted(base, height, width, self.feat_stride, self.offset)

    def map_size(self, what: str, features: Any) -> tuple[int, int]:
        """Return the height and width of a blob (N, C, H, W)."""
        shape = tuple(features.shape)
        if len(shape) != 4:
            raise checks.error(self, f"{what} must be a map (N, C, H, W), got {shape}")
        return int(shape[2]), int(shape[3])
