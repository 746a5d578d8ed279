"""A BlobProto in a file of its own: mean images, the matrix of an InfogainLoss."""

from __future__ import annotations

import os
from typing import Any

from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.proto import caffe_pb2


def read_array(path: str | os.PathLike[str]) -> Any:
    """The values of a binaryproto file, float32; OSError or ValueError where there are none."""
    proto = caffe_pb2.BlobProto()
    with open(path, "rb") as file:
        try:
            proto.ParseFromString(file.read())
            return blob_proto.to_array(proto)
        except (DecodeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} is not a BlobProto: {error}") from error
