"""SegmentationPairs and SegmentationVOC: palettes, ignored borders, and what they refuse."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from caffe_pylayers.segmentation_data import SegmentationPairs, SegmentationVOC
from caffe_pylayers.testing import LayerRun
from tests.layers.files import image, text


def run(layer, phase=0, tops=2, **options):
    return LayerRun(layer, param_str=str(options), tops=tops, phase=phase)


def pair(tmp_path, pixels, labels):
    image(tmp_path / "a.ppm", pixels)
    image(tmp_path / "a.pgm", labels)
    return {"source": str(text(tmp_path / "list.txt", "a.ppm a.pgm")), "root": str(tmp_path)}


def test_a_palette_is_read_as_its_indices(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    labels = np.array([[0, 15, 255], [20, 1, 0]], np.uint8)
    palette = pillow.fromarray(labels)
    palette.putpalette([7] * 768)  # all of one colour, so that the indices cannot come from colours
    image(tmp_path / "JPEGImages" / "x.ppm", np.zeros((2, 3, 3)))
    (tmp_path / "SegmentationClass").mkdir()
    palette.save(tmp_path / "SegmentationClass" / "x.png")
    text(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "x")
    made = run(SegmentationVOC, root=str(tmp_path), split="val", image_extension=".ppm", num_classes=21)
    data, label = made.forward()
    assert data.shape == (1, 3, 2, 3)
    np.testing.assert_array_equal(label, labels[None, None])


def test_image_and_map_are_changed_alike(tmp_path):
    labels = np.random.RandomState(0).randint(0, 200, (9, 8))
    options = pair(tmp_path, np.repeat(labels[:, :, None], 3, 2), labels)
    made = run(SegmentationPairs, batch_size=60, seed=1, crop=[5, 12], mirror=True, mean=[255], **options)
    data, label = made.forward()
    inside = label != 255
    np.testing.assert_array_equal(data[:, :1][inside], label[inside] - 255)
    assert (data[:, :1][~inside] == 0).all()  # the mean, subtracted
    assert inside.any((0, 1, 2))[[0, -1]].all()  # anywhere in the crop
    assert len({each.tobytes() for each in label}) > 20


def test_values_become_labels(tmp_path):
    options = pair(tmp_path, np.zeros((1, 4, 3)), [[0, 7, 33, 255]])
    made = run(SegmentationPairs, label_values={"7": 1, "33": 2, 255: 3}, ignore_label=3, num_classes=3, **options)
    assert made.forward()[1].ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("phase", [0, 1])
def test_what_a_crop_lacks_is_at_its_end(tmp_path, phase):
    """As ImageSegData has it: the image stays at the top left, and size tells how much of data it is."""
    labels = np.random.RandomState(0).randint(0, 200, (3, 5))
    options = pair(tmp_path, np.repeat(labels[:, :, None], 3, 2), labels)
    made = run(SegmentationPairs, phase, 3, crop=[4, 3], crop_padding="end", mean=[1, 2, 3], seed=1, **options)
    data, label, size = made.forward()
    assert size.tolist() == [[[[3, 3]]]]
    assert (label[0, 0, 3] == 255).all()
    assert (data[0, :, 3] == 0).all()
    shown = np.lib.stride_tricks.as_strided(labels, (3, 3, 3), (labels.strides[1], *labels.strides))
    (at,) = np.flatnonzero((shown == label[0, 0, :3]).all((1, 2)))
    assert phase == 0 or at == 1
    np.testing.assert_array_equal(data[0, :, :3], label[0, :, :3] - np.array([1, 2, 3])[:, None, None])


def test_one_of_several_scales(tmp_path):
    options = pair(tmp_path, np.zeros((5, 6, 3)), np.zeros((5, 6)))
    made = run(SegmentationPairs, 0, 3, scale_factors=[0.5, 1.5], crop=[8, 9], batch_size=40, seed=0, **options)
    sizes = made.forward()[2].reshape(-1, 2)
    assert {tuple(size) for size in sizes} == {(2, 3), (7, 9)}
    assert run(SegmentationPairs, 1, scale_factors=[0.5], **options).forward()[0].shape == (1, 3, 5, 6)


def test_a_label_for_all_pixels_or_none(tmp_path):
    options = pair(tmp_path, np.zeros((2, 1, 3)), [[0], [0]])
    source = str(text(tmp_path / "labels.txt", "a.ppm 7"))
    for label_type, wanted in (("image", 7), ("none", 254)):
        made = run(SegmentationPairs, **{**options, "source": source}, label_type=label_type, ignore_label=254)
        assert made.forward()[1].ravel().tolist() == [wanted] * 2
    refused = r"^SegmentationPairs: .*labels.txt:1: label 7 is outside \[0, 7\), and not ignore_label 255$"
    with pytest.raises(ValueError, match=refused):
        run(SegmentationPairs, **{**options, "source": source}, label_type="image", num_classes=7).forward()


def test_edge_maps(tmp_path):
    """HED's rounding of gray values over 255; a map of three channels is taken as gray."""
    options = pair(tmp_path, np.zeros((1, 4, 3)), [[0, 127, 128, 255]])
    assert run(SegmentationPairs, label_threshold=128, **options).forward()[1].ravel().tolist() == [0, 0, 1, 1]
    image(tmp_path / "a.pgm", np.repeat([[[0], [127], [128], [255]]], 3, 2))
    assert run(SegmentationPairs, label_threshold=128, **options).forward()[1].ravel().tolist() == [0, 0, 1, 1]


def test_smaller_label_maps(tmp_path):
    labels = np.arange(54).reshape(6, 9)
    options = pair(tmp_path, np.zeros((6, 9, 3)), labels)
    data, label = run(SegmentationPairs, label_divide_factor=3, **options).forward()
    assert data.shape[2:] == (6, 9)
    np.testing.assert_array_equal(label[0, 0], labels[1::3, 1::3])


def test_whole_paths_need_no_root(tmp_path):
    given = pair(tmp_path, np.zeros((1, 1, 3)), [[2]])
    source = text(tmp_path / "whole.txt", f"{tmp_path}/a.ppm {tmp_path}/a.pgm")
    assert run(SegmentationPairs, source=str(source)).forward()[1].item() == 2
    assert run(SegmentationPairs, **given).forward()[1].item() == 2


@pytest.mark.parametrize(
    ("pixels", "labels", "options", "message"),
    [
        ((2, 3), [[0, 1]], {}, r"a.ppm is of \(2, 3\) pixels, its label map .*a.pgm of \(1, 2\)$"),
        ((1, 2), [[0, 3]], {"num_classes": 3}, r"a.pgm: label 3 is outside \[0, 3\), and not ignore_label 255$"),
        ((1, 2), np.zeros((1, 2, 3)), {}, r"a.pgm: a label map has one channel or a palette, got 3 channels$"),
        (
            (1, 2),
            [[0, 3]],
            {"label_values": {999: 1}},
            r"a key of parameter label_values must be in \[0, 255\], got 999$",
        ),
    ],
)
def test_what_is_refused(tmp_path, pixels, labels, options, message):
    given = pair(tmp_path, np.zeros((*pixels, 3)), labels)
    with pytest.raises(ValueError, match=rf"^SegmentationPairs: .*{message}"):
        run(SegmentationPairs, **given, **options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.ppm", r"list.txt:1: needs an image and a label map \(label_type pixel\), got 'a.ppm'$"),
        ("a.ppm b.pgm", r"list.txt:1: .*b.pgm is not there$"),
        ("a.ppm 256", r"list.txt:1: needs an image and a label in \[0, 255\] \(label_type image\), got 'a.ppm 256'$"),
    ],
)
def test_refused_lists(tmp_path, line, message):
    options = pair(tmp_path, np.zeros((1, 1, 3)), [[0]])
    text(tmp_path / "list.txt", line)
    with pytest.raises(ValueError, match=rf"^SegmentationPairs: .*{message}"):
        run(SegmentationPairs, label_type="image" if "256" in line else "pixel", **options)


def test_blanks_in_names_with_a_tab(tmp_path):
    image(tmp_path / "an image.ppm", np.zeros((1, 1, 3)))
    image(tmp_path / "a map.pgm", [[2]])
    source = text(tmp_path / "list.txt", "an image.ppm\ta map.pgm")
    assert run(SegmentationPairs, source=str(source), root=str(tmp_path)).forward()[1].item() == 2
