"""Data layers whose items have a class: sampled by it where that is asked for."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.phases import TRAIN


class LabelledData(PrefetchedData):
    """A data layer whose items have a class each.

    A subclass defines ``classes()``, the class of each item, beside what a PrefetchedData defines.
    """

    sampling = Parameter(
        str,
        "items",
        choices=("items", "balanced", "classes"),
        doc="TRAIN: which items come: each as often; those of each class as often; or batches of "
        "batch_size / samples_per_class classes with so many items each (P x K)",
    )
    samples_per_class = Parameter(int, 4, low=1, doc="K, with sampling classes")

    def classes(self) -> Any:
        """Return the class of each item, integers."""
        raise NotImplementedError(f"{type(self).__name__}: classes is not defined")

    def sampler(self) -> samplers.Sampler:
        if self.phase != TRAIN or self.sampling == "items":
            return super().sampler()
        if self.sampling == "balanced":
            return samplers.ClassBalanced(self.classes(), self.item_seed)
        count, rest = divmod(self.batch_size, self.samples_per_class)
        if rest or not count:
            raise checks.error(
                self,
                f"batch_size must be a multiple of samples_per_class, {self.samples_per_class}, got {self.batch_size}",
            )
        labels = self.classes()
        try:
            return samplers.ClassesTimesSamples(labels, count, self.samples_per_class, self.item_seed)
        except ValueError as error:
            raise checks.error(self, str(error)) from None
