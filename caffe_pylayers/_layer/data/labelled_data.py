"""Data layers whose items have a class: sampled by it where that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.phases import TRAIN


class LabelledData(PrefetchedData):
    """A data layer whose items have a class each.

    A subclass defines ``class_values()``, the class of each item, beside what a PrefetchedData defines.
    """

    sampling = Parameter(
        str,
        "items",
        choices=("items", "balanced", "classes"),
        doc="TRAIN: which items come: each as often; those of each class as often; or batches of "
        "batch_size / samples_per_class classes with so many items each (P x K)",
    )
    samples_per_class = Parameter(int, 4, low=1, doc="K, with sampling classes")

    def class_values(self) -> Any:
        """Return the class of each item, (items,), numbers."""
        raise NotImplementedError(f"{type(self).__name__}: class_values is not defined")

    def classes(self) -> Any:
        """Return the class of each item as integers; ValueError for what is none."""
        values = self.class_values()
        classes = arrays.to_int64(values)
        wrong = np.flatnonzero(classes != values)
        if len(wrong):
            name, value = self.name_of(int(wrong[0])), values[wrong[0]]
            raise checks.error(self, f"{name}: sampling by class needs labels that are integers, got {value:g}")
        return classes

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
