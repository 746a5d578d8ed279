"""Random numbers of layers, for all of which one of three rules holds.

- What is drawn anew in each forward, such as noise or a choice of boxes, comes from ``Draws``: a generator of the
  layer's own, so that no other code changes what it draws. The layer's parameter ``seed`` starts it; without one, a
  number does that is drawn in setup from numpy's own generator. So ``np.random.seed`` before a net is made repeats what
  all its layers draw, and so does the solver's random_seed in caffe-pylayers train. Each of several solvers that
  train together draws numbers of its own, from the same seed too.
- What has to be the same in each net and with each version of numpy, such as values before training or hashes, comes
  from ``fixed``: of the parameter ``seed``, which has a number as its default.
- What an item of data needs, its place in the order and its augmentation, follows from the seed and the item's
  position alone, see data/samplers.py; its seed is ``seed_of``'s.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import arrays, solvers
from caffe_pylayers._layer.base import Parameter

__all__ = ["Draws", "fixed", "fixed_seed_parameter", "seed_of", "seed_parameter"]


def seed_parameter() -> Any:
    """Return the parameter ``seed`` of a layer with Draws."""
    return Parameter(
        int,
        None,
        low=0,
        high=2**32 - 1,
        doc="of the random numbers; default: drawn from numpy's generator, which np.random.seed and, in "
        "caffe-pylayers train, the solver's random_seed start",
    )


def fixed_seed_parameter(of: str) -> Any:
    """Return the parameter ``seed`` of a layer with fixed numbers; of: what they are."""
    return Parameter(int, 1, low=0, high=2**32 - 1, doc=f"of {of}")


def seed_of(seed: int | None) -> int:
    """Return the parameter's seed; where it is None, one drawn from numpy's own generator."""
    return int(np.random.randint(2**31 - 1)) if seed is None else int(seed)


def fixed(seed: int) -> Any:
    """Return a generator whose numbers never change: numpy promises that of RandomState alone."""
    return np.random.RandomState(seed)


class Draws:
    """A layer's own generator.

    host: numpy's generator.
    """

    def __init__(self, seed: int | None) -> None:
        start, rank = seed_of(seed), solvers.rank()
        self.host = np.random.default_rng([start, rank] if rank else start)
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
