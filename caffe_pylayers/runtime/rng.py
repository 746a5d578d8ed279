"""Random numbers: one generator for each device, seeded together, as Caffe's are."""

from __future__ import annotations

from caffe_pylayers.runtime._openmp import torch
from caffe_pylayers.runtime.memory import device

_seed: int | None = None
_generators: dict[torch.device, torch.Generator] = {}


def seed(number: int) -> None:
    """Seed the generators of all devices."""
    global _seed
    _seed = number
    _generators.clear()


def generator(place: torch.device | None = None) -> torch.Generator:
    """The generator of a device, by default of the current one; unseeded ones start anywhere."""
    place = device.current() if place is None else place
    if place not in _generators:
        made = torch.Generator(place)
        if _seed is None:
            made.seed()
        else:
            made.manual_seed(_seed)
        _generators[place] = made
    return _generators[place]
