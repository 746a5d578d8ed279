"""Orders in which a data layer takes its items: endless streams, whose value at a position follows from the seed alone.

So a training can go on at any position, and several workers or solvers share a stream without a word to each other.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

ITEMS, ORDER, MEMBERS = range(3)  # what random numbers are for: each has streams of its own


def generator(seed: int, number: int, purpose: int = ITEMS) -> Any:
    """Return the random generator of an item, an epoch or a batch: the one of this seed, number and purpose.

    Philox turns a key into a stream of its own, so that no state has to be carried from one number to the next.
    """
    return np.random.Generator(np.random.Philox(key=(purpose << 96) + (seed << 64) + number))


class Generators:
    """The same, as one object that is set to each number in turn: in a tenth of the time that it takes to make one."""

    def __init__(self, seed: int, purpose: int = ITEMS) -> None:
        self._philox = np.random.Philox(key=(purpose << 96) + (seed << 64))
        self._state: Any = self._philox.state
        self._generator = np.random.Generator(self._philox)

    def of(self, number: int) -> Any:
        """Return the generator of a number, which serves until the next one is asked for."""
        self._state["state"]["key"][0] = number
        self._philox.state = self._state
        return self._generator


def permutation(rng: Any, count: int) -> Any:
    """Return 0 .. count-1 in random order; the same with each version of numpy, unlike Generator.permutation."""
    return rng.random(count).argsort(kind="stable")


class Sampler:
    """An order of items: ``indices(first, count)`` has those at the positions first .. first + count - 1."""

    def indices(self, first: int, count: int) -> list[int]:
        """Return the items at these positions of the stream."""
        raise NotImplementedError(f"{type(self).__name__}: indices is not defined")


class InOrder(Sampler):
    """The items 0 .. count-1 over and over."""

    def __init__(self, count: int) -> None:
        self.count = count

    def indices(self, first: int, count: int) -> list[int]:
        return [(first + i) % self.count for i in range(count)]


class Shuffled(Sampler):
    """Epochs: each has every item once, in a random order of its own.

    together: so many items, one behind the other, stay so; those at the end that are fewer are left out.
    """

    def __init__(self, count: int, seed: int, together: int = 1) -> None:
        self.count, self.seed, self.together = count // together * together, seed, together
        self._order: tuple[int, Any] = (-1, None)

    def indices(self, first: int, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            epoch, place = divmod(first + len(found), self.count)
            known = self._order  # one of another epoch may take its place, from another thread
            if known[0] != epoch:
                known = self._order = epoch, self._of_epoch(generator(self.seed, epoch, ORDER))
            found += known[1][place : place + count - len(found)].tolist()
        return found

    def _of_epoch(self, rng: Any) -> Any:
        groups = permutation(rng, self.count // self.together)
        return (groups[:, None] * self.together + np.arange(self.together)).ravel()


class Alternating(Shuffled):
    """Epochs: in turn ``run`` items of one of two groups and of the other, then the rest of what is left.

    Each group is in a random order of its own, and which comes first is random.
    """

    def __init__(self, groups: Sequence[Sequence[int]], run: int, seed: int) -> None:
        super().__init__(sum(map(len, groups)), seed)
        self.groups, self.run = [np.asarray(group, np.int64) for group in groups], run

    def _of_epoch(self, rng: Any) -> Any:
        left = [group[permutation(rng, len(group))] for group in self.groups]
        if rng.random() < 0.5:
            left.reverse()
        found = []
        while all(map(len, left)):
            found.append(left[0][: self.run])
            left = [left[1], left[0][self.run :]]
        return np.concatenate([*found, *left])


class ClassBalanced(Sampler):
    """Rounds: each has one item of every class, the classes in random order; the rounds go through a class's items.

    So each class comes equally often, however many items it has, and so does each item of a class.
    """

    def __init__(self, labels: Sequence[int], seed: int) -> None:
        self.members, self.seed = list(by_class(labels).values()), seed
        self._classes: tuple[int, Any] = (-1, None)
        self._orders: dict[int, tuple[int, Any]] = {}

    def indices(self, first: int, count: int) -> list[int]:
        return [self._index(*divmod(position, len(self.members))) for position in range(first, first + count)]

    def _index(self, turn: int, place: int) -> int:
        if self._classes[0] != turn:
            self._classes = turn, permutation(generator(self.seed, turn, ORDER), len(self.members))
        which = int(self._classes[1][place])
        members = self.members[which]
        epoch, visit = divmod(turn, len(members))
        if self._orders.get(which, (-1, None))[0] != epoch:
            number = epoch * len(self.members) + which
            self._orders[which] = epoch, permutation(generator(self.seed, number, MEMBERS), len(members))
        return int(members[self._orders[which][1][visit]])


class ClassesTimesSamples(Sampler):
    """Batches of P classes with K items each, the items of a class side by side.

    Epochs of C // P batches: no class comes twice in one. A class of fewer than K items repeats them.
    """

    def __init__(self, labels: Sequence[int], classes: int, samples: int, seed: int) -> None:
        self.members, self.seed = list(by_class(labels).values()), seed
        self.classes, self.samples = classes, samples
        if len(self.members) < classes:
            raise ValueError(f"{classes} classes in a batch, but the items have {len(self.members)}")
        self._batch: tuple[int, list[int]] = (-1, [])

    def indices(self, first: int, count: int) -> list[int]:
        size = self.classes * self.samples
        found: list[int] = []
        while len(found) < count:
            number, place = divmod(first + len(found), size)
            if self._batch[0] != number:
                self._batch = number, self._of_batch(number)
            found += self._batch[1][place : place + count - len(found)]
        return found

    def _of_batch(self, number: int) -> list[int]:
        epoch, place = divmod(number, len(self.members) // self.classes)
        order = permutation(generator(self.seed, epoch, ORDER), len(self.members))
        rng = generator(self.seed, number, MEMBERS)
        chosen = order[place * self.classes : (place + 1) * self.classes].tolist()
        return [int(self.members[c][i]) for c in chosen for i in distinct(rng, len(self.members[c]), self.samples)]


def by_class(labels: Sequence[int]) -> dict[int, Any]:
    """Return the indices of each class's items, the classes in their order."""
    values = np.asarray(labels)
    order = values.argsort(kind="stable")
    classes, starts = np.unique(values[order], return_index=True)
    return dict(zip(classes.tolist(), np.split(order, starts[1:])))


def distinct(rng: Any, count: int, wanted: int) -> list[int]:
    """Return random numbers of 0 .. count-1, each once, or as often as others where more are wanted."""
    if count <= 4 * wanted:
        order: list[int] = permutation(rng, count).tolist()
        return (order * (wanted // count + 1))[:wanted]
    found: dict[int, None] = {}  # in their order; few of many, so that few are drawn twice
    while len(found) < wanted:
        found[int(rng.random() * count)] = None
    return list(found)
