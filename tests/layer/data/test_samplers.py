"""Samplers: streams of items that follow from the seed at any position."""

import numpy as np
import pytest

from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.data.samplers import (
    ClassBalanced,
    ClassesTimesSamples,
    InOrder,
    Shuffled,
    by_class,
    distinct,
)

LABELS = [3] * 7 + [5] * 2 + [0] + [9] * 12
SAMPLERS = [
    InOrder(5),
    Shuffled(7, seed=1),
    Shuffled(9, seed=1, together=2),
    ClassBalanced(LABELS, seed=1),
    ClassesTimesSamples(LABELS, classes=3, samples=4, seed=1),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_a_stream_is_the_same_however_it_is_read(sampler):
    whole = sampler.indices(0, 200)
    assert len(whole) == 200
    for first, count in [(190, 10), (3, 1), (0, 7), (50, 100), (49, 3), (7, 0)]:
        assert sampler.indices(first, count) == whole[first : first + count]


def test_each_class_comes_as_often_and_each_item_of_it():
    rounds = 7 * 2 * 12
    found = ClassBalanced(LABELS, seed=2).indices(0, 4 * rounds)
    counts = np.bincount(found, minlength=len(LABELS))
    for members in by_class(LABELS).values():
        assert (counts[members] == rounds / len(members)).all()
    classes = np.array(LABELS)[found].reshape(-1, 4)
    assert all(sorted(each) == [0, 3, 5, 9] for each in classes.tolist())
    assert len(set(map(tuple, classes.tolist()))) == 24  # in every order


def test_a_batch_has_p_classes_of_k_items():
    found = np.array(ClassesTimesSamples(LABELS, classes=2, samples=4, seed=3).indices(0, 8 * 100)).reshape(100, 2, 4)
    labels = np.array(LABELS)[found]
    assert (labels == labels[:, :, :1]).all()
    assert (labels[:, 0, 0] != labels[:, 1, 0]).all()
    assert all(len(set(epoch)) == 4 for epoch in labels[:, :, 0].reshape(50, 4).tolist())  # of two batches
    for items, label in zip(found.reshape(-1, 4).tolist(), labels[:, :, 0].ravel()):
        assert len(set(items)) == min(4, LABELS.count(label))
    assert set(found.ravel().tolist()) == set(range(len(LABELS)))


def test_more_classes_than_there_are_are_refused():
    with pytest.raises(ValueError, match=r"^5 classes in a batch, but the items have 4$"):
        ClassesTimesSamples(LABELS, classes=5, samples=4, seed=0)


@pytest.mark.parametrize(("count", "wanted"), [(1, 5), (3, 7), (5, 5), (8, 3), (1000, 10)])
def test_distinct_numbers(count, wanted):
    found = distinct(np.random.default_rng(0), count, wanted)
    assert len(found) == wanted
    assert set(found) <= set(range(count))
    assert len(set(found)) == min(count, wanted)
    assert max(map(found.count, found)) <= -(-wanted // count)


def test_shuffling_is_uniform():
    first = [Shuffled(6, seed).indices(0, 1)[0] for seed in range(600)]
    assert np.bincount(first, minlength=6).min() > 70  # 100 on average


def test_generators_are_independent():
    draws = {
        samplers.generator(seed, number, purpose).random()
        for seed in (0, 1, 2**31 - 1)
        for number in (0, 1, 2**63)
        for purpose in range(3)
    }
    assert len(draws) == 27


def test_one_generator_serves_many_numbers():
    generators = samplers.Generators(2**31 - 1)
    for number in (5, 2**63, 5, 0):
        rng, alone = generators.of(number), samplers.generator(2**31 - 1, number)
        assert [rng.random(), rng.integers(9), rng.normal()] == [alone.random(), alone.integers(9), alone.normal()]
