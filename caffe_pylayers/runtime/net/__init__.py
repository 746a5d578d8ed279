"""The net: its graph, what is computed together, and its run."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
