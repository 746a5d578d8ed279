"""Blobs: values and gradients on their device, in the layout that was written last."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
