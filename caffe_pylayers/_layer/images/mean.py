"""The mean that data layers of images subtract."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter


class MeanSubtracted(Layer):
    """A data layer with a mean; a subclass declares mean_file, which says what becomes of a mean image."""

    mean = Parameter([float], (), doc="subtracted from values in 0 .. 255: one, or one for each channel")

    mean_file: Any

    def read_mean_file(self) -> Any:
        """Return the values (channels, ...) of mean_file, None without one; ValueError for both it and mean."""
        if self.mean_file is None:
            return None
        if self.mean:
            raise checks.error(self, "takes the parameter mean or mean_file, not both")
        return self._values_in(self.mean_file)

    def _values_in(self, path: str) -> Any:
        """Return the values of a mean, (channels, ...)."""
        try:
            if not path.endswith(".binaryproto"):
                return np.load(path)
            import caffe

            with open(path, "rb") as file:
                blob = caffe.proto.caffe_pb2.BlobProto.FromString(file.read())
            shape = (blob.channels, blob.height, blob.width) if blob.height else tuple(blob.shape.dim)[-3:]
            return np.array(blob.data).reshape(shape)
        except Exception as error:  # protobuf's and pickle's own, too
            form = "binaryproto of an image" if path.endswith(".binaryproto") else "array of numpy.save"
            reason = getattr(error, "strerror", None) or f"is no {form}, or not a whole one"
            raise checks.error(self, f"parameter mean_file: {path}: {reason}") from error
