"""PairsByLabel, TripletsByLabel and PKBatches: who comes with whom, and what they refuse."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from caffe_pylayers.pair_data import PairsByLabel, PKBatches, TripletsByLabel
from caffe_pylayers.testing import LayerRun
from tests.layers.files import image, text

LABELS = [4, 9, 4, 4, 1, 9]  # class 1 has one image


def run(layer, tops, **options):
    return LayerRun(layer, param_str=str(options), tops=tops)


@pytest.fixture
def source(tmp_path):
    """A list of images whose pixels are their place in it."""
    files = [image(tmp_path / f"{i}.pgm", [[i]]) for i in range(len(LABELS))]
    return str(text(tmp_path / "list.txt", *(f"{path} {label}" for path, label in zip(files, LABELS))))


def test_pairs(source):
    a, b, same, label_a, label_b = run(
        PairsByLabel, 5, source=source, channels="gray", batch_size=2000, same_share=0.3, seed=1
    ).forward()
    a, b = a.ravel().astype(int), b.ravel().astype(int)
    assert 0.25 < same.mean() < 0.35
    np.testing.assert_array_equal(label_a, np.array(LABELS)[a])
    np.testing.assert_array_equal(label_b, np.array(LABELS)[b])
    np.testing.assert_array_equal(same, label_a == label_b)
    assert (a != b).all()
    counts = np.zeros((6, 6), int)
    np.add.at(counts, (a, b), 1)
    assert counts[4].sum() == 0  # its class has no other image
    for anchor in (0, 1, 2, 3, 5):  # every partner is as likely
        alike = np.array(LABELS) == LABELS[anchor]
        for partners in (alike & (np.arange(6) != anchor), ~alike):
            shares = counts[anchor][partners] / counts[anchor][partners].sum()
            np.testing.assert_allclose(shares, 1 / partners.sum(), atol=0.13)


def test_triplets(source):
    tops = run(TripletsByLabel, 6, source=source, channels="gray", batch_size=500, seed=1).forward()
    anchor, positive, negative = (top.ravel().astype(int) for top in tops[:3])
    for indices, labels in zip((anchor, positive, negative), tops[3:]):
        np.testing.assert_array_equal(labels, np.array(LABELS)[indices])
    assert (tops[3] == tops[4]).all()
    assert (tops[3] != tops[5]).all()
    assert (anchor != positive).all()
    assert set(negative) == set(range(6))


def test_batches_of_classes(source):
    data, label = run(PKBatches, 2, source=source, channels="gray", batch_size=4, samples_per_class=2, seed=1).forward()
    np.testing.assert_array_equal(label, np.array(LABELS)[data.ravel().astype(int)])
    assert label[0] == label[1] != label[2] == label[3]


@pytest.mark.parametrize(
    ("layer", "lines", "options", "message"),
    [
        (PairsByLabel, [0, 0], {}, "list.txt: needs images of two classes or more, got 1$"),
        (TripletsByLabel, [0, 1], {}, "list.txt: needs a class of two images or more, and each has one$"),
        (PKBatches, [0, 1], {"batch_size": 6}, "batch_size must be a multiple of samples_per_class, 4, got 6$"),
        (PKBatches, [0, 1], {"batch_size": 12}, "3 classes in a batch, but the items have 2$"),
        (PKBatches, ["", ""], {"batch_size": 4}, "sampling by class needs labels, and the list has none$"),
    ],
)
def test_what_is_refused(tmp_path, layer, lines, options, message):
    for i in range(len(lines)):
        image(tmp_path / f"{i}.pgm", [[i]])
    source = text(tmp_path / "list.txt", *(f"{tmp_path}/{i}.pgm {label}" for i, label in enumerate(lines)))
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        run(layer, 3 if layer is not PKBatches else 2, source=str(source), **options)
