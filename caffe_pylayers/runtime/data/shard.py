"""Each solver's share of the data, where several train together."""

from __future__ import annotations

from typing import Any

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.process import LOGGER, solver_count, solver_rank
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST


class Shard:
    """This solver's share of a stream of items: every solver_count()-th, from the one of its rank on.

    So all solvers together read in an iteration what one does whose batch is as large as theirs together. In the TEST
    phase, in which the first solver alone runs, the share is all.

    count: the solvers that share. rank: the place of this one.
    """

    def __init__(self, phase: int) -> None:
        self.count, self.rank = (1, 0) if phase == TEST else (solver_count(), solver_rank())
        self._seen = 0

    def of(self, items: Any) -> Any:
        """Return those of the stream's next items that are this solver's; a list or an array."""
        first = (self.rank - self._seen) % self.count
        self._seen += len(items)
        return items[first :: self.count]

    def start_at(self, number: int) -> int:
        """Go on where each solver has had so many items; return how many of the stream that are."""
        self._seen = number * self.count
        return self._seen

    def draw_seed(self, name: str) -> int:
        """Return the seed of the stream's random order, for the layer of this name: the same for all solvers.

        Unseeded ones each have another: then the shares overlap.
        """
        if self.count > 1 and not rng.seeded():
            LOGGER.warning(
                'layer "%s": each solver shuffles for itself, so that they read some items twice and others not at'
                " all: set the solver's random_seed",
                name,
            )
        return rng.draw_seed()
