"""BoxesVOC, BoxesCOCO and BoxesList: boxes by hand and by pycocotools, and what they refuse."""

import json

import numpy as np
import pytest

pytest.importorskip("cv2")

from caffe_pylayers.box_data import BoxesCOCO, BoxesList, BoxesVOC
from caffe_pylayers.testing import LayerRun
from tests.layers.files import coco, image, text, voc

OBJECTS = {"a": [("cat", 1, 1, 4, 3), ("dog", 2, 2, 8, 6, 1)], "b": [("dog", 3, 3, 3, 3)], "c": []}


def run(layer=BoxesVOC, phase=1, tops=3, **options):
    return LayerRun(layer, param_str=str(options), tops=tops, phase=phase)


def in_voc(root, objects=OBJECTS, **options):
    voc(root, objects)
    return dict({"root": str(root), "split": "train", "extension": ".ppm", "class_names": ["cat", "dog"]}, **options)


def test_boxes_by_hand(tmp_path):
    data, boxes, info = run(**in_voc(tmp_path, batch_size=3)).forward()
    assert data.shape == (3, 3, 6, 8)
    assert boxes.tolist() == [[0, 0, 0, 3, 2, 1], [1, 2, 2, 2, 2, 2]]
    assert info.tolist() == [[6, 8, 1]] * 3


def test_difficult_objects_and_edges(tmp_path):
    options = in_voc(tmp_path, batch_size=2, flagged="mark", inclusive=False, resize=[12, 8])
    _, boxes, info = run(**options).forward()
    assert boxes.tolist() == [[0, 0, 0, 4, 6, 1, 0], [0, 1, 2, 8, 12, 2, 1], [1, 2, 4, 3, 6, 2, 0]]
    assert info.tolist() == [[12, 8, 2]] * 2


def test_mirrored_boxes_are_r_cnns(tmp_path):
    _, boxes = run(
        phase=0, tops=2, **in_voc(tmp_path, {"a": [("cat", 1, 1, 4, 3)]}, batch_size=40, mirror=True)
    ).forward()
    assert {tuple(row) for row in boxes[:, 1:].tolist()} == {(0, 0, 3, 2, 1), (8 - 1 - 3, 0, 8 - 1 - 0, 2, 1)}


def test_training_leaves_out_images_without_boxes(tmp_path):
    options = in_voc(tmp_path, batch_size=6, seed=0)
    assert set(run(phase=0, **options).forward()[1][:, 0]) == set(range(6))
    assert len(set(run(phase=0, without_boxes=True, **options).forward()[1][:, 0])) == 4


def test_sides_are_r_cnns(tmp_path):
    """The shorter side becomes 9, or as much as leaves the longer one at 10; padding stands behind."""
    data, _, info = run(**in_voc(tmp_path, batch_size=2, shorter=9, longer=10, varied="pad", mean=[5])).forward()
    assert data.shape == (2, 3, 8, 10)
    np.testing.assert_allclose(info, [[8, 10, 8 / 6]] * 2, rtol=1e-6)


def test_boxes_are_pycocotools(tmp_path):
    rng = np.random.RandomState(0)
    images = [(int(i), f"{i}.ppm") for i in rng.permutation(9)]
    for _, name in images:
        image(tmp_path / name, np.zeros((20, 20, 3)))
    given = [(int(rng.randint(9)), int(rng.choice([1, 3, 90])), *rng.uniform(1, 9, 4).tolist()) for _ in range(30)]
    path = coco(tmp_path / "boxes.json", images, given, [(90, "z"), (1, "x"), (3, "y")])
    content = json.loads(path.read_text())
    for i, each in enumerate(content["annotations"]):
        each.update(id=i + 1, area=each["bbox"][2] * each["bbox"][3])
    path.write_text(json.dumps(content))
    theirs = pytest.importorskip("pycocotools.coco").COCO(str(path))
    classes = {category: number for number, category in enumerate(sorted(theirs.getCatIds()), 1)}
    expected = []
    for place, (number, _) in enumerate(images):
        for each in theirs.loadAnns(theirs.getAnnIds(imgIds=number, iscrowd=False)):
            x, y, width, height = each["bbox"]
            expected.append([place, x, y, x + width - 1, y + height - 1, classes[each["category_id"]]])
    made = run(BoxesCOCO, source=str(path), root=str(tmp_path), batch_size=9)
    np.testing.assert_allclose(made.forward()[1], expected)
    assert made.layer.class_names == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([("cow", 1, 1, 2, 2)], "a.xml: object 1: class 'cow' is none of cat, dog$"),
        (
            [("cat", 1, 1, 2, 2), ("dog", 3, 1, 2, 2)],
            r"a.xml: object 2: the box \[3.0, 1.0, 2.0, 2.0\] ends before it begins$",
        ),
        ([("cat", 1, 1, 2, "")], "a.xml: object 1 has no bndbox of four numbers$"),
    ],
)
def test_refused_annotations(tmp_path, objects, message):
    with pytest.raises(ValueError, match=rf"^BoxesVOC: .*{message}"):
        run(**in_voc(tmp_path, {"a": objects}))


def test_refused_folders(tmp_path):
    options = in_voc(tmp_path)
    text(tmp_path / "ImageSets" / "Main" / "train.txt", "a", "d")
    with pytest.raises(ValueError, match=r"^BoxesVOC: .*train.txt:2: .*d.xml: No such file or directory$"):
        run(**options)
    text(tmp_path / "Annotations" / "d.xml", "<annotation>")
    with pytest.raises(ValueError, match=r"^BoxesVOC: .*d.xml: no element found: line 2, column 0$"):
        run(**options)
    text(tmp_path / "Annotations" / "d.xml", "<annotation/>")
    with pytest.raises(ValueError, match=r"^BoxesVOC: .*train.txt:2: .*d.ppm is not there$"):
        run(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop("images"), r"boxes.json: is no COCO file of instances \(KeyError: 'images'\)$"),
        (lambda x: x["annotations"][0].pop("bbox"), r"boxes.json: annotations\[0\] has no bbox$"),
        (lambda x: x["annotations"][0].update(bbox=[1, 2, 3]), "bbox must be x, y, width and height, got"),
        (
            lambda x: x["annotations"][0].update(image_id=5),
            r"annotations\[0\]: image 5 or category 1 is not in the file$",
        ),
        (lambda x: x["images"][0].update(file_name="no.ppm"), r"boxes.json: images\[0\]: .*no.ppm is not there$"),
    ],
)
def test_refused_coco_files(tmp_path, change, message):
    image(tmp_path / "a.ppm", np.zeros((2, 2, 3)))
    path = coco(tmp_path / "boxes.json", [(0, "a.ppm")], [(0, 1, 0, 0, 1, 1)], [(1, "x")])
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"^BoxesCOCO: .*{message}"):
        run(BoxesCOCO, source=str(path), root=str(tmp_path))


SETTINGS = {
    "scales": "12",
    "max_size": "15",
    "use_flipped": "0",
    "pixel_means": "10, 20, 30",
    "anchors": "-84, -40, 99",
}


def in_list(root, *lines, **settings):
    voc(root, OBJECTS)
    source = text(root / "list", *(lines or ("# 0 a.ppm 2", "1 0 0 3 2 0", "15 1 1 9 5 1", "# 1", "b.ppm", "0")))
    (root / "settings.json").write_text(json.dumps({**SETTINGS, **settings}))
    return {"source": str(source), "root": str(root / "JPEGImages"), "settings": str(root / "settings.json")}


def test_a_list_and_its_settings(tmp_path):
    options = in_list(tmp_path)
    plain = run(BoxesList, **{**options, "settings": None}, flagged="take").forward()
    data, boxes, info = run(BoxesList, **options, flagged="take").forward()
    assert plain[1].tolist() == [[0, 0, 0, 3, 2, 1], [0, 1, 1, 7, 5, 15]]  # cut to the image, 6 x 8
    assert info[0, :2].tolist() == [11, 15]
    assert info[0, 2] == pytest.approx(15 / 8, abs=0.05)
    assert (boxes[1, 1:5] + [0, 0, 1, 1]).tolist() == pytest.approx([15 / 8, 11 / 6, 15, 11])
    assert data.mean((0, 2, 3)) == pytest.approx(plain[0].mean((0, 2, 3)) - [10, 20, 30], abs=3)
    assert len(run(BoxesList, **options).forward()[1]) == 1


@pytest.mark.parametrize(
    ("lines", "settings", "message"),
    [
        (
            ["# 0 a.ppm 2 1 0 0 3 2 0"],
            {},
            r'list: image 0 must be "# number path count" and count .*, got .*a.ppm 2',
        ),
        (["# 0 a.ppm 1 1 3 0 2 2 0"], {}, r"list: image 0: box 0 needs a class from 1 on, .* got \[1.0, 3.0, 0.0"),
        (["# 0 a.ppm 0", "# 1 x.ppm 0"], {}, r"list: image 1: .*x.ppm is not there"),
        ([], {"scales": "400, 600"}, r"settings.json must have scales, max_size, .* as texts of numbers"),
        ([], {"max_size": 1000}, r"settings.json must have scales, max_size, .* as texts of numbers"),
        ([], {"use_haze_free": "1"}, r"settings.json: nothing here does what use_haze_free asks for"),
    ],
)
def test_refused_lists(tmp_path, lines, settings, message):
    with pytest.raises(ValueError, match=f"BoxesList: .*{message}"):
        run(BoxesList, **in_list(tmp_path, *lines, **settings))
