"""``convert-annotated``: records by hand, what AnnotatedData makes of them, and what is refused."""

import json
import struct

import numpy as np
import pytest

from caffe_pylayers.cli import main

pytest.importorskip("torch")
pytest.importorskip("cv2")
pytest.importorskip("lmdb")

import cv2

from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers.annotated_data import AnnotatedData
from caffe_pylayers.testing import LayerRun
from tests.cli.databases import contents
from tests.layers.files import text

PIXELS = [np.random.RandomState(i).randint(0, 256, (6, 8 + i, 3)).astype(np.uint8) for i in range(2)]
LABELS = [("none_of_the_above", 0), ("cat", 3), ("18", 7)]


@pytest.fixture
def root(tmp_path):
    """A folder of two images, with annotations of all kinds, a list of each kind, and a label map."""
    for i, pixels in enumerate(PIXELS):
        (tmp_path / "img").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "img" / f"{i}.png"), pixels)
    items = "".join(f'item {{ name: "{name}" label: {label} display_name: "x" }}\n' for name, label in LABELS)
    text(tmp_path / "labels.prototxt", items)
    sides = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
    box = "<object><name>{}</name><difficult>{}</difficult><bndbox>" + sides + "</bndbox></object>"
    size = "<size><width>16</width><height>12</height></size>"
    text(tmp_path / "ann/0.xml", f"<annotation>{size}{box.format('cat', 0, 4, 3, 8, 6)}</annotation>")
    boxes = [box.format("cat", 0, 0, 0, 9, 3), box.format(18, 1, 1, 1, 3, 3), box.format("cat", 0, 3, 3, 9, 6)]
    text(tmp_path / "ann/1.xml", f"<annotation>{''.join(boxes)}</annotation>")
    found = [{"category_id": 18, "bbox": [2, 3, 4, 3], "iscrowd": 1}]
    text(tmp_path / "ann/0.json", json.dumps({"image": {"height": 6, "width": 8}, "annotation": found}))
    text(tmp_path / "ann/1.json", json.dumps({"annotation": []}))
    text(tmp_path / "ann/0.txt", "5 4 3 8 6")
    text(tmp_path / "ann/1.txt", "")
    for kind in ("xml", "json", "txt"):
        text(tmp_path / f"{kind}.list", *(f"img/{i}.png ann/{i}.{kind}" for i in range(2)))
    text(tmp_path / "labels.list", "img/0.png 4", "img/1.png 9")
    return tmp_path


def convert(capsys, root, kind="xml", *options, code=0):
    given = ["" if option is None else str(option) for option in options]
    assert main([str(root), str(root / f"{kind}.list"), str(root / "db"), *given], verb="convert-annotated") == code
    told = capsys.readouterr()
    return told.err if code else told.out


def records(root):
    return [message_class("AnnotatedDatum").FromString(value) for value in contents(root / "db").values()]


def boxes(record):
    return [
        (group.group_label, each.instance_id, each.bbox.xmin, each.bbox.ymin, each.bbox.xmax, each.bbox.ymax)
        for group in record.annotation_group
        for each in group.annotation
    ]


def test_a_record_byte_by_byte(capsys, root):
    """With SSD's numbers: of Datum 1 to 5 and 7, AnnotatedDatum 1 to 3, its groups' 1 and 2, a box's 1 to 4 and 6."""
    out = convert(capsys, root, "xml", "-label_map_file", root / "labels.prototxt", "--check_label")
    assert out == f"{root / 'db'}: 2 images\n"
    (key, value), _ = contents(root / "db").items()
    assert key == b"00000000_img/0.png"
    data = PIXELS[0].transpose(2, 0, 1).tobytes()
    unset = b"\xff" * 9 + b"\x01"  # -1
    datum = b"\x08\x03\x10\x06\x18\x08\x22\x90\x01" + data + b"\x28" + unset + b"\x38\x00"
    sides = zip(b"\x0d\x15\x1d\x25", (0.25, 0.25, 0.5, 0.5))
    box = b"".join(bytes([key]) + struct.pack("<f", side) for key, side in sides)
    annotation = b"\x08\x00\x12\x16" + box + b"\x30\x00"
    group = b"\x08\x03\x12" + bytes([len(annotation)]) + annotation
    length = bytes([len(datum) & 127 | 128, len(datum) >> 7])
    assert value == b"\x0a" + length + datum + b"\x10\x00\x1a" + bytes([len(group)]) + group


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (
            "xml",
            ["--label-map", "labels.prototxt"],
            [
                [(3, 0, 0.25, 0.25, 0.5, 0.5)],
                [(3, 0, 0, 0, 1, 0.5), (3, 1, 1 / 3, 0.5, 1, 1), (7, 0, 1 / 9, 1 / 6, 1 / 3, 0.5)],
            ],
        ),
        ("json", ["--label-map", "labels.prototxt", "--encoded"], [[(7, 0, 0.25, 0.5, 0.75, 1)], []]),
        ("txt", ["--resize-height", "3", "--resize-width", "2", "--gray"], [[(5, 0, 0.5, 0.5, 1, 1)], []]),
    ],
)
def test_annotations(capsys, root, monkeypatch, kind, options, expected):
    monkeypatch.chdir(root)
    convert(capsys, root, kind, "--label-type", kind, *options)
    for record, wanted in zip(records(root), expected):
        assert record.type == 0
        assert record.HasField("type")
        np.testing.assert_allclose(np.reshape(boxes(record), (-1, 6)), np.reshape(wanted, (-1, 6)), rtol=1e-6)
    assert records(root)[0].datum.encoded == ("--encoded" in options)
    data, label = LayerRun(AnnotatedData, param_str=str({"source": str(root / "db")}), tops=2, phase=1).forward()
    assert data.shape == ((1, 1, 3, 2) if kind == "txt" else (1, 3, 6, 8))
    np.testing.assert_allclose(label[0, 0, :, 1:7], expected[0], rtol=1e-6)
    assert label[0, 0, 0, 7] == (kind == "json")


def test_files_are_stored_as_they_are(capsys, root):
    convert(capsys, root, "txt", "--label-type", "txt", "--encoded")
    datum = records(root)[0].datum
    assert datum.data == (root / "img/0.png").read_bytes()
    assert (datum.channels, datum.height, datum.width) == (3, 6, 8)


def test_classification(capsys, root):
    convert(capsys, root, "labels", "-anno_type=classification")
    assert [record.datum.label for record in records(root)] == [4, 9]
    assert not any(record.HasField("type") for record in records(root))


@pytest.mark.parametrize(
    ("options", "shape"),
    [(["--min-dim", "12"], (12, 16)), (["--max-dim", "4"], (3, 4)), (["--min-dim", "12", "--max-dim", "14"], (10, 14))],
)
def test_sides(capsys, root, options, shape):
    """The shorter one becomes min-dim, or as much as leaves the longer one at max-dim."""
    convert(capsys, root, "txt", "--label-type", "txt", *options)
    datum = records(root)[0].datum
    assert (datum.height, datum.width) == shape


def test_a_random_order(capsys, root):
    text(root / "txt.list", *(f"img/{i % 2}.png ann/{i % 2}.txt" for i in range(8)))
    convert(capsys, root, "txt", "--label-type", "txt", "--shuffle", "--seed", 2)
    found = [key[9:] for key in contents(root / "db")]
    assert found != sorted(found, key=found.index)
    assert sorted(found) == [b"img/0.png"] * 4 + [b"img/1.png"] * 4


@pytest.mark.parametrize(
    ("file", "content", "options", "message"),
    [
        ("xml.list", "img/0.png", [], 'xml.list:1: a line must have an image and its annotations, got "img/0.png"'),
        ("xml.list", "img/0.png ann/no.xml", [], "xml.list:1: {root}/ann/no.xml: No such file or directory"),
        ("xml.list", "img/no.png ann/0.xml", [], "xml.list:1: {root}/img/no.png: No such file or directory"),
        ("ann/1.xml", "<annotation>", [], "xml.list:2: {root}/ann/1.xml: no element found: line 2, column 0"),
        (
            "ann/1.xml",
            "<annotation><object><name>dog</name></object></annotation>",
            [],
            "ann/1.xml: object 1: class 'dog' is none of the label map's: 'none_of_the_above, cat, 18'",
        ),
        (
            "ann/1.xml",
            "<annotation><object><name>cat</name></object></annotation>",
            [],
            "ann/1.xml: object 1: a box has four numbers, got [None, None, None, None]",
        ),
        ("labels.prototxt", "item { nam: 'x' }", [], "labels.prototxt: is no label map: 1:8 : "),
        ("labels.prototxt", "item { name: 'x' }" * 2, ["--check-label"], "labels.prototxt: has the name 'x' twice"),
        ("img/1.png", "junk", [], "xml.list:2: {root}/img/1.png: 5 bytes of an encoded image are no image"),
        ("x", "", ["--min-dim", 3, "--resize-height", 3, "--resize-width", 3], "give --min-dim and --max-dim"),
    ],
)
def test_refused(capsys, root, file, content, options, message):
    text(root / file, content)
    before = set(root.iterdir())
    err = convert(capsys, root, "xml", "--label-map", root / "labels.prototxt", *options, code=1)
    assert message.format(root=root) in err
    assert err.count("\n") == 1
    assert set(root.iterdir()) == before


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("json", "[]", "ann/1.json: are no annotations of COCO (AttributeError: "),
        ("json", '{"annotation": [{"category_id": 18}]}', "ann/1.json: are no annotations of COCO (KeyError: 'bbox')"),
        (
            "json",
            '{"annotation": [{"category_id": 18, "bbox": [1, 1, -2, 2]}]}',
            "annotation[0]: the box [1.0, 1.0, -1.0, 3.0] ends before it begins",
        ),
        ("txt", "cat 1 2 3 4", "ann/1.txt:1: needs a number and four sides, got 'cat 1 2 3 4'"),
        ("txt", "3 1 2 3", "ann/1.txt:1: a box has four numbers, got ['1', '2', '3']"),
    ],
)
def test_refused_annotations(capsys, root, kind, content, message):
    text(root / "ann" / f"1.{kind}", content)
    err = convert(capsys, root, kind, "--label-type", kind, "--label-map", root / "labels.prototxt", code=1)
    assert message in err
    assert not (root / "db").exists()


def test_missing_annotations_and_skipped_images(capsys, root):
    (root / "ann/1.xml").unlink()
    (root / "img/0.png").write_bytes(b"junk")
    options = ["--label-map", root / "labels.prototxt", "--allow-missing", "--skip-unreadable"]
    assert convert(capsys, root, "xml", *options).endswith(": 1 images, 1 skipped\n")
    assert [boxes(record) for record in records(root)] == [[]]
    assert "give --label-map" in convert(capsys, root, "xml", code=1)
