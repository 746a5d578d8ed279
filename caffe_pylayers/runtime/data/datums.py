"""Datum messages of a database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffe_pylayers.runtime.proto.caffe_pb2 import Datum


def read(record: bytes, where: str) -> Any:
    """Return the Datum of a record; ValueError, naming where it is from, for what is none."""
    try:
        return Datum.FromString(record)
    except DecodeError as error:
        raise ValueError(f"{where} has a record of {len(record)} bytes that is no Datum") from error


def stack(datums: Sequence[Any]) -> Any:
    """Return the values of raw Datum of one shape as uint8 (N, channels, height, width), copied once; else None."""
    first = datums[0]
    shape = (first.channels, first.height, first.width)
    sizes = {(datum.channels, datum.height, datum.width, datum.encoded) for datum in datums}
    values = [datum.data for datum in datums]
    if sizes != {(*shape, False)} or set(map(len, values)) != {math.prod(shape)} or not values[0]:
        return None
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(datums), *shape)
