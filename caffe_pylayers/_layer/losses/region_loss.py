"""The base of losses that compare each class's region, over an image or over the batch."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.class_probabilities import ProbabilityLoss
from caffe_pylayers._layer.losses.class_table import class_table

__all__ = ["ClassMean", "RegionLoss"]


class RegionLoss(ProbabilityLoss):
    """A loss of each class's predicted and true region.

    After ``plan_regions`` the classes' factors are in ``_v``, on the host where the blobs are there.
    """

    per_image = Parameter(bool, True, doc="the mean of the images' losses; false: one loss of the batch as a whole")
    class_weights = Parameter([float], (), low=0, doc="v_c, a factor for each class: C of them; default: 1")
    exclude = Parameter([int], (), low=0, doc="classes with v_c = 0; the background: [0]")
    ignore_label = Parameter(int, None, doc="targets of this value do not count")

    def plan_regions(self, predictions: Any, least: int = 1, hint: str = "") -> None:
        """Take bottom[0] (N, C, ...), with so many classes at least, and the factors v (C,) of its classes."""
        self.plan_predictions(predictions, least, hint)
        classes = predictions.shape[1]
        factors = self.class_weights or (1.0,) * classes
        v = class_table(self, factors, "class_weights", predictions, 1, "bottom[0] (predictions)")
        for c in self.exclude:
            if c >= classes:
                raise checks.error(self, f"parameter exclude names class {c}, which is outside [0, {classes})")
            v[c] = 0
        self._v = arrays.host_view(v)


class ClassMean(RegionLoss):
    """A loss of regions that is a mean over classes."""

    classes = Parameter(
        str,
        "all",
        choices=("all", "present"),
        doc="present: the mean over the classes that the targets have, in the image or the batch",
    )

    def class_shares(self, counts: Any) -> Any:
        """Return each class's factor in the mean (G, C): v over the sum of v.

        counts: how much of each class there is (G, C), a host view.
        """
        v = self._v * ((counts > 0) | (self.classes == "all"))
        total = v.sum(1)[:, None]
        return v / (total + (total == 0))
