"""The base of classifiers whose scores come from angles between features and learned class vectors."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.embeddings.class_vectors import ClassVectors
from caffe_pylayers._layer.embeddings.cosines import unit_vectors, unit_vectors_backward
from caffe_pylayers._layer.embeddings.rows import check_rows

__all__ = ["CosineHead", "MarginHead"]


class MarginHead(ClassVectors):
    """Features, and labels where a margin is wanted, to scores (N, C), by the learned blob 0, (C, D).

    A subclass says what becomes of the labels' cosines, (N, 1):

        def margin_forward(self, cosines, units, vectors):    # both of length 1, (N, D): of the labels; return values
        def margin_backward(self, d_values):                  # return d_cosines
    """

    ignore_label = Parameter(int, None, doc="samples with this label get no margin")

    def margin_forward(self, cosines: Any, units: Any, vectors: Any) -> Any:
        """Return the labels' values in place of their cosines."""
        raise NotImplementedError(f"{type(self).__name__}: margin_forward is not defined")

    def margin_backward(self, d_values: Any) -> Any:
        """Return the gradient of the labels' cosines."""
        raise NotImplementedError(f"{type(self).__name__}: margin_backward is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.bottoms(self, bottom, "features", "labels", optional=1)
        super().setup(bottom, top)

    def plan(self, features: Any, labels: Any = None) -> Any:
        self._shape = check_rows(self, features, labels)
        self.plan_classes(features, self._shape[1])
        return [(self._shape[0], self.num_classes), (1,)]

    def cosines_forward(self, bottom: Any, cosines: Any) -> None:
        """Write the cosines (N, C), in place of the labels' what margin_forward makes of them."""
        self._units, self._lengths = unit_vectors(self.xp, bottom[0].data.reshape(self._shape))
        self._vectors, self._vector_lengths = unit_vectors(self.xp, self.blobs[0].data)
        self.xp.matmul(self._units, self._vectors.T, out=cosines)
        self._labels = None
        if len(bottom) > 1:
            labels, self._valid = self.classes_of(bottom[1].data)
            self._labels = labels[:, None]
            of_labels = arrays.take_along(cosines, self._labels, 1).clip(-1, 1)
            values = self.margin_forward(of_labels, self._units, self._vectors[labels])
            arrays.put_along(cosines, self._labels, self._where_valid(values, of_labels), 1)

    def cosines_backward(self, d_values: Any) -> Any:
        """Return d_cosines, (N, C), in the memory of d_values, the gradient of what cosines_forward wrote."""
        if self._labels is not None:
            of_labels = arrays.take_along(d_values, self._labels, 1)
            d_labels = self._where_valid(self.margin_backward(of_labels), of_labels)
            arrays.put_along(d_values, self._labels, d_labels, 1)
        return d_values

    def add_to_vectors(self, d_vectors: Any) -> None:
        """Add to the class vectors' diff what follows from the gradient of their directions."""
        of = self.blobs[0]
        of.diff[...] += unit_vectors_backward(self.xp, of.data, self._vector_lengths, d_vectors)

    def _where_valid(self, values: Any, otherwise: Any) -> Any:
        return values if self._valid is None else self.xp.where(self._valid[:, None], values, otherwise)


class CosineHead(MarginHead):
    """Scores scale * cos(x, w_c), of the label scale * margin(cos(x, w_y))."""

    scale = Parameter(float, 64.0, above=0, doc="s, of the cosines")

    def setup(self, bottom: Any, top: Any) -> None:
        super().setup(bottom, top)
        checks.tops(self, top, "scores")

    def forward(self, bottom: Any, top: Any) -> None:
        scores = top[0].data
        self.cosines_forward(bottom, scores)
        scores *= self.scale

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        d_cosines = self.cosines_backward(top[0].diff * self.scale)
        self.add_to_vectors(d_cosines.T @ self._units)
        if propagate_down[0]:
            x, d_x = (array.reshape(self._shape) for array in (bottom[0].data, bottom[0].diff))
            unit_vectors_backward(self.xp, x, self._lengths, d_cosines @ self._vectors, out=d_x)
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
