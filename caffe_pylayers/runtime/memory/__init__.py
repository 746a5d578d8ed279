"""Blobs: values and gradients on their device, in the layout that was written last. memory.py says who owns what."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
