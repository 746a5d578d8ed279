"""The base of losses on features and learned proxies, one for each class."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.embeddings.class_vectors import ClassVectorsLoss
from caffe_pylayers._layer.embeddings.cosines import unit_vectors, unit_vectors_backward

__all__ = ["ProxyLoss"]


class ProxyLoss(ClassVectorsLoss):
    """Features and labels to a loss (1,), by the cosines of the features with learned proxies, blob 0 (C, D).

    A subclass has these in place of forward and backward:

        def loss_of(self, cosines, labels, valid):    # return the loss
        def d_cosines(self, scale):                   # return scale times its gradient to the cosines
    """

    def loss_of(self, cosines: Any, labels: Any, valid: Any) -> Any:
        """Return the loss of cosines (N, C), labels (N, 1), int64, and None or (N, 1) with 0 for ignored samples."""
        raise NotImplementedError(f"{type(self).__name__}: loss_of is not defined")

    def d_cosines(self, scale: Any) -> Any:
        """Return scale times the gradient of the last loss with respect to the cosines, in new memory."""
        raise NotImplementedError(f"{type(self).__name__}: d_cosines is not defined")

    def loss(self, features: Any, labels: Any) -> Any:
        self._features, self._proxies = features, self.blobs[0].data
        self._units, self._lengths = unit_vectors(self.xp, features)
        self._directions, self._proxy_lengths = unit_vectors(self.xp, self._proxies)
        cosines = self._units @ self._directions.T
        index, valid = self.classes_of(labels)
        self._valid = None if valid is None else arrays.astype(valid[:, None], features)
        return self.loss_of(cosines, index[:, None], self._valid)

    def gradient(self, scale: Any, d_features: Any) -> None:
        d_cosines = self.d_cosines(scale)
        if self._valid is not None:
            d_cosines *= self._valid
        d_directions = d_cosines.T @ self._units
        self.blobs[0].diff[...] += unit_vectors_backward(self.xp, self._proxies, self._proxy_lengths, d_directions)
        if d_features is not None:
            d_units = d_cosines @ self._directions
            unit_vectors_backward(self.xp, self._features, self._lengths, d_units, out=d_features)
