"""The caffe this process runs on."""

from __future__ import annotations

from typing import Any


class EngineError(RuntimeError):
    """No usable caffe; the message says what to do."""


def caffe() -> Any:
    """The ``caffe`` module; EngineError where there is none with Python layers."""
    try:
        import caffe
    except ModuleNotFoundError as error:
        if error.name != "caffe":
            raise
        raise EngineError(
            "no caffe can be imported; `scripts/install_caffe.sh` puts a real one into a folder, "
            "or set PYTHONPATH to the python folder of yours"
        ) from None
    if not hasattr(caffe, "layer_type_list"):
        raise EngineError(f"{caffe.__file__} is not pycaffe 1.0 or newer: it has no layer_type_list")
    return caffe


def messages() -> Any:
    """The module of Caffe's protobuf messages, caffe.proto.caffe_pb2."""
    caffe()
    from caffe.proto import caffe_pb2

    return caffe_pb2
