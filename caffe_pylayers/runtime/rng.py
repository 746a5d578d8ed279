"""Random numbers: one generator for each device, seeded together, as Caffe's are."""

from __future__ import annotations

import operator

from caffe_pylayers.runtime._openmp import torch
from caffe_pylayers.runtime.memory import device

_seed: int | None = None
_generators: dict[torch.device, torch.Generator] = {}


def seed(number: int) -> None:
    """Seed the generators of all devices. OverflowError for a number outside of [0, 2^32), as Caffe's is unsigned."""
    global _seed
    number = operator.index(number)
    if not 0 <= number < 2**32:
        raise OverflowError(f"a random seed must be in [0, 2^32), got {number}")
    _seed = number
    _generators.clear()


def generator(place: torch.device | None = None) -> torch.Generator:
    """Return the generator of a device, by default of the current one; an unseeded one starts anywhere."""
    place = device.current() if place is None else place
    if place not in _generators:
        made = torch.Generator(place)
        if _seed is None:
            made.seed()
        else:
            made.manual_seed(_seed)
        _generators[place] = made
    return _generators[place]
