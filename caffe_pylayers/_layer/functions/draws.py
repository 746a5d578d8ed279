"""Random numbers of a layer, on the host or where its arrays are."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter

__all__ = ["Draws", "seed_parameter"]


def seed_parameter() -> Any:
    """Return the parameter ``seed``."""
    return Parameter(
        int,
        None,
        low=0,
        high=2**32 - 1,
        doc="of the random numbers; default: drawn from numpy's generator, which np.random.seed and, in "
        "caffe-pylayers train, the solver's random_seed start",
    )


class Draws:
    """A layer's own generator, so that no other code changes what it draws.

    host: numpy's generator.
    """

    def __init__(self, seed: int | None) -> None:
        self.host = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        self._device: Any = None

    def normal(self, out: Any) -> None:
        """Fill a contiguous array, numpy's or a tensor where it is, with numbers of mean 0 and deviation 1."""
        if isinstance(out, np.ndarray):
            self.host.standard_normal(dtype=out.dtype, out=out)
            return
        if self._device is None or self._device.device != out.device:
            self._device = arrays.namespace(out).Generator(device=out.device)
            self._device.manual_seed(int(self.host.integers(2**31)))
        out.normal_(generator=self._device)
