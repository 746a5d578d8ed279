"""A net of one Python layer, on the caffe that is there."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Sequence

from caffe_pylayers import _engine


def layer_net(
    layer: type | str,
    bottom_shapes: Sequence[Sequence[int]],
    *,
    param_str: str = "",
    tops: int = 1,
    phase: int = 0,
    loss_weight: float | None = None,
) -> Any:
    """Return a ``caffe.Net`` of Input layers and one Python layer, every gradient asked for.

    layer: the class, or "module.Class".
    bottom_shapes: one shape for each bottom; the blobs are named bottom0, bottom1, ...
    tops: number of tops, named top0, top1, ...
    phase: caffe.TRAIN or caffe.TEST.
    loss_weight: of the first top.
    """
    caffe, messages = _engine.caffe(), _engine.messages()
    module, name = layer.rsplit(".", 1) if isinstance(layer, str) else (layer.__module__, layer.__name__)
    net = messages.NetParameter(name=name, force_backward=True)
    for i, shape in enumerate(bottom_shapes):
        data = net.layer.add(name=f"bottom{i}", type="Input", top=[f"bottom{i}"])
        data.input_param.shape.add(dim=shape)
    python = net.layer.add(name="layer", type="Python")
    python.bottom.extend(f"bottom{i}" for i in range(len(bottom_shapes)))
    python.top.extend(f"top{i}" for i in range(tops))
    python.python_param.module, python.python_param.layer = module, name
    python.python_param.param_str = param_str
    if loss_weight is not None:
        python.loss_weight.extend([loss_weight] + [0] * (tops - 1))
    handle, path = tempfile.mkstemp(suffix=".prototxt")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(str(net))
        return caffe.Net(path, phase)
    finally:
        os.remove(path)
