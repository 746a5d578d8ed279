"""ImageList and ImageFolder beside Caffe's ImageData, and what they refuse."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from caffe_pylayers import _engine
from caffe_pylayers._layer.images.image_files import opencv
from caffe_pylayers.image_lists import ImageFolder, ImageList
from caffe_pylayers.testing import LayerRun
from tests.layers.files import image, text

rng = np.random.RandomState(3)


def run(layer=ImageList, tops=2, phase=1, **options):
    return LayerRun(layer, param_str=str(options), tops=tops, phase=phase)


def encoded(kind):
    """The bytes of an image."""
    pixels = rng.randint(0, 256, (9, 9, 3)).astype(np.uint8)
    return opencv().imencode(kind, pixels)[1].tobytes()


@pytest.fixture
def listed(tmp_path):
    """A list of five images with a label."""
    files = [image(tmp_path / f"image {i}.ppm", rng.randint(0, 256, (20 + i, 30 - i, 3))) for i in range(5)]
    return text(tmp_path / "list.txt", *(f"{path.name} {i}" for i, path in enumerate(files)))


CAFFE = """layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "%s" root_folder: "%s/" batch_size: 3 new_height: %d new_width: %d is_color: %s }
  transform_param { %s } }"""


@pytest.mark.parametrize(
    ("size", "gray", "transform", "options"),
    [
        ((12, 17), False, "", {}),
        ((40, 31), False, "mean_value: 104 mean_value: 117 mean_value: 123", {"mean": [104, 117, 123]}),
        ((16, 16), True, "mean_value: 100 scale: 0.0078125", {"mean": [100], "scale": 0.0078125, "channels": "gray"}),
        ((16, 18), False, "crop_size: 9", {"crop": [9, 9]}),
    ],
)
def test_the_values_are_those_of_imagedata(listed, make_net, size, gray, transform, options):
    _engine.caffe()
    text = CAFFE % (listed, listed.parent, *size, "false" if gray else "true", transform)
    net = make_net(text, phase=1)
    ours = run(source=str(listed), root=str(listed.parent), batch_size=3, resize=list(size), **options)
    for _ in range(3):
        net.forward()
        data, label = ours.forward()
        np.testing.assert_allclose(data, net.blobs["data"].data, rtol=1e-6)
        np.testing.assert_array_equal(label, net.blobs["label"].data)


def test_several_labels_and_vectors(tmp_path):
    image(tmp_path / "a.ppm", np.zeros((2, 2, 3)))
    source = text(tmp_path / "list.txt", "a.ppm 3 -0.5 1e3")
    assert run(source=str(source), root=str(tmp_path)).forward()[1].tolist() == [[3, -0.5, 1000]]
    _, *labels = run(source=str(source), root=str(tmp_path), tops=4).forward()
    assert [label.tolist() for label in labels] == [[3], [-0.5], [1000]]


def test_mirror_crop_and_mean_in_training(tmp_path):
    pixels = rng.randint(0, 256, (6, 7, 3))
    image(tmp_path / "a.ppm", pixels)
    source = text(tmp_path / "list.txt", "a.ppm")
    options = {
        "source": str(source),
        "root": str(tmp_path),
        "crop": [4, 4],
        "mirror": True,
        "mean": [7],
        "channels": "RGB",
        "std": [2],
    }
    (data,) = run(tops=1, phase=0, batch_size=200, seed=0, **options).forward()
    whole = (pixels.transpose(2, 0, 1) - 7) / 2
    crops = {
        whole[:, i : i + 4, j : j + 4][:, :, ::turn].tobytes() for i in range(3) for j in range(4) for turn in (1, -1)
    }
    assert {each.tobytes() for each in data} == crops


@pytest.mark.parametrize("form", ["npy", "binaryproto"])
def test_the_mean_of_a_file(tmp_path, form):
    means = rng.randint(0, 100, (3, 4, 5)).astype(np.float32)
    if form == "npy":
        np.save(tmp_path / "mean.npy", means)
    else:
        caffe = _engine.caffe()
        blob = caffe.proto.caffe_pb2.BlobProto(num=1, channels=3, height=4, width=5, data=means.ravel().tolist())
        (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    image(tmp_path / "a.ppm", np.zeros((2, 2, 3)))
    source = text(tmp_path / "list.txt", f"{tmp_path}/a.ppm")
    (data,) = run(tops=1, source=str(source), mean_file=str(tmp_path / f"mean.{form}")).forward()
    np.testing.assert_allclose(data[0, :, 0, 0], -means.mean((1, 2)), rtol=1e-6)


def test_parts_of_random_area(tmp_path):
    """Of an image whose pixels are their places, each crop is a part of the area and the ratio that is asked for."""
    rows, columns = np.mgrid[:120, :160]
    image(tmp_path / "a.ppm", np.stack([rows, columns, rows], 2))
    source = text(tmp_path / "list.txt", f"{tmp_path}/a.ppm")
    options = {"crop": [40, 40], "random_area": [0.1, 0.5], "channels": "RGB", "batch_size": 300, "seed": 0}
    (data,) = run(tops=1, phase=0, source=str(source), **options).forward()
    heights, widths = (np.ptp(data[:, i], (1, 2)) + 1 for i in range(2))
    areas, ratios = heights * widths / (120 * 160), widths / heights
    assert areas.min() > 0.08
    assert areas.max() < 0.52
    assert areas.max() - areas.min() > 0.3
    assert 0.7 < ratios.min() < 0.85
    assert 1.2 < ratios.max() < 1.4


def test_random_scales(tmp_path):
    image(tmp_path / "a.ppm", np.zeros((10, 20, 3)))
    source = text(tmp_path / "list.txt", f"{tmp_path}/a.ppm")
    made = run(tops=1, phase=0, source=str(source), random_scale=[0.5, 2], seed=0)
    heights = {made.forward()[0].shape[2:] for _ in range(60)}
    assert all(abs(width - 2 * height) <= 1 for height, width in heights)
    assert min(heights)[0] <= 6
    assert max(heights)[0] >= 19


def test_folders_are_classes(tmp_path):
    for name in ("b/2.PPM", "a/10.ppm", "a/deep/1.ppm"):
        image(tmp_path / name, np.full((1, 1, 3), int(name[-5])))
    text(tmp_path / "a" / "notes.txt", "no image")
    data, label = run(ImageFolder, source=str(tmp_path), batch_size=3).forward()
    assert label.tolist() == [0, 0, 1]
    assert data[:, 0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["a.ppm 1", "b.ppm 2", "c.ppm 3"], {}, r"list.txt:2: .*b.ppm is not there, nor are 1 more of the 3 files$"),
        (["a.ppm 1 2", "a.ppm 3"], {}, r"list.txt:2: needs 2 numbers behind the path, got 'a.ppm 3'$|needs a path"),
        (["a.ppm 1", "", "a.ppm x"], {}, r"list.txt:3: needs 1 number behind the path, got 'a.ppm x'$"),
        (["a.ppm"], {"label_count": 1}, r"list.txt:1: needs a path and 1 number, got 'a.ppm'$"),
        ([], {}, r"list.txt: is empty$"),
        (["a.ppm 1"], {"source": "/none/list.txt"}, r"/none/list.txt: No such file or directory$"),
        (["a.ppm 1"], {"mean": [1, 2]}, "parameter mean must have 1 value or 3, as many as channels, got 2$"),
        (["a.ppm 1"], {"resize": [1, 1], "shorter": 2}, "takes the parameter resize or shorter, not both$"),
        (["a.ppm 1"], {"random_area": [0.1, 1]}, "needs the parameter crop with random_area"),
        (
            ["a.ppm 1"],
            {"random_scale": [2, 1]},
            r"random_scale must be the lower and the upper end, got \[2.0, 1.0\]$",
        ),
        (["a.ppm 1"], {"mean_file": "/none.npy"}, "parameter mean_file: /none.npy: No such file or directory$"),
        (["a.ppm 1"], {"mean_file": __file__}, "test_image_lists.py: is no array of numpy.save, or not a whole one$"),
        (["a.ppm cat"], {}, r"list.txt:1: .*a.ppm cat is not there$"),
        (
            ["a.ppm 1", "a.ppm 0.5"],
            {"sampling": "balanced"},
            r"list.txt:2: sampling by class .* integers, got 0.5$",
        ),
        (["bad.ppm 1"], {}, r"list.txt:1: .*bad.ppm: 3 bytes that are no image that OpenCV can decode$"),
        (["empty.ppm 1"], {}, r"list.txt:1: .*empty.ppm: 0 bytes that are no image that OpenCV can decode$"),
        (["zero.ppm 1"], {}, r"list.txt:1: .*zero.ppm: \d+ bytes that are no image that OpenCV can decode$"),
        (["cut.jpg 1"], {}, r"list.txt:1: .*cut.jpg: \d+ bytes of a JPEG image that has more$"),
        (["cut.png 1"], {}, r"list.txt:1: .*cut.png: \d+ bytes that are no image that OpenCV can decode$"),
    ],
)
def test_what_is_refused(tmp_path, lines, options, message):
    image(tmp_path / "a.ppm", np.zeros((2, 2, 3)))
    image(tmp_path / "zero.ppm", np.zeros((0, 0, 3)))
    (tmp_path / "bad.ppm").write_bytes(b"abc")
    (tmp_path / "empty.ppm").write_bytes(b"")
    for kind in (".jpg", ".png"):
        (tmp_path / f"cut{kind}").write_bytes(encoded(kind)[:-20])
    source = text(tmp_path / "list.txt", *lines)
    with pytest.raises(ValueError, match=rf"^ImageList: .*{message}"):
        run(phase=0 if "sampling" in options else 1, **{"source": str(source), "root": str(tmp_path), **options})


def test_what_stands_behind_a_jpeg_image_is_no_harm(tmp_path):
    (tmp_path / "more.jpg").write_bytes(encoded(".jpg") + bytes(100))
    source = text(tmp_path / "list.txt", f"{tmp_path}/more.jpg")
    assert run(tops=1, source=str(source)).forward()[0].any()


def test_an_image_of_another_shape_is_refused_by_its_line(listed):
    with pytest.raises(
        ValueError, match=r"list.txt:2: data of shape \(3, 21, 29\), the batch's first item has \(3, 20, 30\)"
    ):
        run(source=str(listed), root=str(listed.parent), batch_size=2).forward()


def test_without_opencv_it_says_what_to_install(listed, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ImportError, match=r"^images need OpenCV \(.*\): pip install 'caffe-pylayers\[images\]'$"):
        run(source=str(listed), root=str(listed.parent))


def test_pairs_stay_together(tmp_path):
    pixels = image(tmp_path / "a.ppm", np.zeros((2, 2, 3)))
    source = text(tmp_path / "pairs.txt", *(f"{pixels} {i}" for i in range(9)))
    _, label = run(source=str(source), together=2, batch_size=8, seed=2, phase=0).forward()
    assert label[1::2].tolist() == (label[::2] + 1).tolist()
    assert sorted(label[::2]) == [0, 2, 4, 6]
    assert list(label[::2]) != [0, 2, 4, 6]
    with pytest.raises(ValueError, match="ImageList: parameter together is 10, but the list has 9 items"):
        run(source=str(source), together=10)
