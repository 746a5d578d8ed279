"""What a Python layer is made of: its base class, parameters, checks, and arrays of numpy or torch.

``from caffe_pylayers import Layer, Parameter`` gives a layer of your own the two it needs.
"""

from __future__ import annotations

from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.parameter import Parameter

__all__ = ["Layer", "Parameter"]
