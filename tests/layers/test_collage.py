"""Collage: what is on a canvas agrees with its map, boxes and label set; what it refuses."""

import numpy as np
import pytest

from caffe_pylayers.collage import Collage
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(0)
# A patch has one value, by its label, so that a canvas tells what is where.
LABELS = rng.randint(0, 5, 40)
PATCHES = np.zeros((40, 2, 6, 5))
PATCHES[:, :, 1:5, 2:4] = (LABELS + 1)[:, None, None, None]


def run(param_str="{patches: 4, size: [16, 12], num_classes: 5}", patches=PATCHES, labels=LABELS, tops=4):
    return LayerRun(Collage, [patches, labels], param_str=param_str, tops=tops)


def test_the_tops_agree():
    canvases, maps, boxes, sets = run().forward()
    assert canvases.shape == (10, 2, 16, 12)
    np.testing.assert_array_equal(canvases, np.repeat(maps, 2, 1))
    for n, row in enumerate(LABELS.reshape(10, 4)):
        np.testing.assert_array_equal(np.nonzero(sets[n])[0], np.unique(row))
        np.testing.assert_array_equal(boxes[n, :, 4], row + 1)
        # The last one pasted is seen whole, and nothing is outside the boxes.
        x1, y1, x2, y2 = boxes[n, -1, :4].astype(int)
        assert (x2 - x1 + 1, y2 - y1 + 1) == (2, 4)
        assert (maps[n, 0, y1 : y2 + 1, x1 : x2 + 1] == row[-1] + 1).all()
        inside = np.zeros((16, 12), bool)
        for x1, y1, x2, y2 in boxes[n, :, :4].astype(int):
            inside[y1 : y2 + 1, x1 : x2 + 1] = True
        assert not maps[n, 0][~inside].any()


def test_places_are_drawn_over_the_whole_canvas():
    boxes = np.concatenate([run().forward()[2] for _ in range(50)]).reshape(-1, 5)
    assert sorted(set(boxes[:, 0])) == list(range(2, 10))
    assert sorted(set(boxes[:, 1])) == list(range(1, 12))


@pytest.mark.parametrize("seed", ["", ", seed: 3"])
def test_the_seed_decides(seed):
    def drawn():
        np.random.seed(5)
        return run(f"{{patches: 4, size: [16, 12], num_classes: 5{seed}}}").forward()[0].copy()

    first = drawn()
    np.testing.assert_array_equal(drawn(), first)
    assert np.array_equal(run("{patches: 4, size: [16, 12], seed: 3}").forward()[0], first) == bool(seed)


def test_an_empty_patch_has_a_box_of_one_pixel():
    boxes = run("{patches: 1, size: [6, 5]}", np.zeros((1, 1, 6, 5)), [3], tops=3).forward()[2]
    np.testing.assert_array_equal(boxes, [[[0, 0, 0, 0, 4]]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"param_str": "{patches: 3, size: [16, 12]}"},
            r"must have shape \(N \* 3, C, h, w\), .* got \(40, 2, 6, 5\)",
        ),
        ({"patches": PATCHES[..., :0]}, r"bottom\[0\] \(patches\) must have pixels, got shape \(40, 2, 6, 0\)"),
        ({"labels": LABELS[:39]}, r"one label for each, got \(40, 2, 6, 5\) and \(39,\)"),
        (
            {"param_str": "{patches: 4, size: [5, 12]}"},
            r"patches of \(6, 5\) pixels are larger than a canvas of \(5, 12",
        ),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=f"^Collage: .*{message}"):
        run(**options)


def test_a_label_outside_is_refused():
    with pytest.raises(ValueError, match=r"label \d at index \d+ is outside \[0, 2\)"):
        run("{patches: 4, size: [16, 12], num_classes: 2}").forward()
