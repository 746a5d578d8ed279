"""Random numbers: one generator for each device, seeded together, as Caffe's are.

Of several solvers that train together each has the same generators while its nets are made, and its own from then on.
So all know in which order all read the data.
"""

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


def seeded() -> bool:
    """Return True once the generators have been seeded."""
    return _seed is not None


def draw_seed() -> int:
    """Return a number that the host's generator draws, for a generator of one's own, such as a thread's."""
    return int(torch.randint(2**31, (), generator=generator(device.HOST)))


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
