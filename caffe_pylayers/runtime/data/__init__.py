"""The inputs of data layers: databases, images, and threads that read ahead."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
