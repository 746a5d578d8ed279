"""A BlobProto in a file of its own: mean images, the matrix of an InfogainLoss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.proto import caffe_pb2


def read_array(path: str | os.PathLike[str]) -> Any:
    """Return the values of a binaryproto file, float32, in their shape; OSError or ValueError names the file."""
    try:
        return blob_proto.to_array(caffe_pb2.BlobProto.FromString(Path(path).read_bytes()))
    except DecodeError as error:
        raise ValueError(f"{os.fspath(path)} is not a BlobProto: not one, or not a whole one") from error
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is not a BlobProto: {error}") from error
