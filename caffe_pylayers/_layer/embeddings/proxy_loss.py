"""The base of losses on features and learned proxies, one for each class."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.learned import Learned
from caffe_pylayers._layer.embeddings.cosines import unit_rows, unit_rows_backward
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss, rows_of

__all__ = ["ProxyLoss"]


class ProxyLoss(Learned, EmbeddingLoss):
    """Features and labels to a loss (1,), by the cosines of the features with learned proxies, blob 0 (C, D).

    A subclass has these in place of forward and backward:

        def loss_of(self, cosines, one_hot):    # (N, C); return the loss
        def d_cosines(self):                    # return its gradient with respect to the cosines
    """

    num_classes = Parameter(int, low=1, doc="C, the number of classes, and of proxies")

    def loss_of(self, cosines: Any, one_hot: Any) -> Any:
        """Return the loss for cosines (N, C) and booleans (N, C), True at the label's class."""
        raise NotImplementedError(f"{type(self).__name__}: loss_of is not defined")

    def d_cosines(self) -> Any:
        """Return the gradient of the last loss with respect to the cosines."""
        raise NotImplementedError(f"{type(self).__name__}: d_cosines is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        super().setup(bottom, top)
        checks.bottoms(self, bottom, "features", "labels")
        self.learn(self.num_classes, rows_of(self, "bottom[0] (features)", tuple(bottom[0].shape))[1])

    def plan(self, features: Any, labels: Any) -> Any:
        tops = super().plan(features, labels)
        self.check_learned(self._shape[1], "bottom[0] (features)")
        self._classes = arrays.arange_like(features, self.num_classes)
        return tops

    def loss(self, features: Any, labels: Any) -> Any:
        index, valid = checks.class_labels(self, labels, self._classes, self.ignore_label)
        one_hot = index[:, None] == self._classes[None, :]
        if valid is not None:
            one_hot &= valid[:, None]
        self._features, self._lengths = unit_rows(self.xp, features)
        self._proxies, self._proxy_lengths = unit_rows(self.xp, self.blobs[0].data)
        return self.loss_of(self._features @ self._proxies.T, one_hot)

    def gradient(self, scale: Any) -> Any:
        d_cosines = self.d_cosines() * scale
        d_proxies = d_cosines.T @ self._features
        self.blobs[0].diff[...] += unit_rows_backward(self._proxies, self._proxy_lengths, d_proxies)
        return unit_rows_backward(self._features, self._lengths, d_cosines @ self._proxies)
