"""DatumImages: random sizes, batches by hand, and the numbers of a shuffled epoch."""

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("lmdb")

import cv2

from caffe_pylayers.datum_data import DatumImages, random_part, random_size
from caffe_pylayers.testing import LayerRun
from tests.layers.files import annotated, datums

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 8, 12, 3))


def run(source, phase=1, tops=2, **options):
    return LayerRun(DatumImages, param_str=str(dict(source=str(source), **options)), tops=tops, phase=phase)


class Fixed:
    """Random numbers that are always the same part of their range."""

    def __init__(self, part):
        self.random = lambda: part
        self.uniform = lambda low, high: low + part * (high - low)


@pytest.mark.parametrize(
    ("part", "options", "size"),
    [
        (0.0, {}, (8, 12)),
        (0.0, {"shorter": (4, 6)}, (4, 6)),
        (0.99, {"shorter": (4, 6)}, (6, 9)),
        (0.99, {"shorter": (4, 16)}, (8, 12)),
        (0.99, {"shorter": (4, 16), "upscale": True}, (16, 24)),
        (0.5, {"ratio": (1, 1.4)}, (8, 10)),
        (0.0, {"stretch": ((0.5, 1), (0.75, 1))}, (4, 9)),
        (0.0, {"shorter": (4, 4), "least": (5, 5)}, (5, 6)),
        (0.0, {"shorter": (3, 3)}, (3, 5)),  # 4.5, away from 0
        (0.0, {"shorter": (3, 3), "round_down": True}, (3, 4)),
    ],
)
def test_random_sizes(part, options, size):
    assert random_size(Fixed(part), (8, 12), **options) == size


def test_random_parts():
    rng = np.random.default_rng(0)
    found = np.array([random_part(rng, (60, 100), (0.1, 1), 0.75, 100) for _ in range(400)])
    area, ratio = found[:, 2] * found[:, 3] / 6000, found[:, 3] / found[:, 2]
    assert 0.09 < area.min() < 0.12
    assert 0.7 < area.max() <= 1
    assert 0.5 < ratio.min() < 0.65
    assert 1.6 < ratio.max() < 1.9
    assert (found[:, :2] >= 0).all()
    assert (found[:, :2] + found[:, 2:] <= [60, 100]).all()
    assert random_part(rng, (10, 100), (1, 1), 1, 5) is None


def test_a_part_that_does_not_fit(tmp_path):
    """The shorter side becomes the crop's, the middle of the longer one is cut out."""
    where = datums(tmp_path / "db", IMAGES, range(5))
    data, _ = run(where, random_area=[1, 1], crop=[4, 4], interpolation_down="area").forward()
    resized = cv2.resize(IMAGES[0].astype(np.uint8), (6, 4), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(data[0], resized[:, 1:5].transpose(2, 0, 1))


def test_batches_by_hand(tmp_path):
    where = datums(tmp_path / "db", IMAGES, range(5), encode="png")
    data, label = run(where, batch_size=3, shorter=[6, 6], interpolation_down="area", mean=[7], crop=[4, 6]).forward()
    for n in range(3):
        resized = cv2.resize(IMAGES[n].astype(np.uint8), (9, 6), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(data[n], resized[1:5, 1:7].transpose(2, 0, 1) - 7.0)
    assert label.tolist() == [0, 1, 2]


def test_an_epoch_in_random_order(tmp_path):
    where = datums(tmp_path / "db", IMAGES, range(5))
    label = run(where, phase=0, batch_size=5, seed=1).forward()[1]
    assert sorted(label) == [0, 1, 2, 3, 4] != list(label)


def test_refused(tmp_path):
    where = datums(tmp_path / "db", IMAGES, range(5))
    with pytest.raises(ValueError, match=r"^DatumImages: parameter shorter must be the lower and the upper end, got"):
        run(where, shorter=[5, 4])
    other = annotated(tmp_path / "annotated", [np.zeros((2, 2, 1))], [[]])
    with pytest.raises(ValueError, match=r"0.jpg: is no Datum: it is of the kind AnnotatedDatum, which AnnotatedData "):
        run(other)
    with pytest.raises(ValueError, match=r"^DatumImages: .*0.jpg: has 4 x 6 pixels, fewer than crop 9 x 12$"):
        run(where, resize=[4, 6], crop=[9, 12])
