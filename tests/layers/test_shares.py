"""Data layers of solvers that train together have the items of one whose batch is as large as theirs together."""

import ast
import itertools

import numpy as np
import pytest

from caffe_pylayers import PrefetchedData
from caffe_pylayers._layer.data.batch import make_item
from caffe_pylayers._layer.data.samplers import Generators
from caffe_pylayers._layer.images.window_data import WindowData
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers.testing import LayerRun
from tests.layers.cases import CASES, NEEDS
from tests.layers.test_every_layer import LAYERS

ROWS = [
    pytest.param(name, row, id=f"{name}-{i}")
    for name, rows in CASES.items()
    for i, row in enumerate(rows)
    if issubclass(LAYERS[name], PrefetchedData) and row.get("phase", TRAIN) == TRAIN
]


def made(name, row, **options):
    """The layer of a case; its batches are not needed, so that it has no workers."""
    given = dict(ast.literal_eval(row["param_str"]), seed=7, workers=0, **options)
    return LayerRun(LAYERS[name], param_str=str(given), tops=row.get("tops", 1)).layer


def items(layer, number):
    """The items of the layer's batch of a number."""
    first, indices = layer.items_of_batch(number)
    return [make_item(layer, index, first + i, Generators(layer.item_seed)) for i, index in enumerate(indices)]


def of_its_batch(layer):
    """Whether an item follows from the batch that it is in: classes times samples, or the size of the first."""
    return getattr(layer, "sampling", "") == "classes" or (isinstance(layer, WindowData) and not layer.resize)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_solvers_have_the_items_of_one(name, row, solvers):
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library)
    for count in (2, 3):
        solvers(0, 1)
        one, per = made(name, row), 1
        size = one.batch_size
        if of_its_batch(one):
            per = count
        else:
            one = made(name, row, batch_size=count * size)
        shares = []
        for rank in range(count):
            solvers(rank, count)
            shares.append(made(name, row, batch_size=size))
            assert shares[-1]._first_shapes[0][1:] == one._first_shapes[0][1:]
        epochs = 2 * one.item_count() // (count * size) + 2
        for number in (*range(epochs), 1000):
            expected = [item for i in range(per) for item in items(one, number * per + i)]
            found = [item for share in shares for item in items(share, number)]
            assert len(found) == len(expected)
            for ours, theirs in zip(itertools.chain(*found), itertools.chain(*expected)):
                np.testing.assert_array_equal(ours, theirs)
