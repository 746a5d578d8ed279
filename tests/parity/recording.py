"""Real Caffe's results for a family of cases, in one file; written by one numpy, read by another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Recording:
    """Of one case: its digest, and its arrays by name or why real Caffe refused it.

    Names: top0, blob0 (learned, as set up), after_blob0 (where forward changed it), d_bottom0, d_blob0.
    """

    digest: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    refused: str | None = None


def save(path, recordings):
    """One array of all values and one index: a member of a zip for each small array would cost more than it holds."""
    index = [
        {"digest": r.digest, "refused": r.refused, "arrays": [[name, x.shape] for name, x in r.arrays.items()]}
        for r in recordings
    ]
    values = [x.ravel() for r in recordings for x in r.arrays.values()]
    np.savez_compressed(
        path,
        index=np.frombuffer(json.dumps(index).encode(), np.uint8),
        values=np.concatenate([np.zeros(0, np.float32), *values]),
    )


def load(path):
    """The recordings of a file, in the order of its cases."""
    with np.load(path) as file:
        index, values = json.loads(file["index"].tobytes()), file["values"]
    recordings, start = [], 0
    for entry in index:
        arrays = {}
        for name, shape in entry["arrays"]:
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = values[start : start + count].reshape(shape)
            start += count
        recordings.append(Recording(entry["digest"], arrays, entry["refused"]))
    return recordings
