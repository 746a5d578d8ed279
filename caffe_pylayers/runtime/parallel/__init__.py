"""Several processes that train one net together, on torch.distributed."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
