"""pycaffe's list of blobs."""

from __future__ import annotations

from caffe_pylayers.runtime.memory.blob import Blob


class BlobVec(list[Blob]):
    """The learned blobs of a layer: ``layer.blobs`` and the values of ``net.params``."""

    def add_blob(self, *dims: int) -> None:
        """Add a blob of this shape, zero at first."""
        self.append(Blob(dims))
