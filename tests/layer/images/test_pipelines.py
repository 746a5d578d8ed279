"""Pipelines of albumentations: the same with any number of workers, with map and boxes on the image's objects."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.images.pipelines import Pipeline
from caffe_pylayers.image_lists import ImageList
from caffe_pylayers.testing import LayerRun
from tests.layers.files import image, text


@pytest.fixture(params=["json", "yaml"])
def pipeline(request, tmp_path):
    """The file of a pipeline that turns and mirrors."""
    library = pytest.importorskip("albumentations")
    path = tmp_path / f"pipeline.{request.param}"
    made = library.Compose([library.HorizontalFlip(p=0.5), library.RandomRotate90(p=1), library.ToGray(p=0.5)])
    library.save(made, str(path), data_format=request.param)
    return str(path)


def test_map_and_boxes_follow_and_the_seed_decides(pipeline):
    made = Pipeline(pipeline)
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[3:9, 5:25] = [9, 9, 200]
    found = set()
    for number in range(20):
        images, labels, boxes = made(
            samplers.generator(1, number), [pixels] * 2, pixels[:, :, 2].copy(), np.array([[5, 3, 25, 9, 4, 1.0]]), True
        )
        rows, columns = np.nonzero(labels)
        expected = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 4, 1]]
        np.testing.assert_allclose(boxes, expected, atol=1e-4)  # they are float32, in parts of the image
        np.testing.assert_array_equal(images[0], images[1])
        np.testing.assert_array_equal(images[0][:, :, 2] > 20, labels > 0)
        again = made(samplers.generator(1, number), [pixels], None, None, True)[0]
        np.testing.assert_array_equal(again[0], images[0])
        found.add(images[0].tobytes())
    assert len(found) > 6


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_workers_give_the_same(pipeline, tmp_path, kind):
    image(tmp_path / "a.ppm", np.random.RandomState(0).randint(0, 256, (8, 8, 3)))
    options = {"source": str(text(tmp_path / "list.txt", f"{tmp_path}/a.ppm 1")), "batch_size": 5, "seed": 2}
    runs = [
        LayerRun(ImageList, param_str=str(dict(options, albumentations=pipeline, workers=w, worker_type=kind)), tops=2)
        for w in (0, 3)
    ]
    for _ in range(4):
        np.testing.assert_array_equal(*(run.forward()[0].copy() for run in runs))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory$"), ("{}", r"is no pipeline of albumentations \(.*\)$")],
)
def test_what_is_refused(tmp_path, content, message):
    pytest.importorskip("albumentations")
    image(tmp_path / "a.ppm", np.zeros((1, 1, 3)))
    if content:
        (tmp_path / "p.json").write_text(content)
    source = str(text(tmp_path / "list.txt", f"{tmp_path}/a.ppm 1"))
    param_str = str({"source": source, "albumentations": str(tmp_path / "p.json")})
    with pytest.raises(ValueError, match=rf"^ImageList: parameter albumentations: .*p.json: {message}"):
        LayerRun(ImageList, param_str=param_str, tops=2)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "albumentations", None)
    with pytest.raises(ImportError, match=r"pip install 'caffe-pylayers\[augment\]'$"):
        Pipeline("p.json")
