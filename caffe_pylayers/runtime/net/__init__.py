"""The net: its graph of layers and blobs, their fusion, forward and backward."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
