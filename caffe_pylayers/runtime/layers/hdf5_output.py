"""HDF5Output."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from caffe_pylayers._disk import hdf5
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob


@register("HDF5Output")
class HDF5Output(Layer):
    """Write the bottoms as the datasets "data" and "label" of the HDF5 file ``file_name``, as Caffe's HDF5Output.

    Bottom: [0] data and [1] labels (N, ...), of up to four axes. The datasets are float32 of four axes, with 1 for
    those missing. The first forward writes the file, which is whole then, in Caffe when the net is gone; another
    forward raises LayerError, and ends the process in Caffe.
    """

    bottoms = 2
    tops = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._path = self.layer_param.hdf5_output_param.file_name
        folder = os.path.dirname(self._path) or "."
        self.check(bool(self._path), "hdf5_output_param needs a file_name")
        self.check("\0" not in self._path, f"hdf5_output_param.file_name {quoted(self._path)} is no name of a file")
        self.check(os.access(folder, os.W_OK), f"{self._path}: cannot write to the folder {folder}")
        self._written = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shapes = [blob.shape for blob in bottom]
        self.check(all(len(shape) <= 4 for shape in shapes), f"takes bottoms of up to 4 axes, got shapes {shapes}")
        sizes = [blob.num for blob in bottom]
        self.check(sizes[0] == sizes[1], f"takes as many labels as data, got {sizes[1]} and {sizes[0]}")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(not self._written, f"{self._path} has been written: takes one forward for a file")
        try:
            with hdf5.writing(self._path) as file:
                for name, blob in zip(("data", "label"), bottom):
                    shape = blob.shape + (1,) * (4 - len(blob.shape))
                    file.create_dataset(name, data=np.asarray(blob.read().cpu()).reshape(shape))
        except OSError as error:
            raise self.error(f"{self._path} cannot be written: {error}") from error
        self._written = True

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing."""
