"""Flows in .flo files: their names, what OpenCV reads of them, and what is refused."""

import json

import numpy as np
import pytest

from caffe_pylayers.flow_files import FlowWriter, flo_bytes
from caffe_pylayers.testing import LayerRun

FLOW = np.random.RandomState(13).uniform(-9, 9, (2, 2, 3, 5))


def run(flow, **parameters):
    return LayerRun(FlowWriter, [flow], tops=0, param_str=json.dumps(parameters))


def test_names(tmp_path):
    folder = tmp_path / "new" / "flows"
    writer = run(FLOW, folder=str(folder), prefix="a", suffix="_b")
    writer.forward()
    writer.forward()
    run(FLOW[:1], folder=str(folder)).forward()
    run(FLOW[:1], file=str(tmp_path / "one.flo")).forward()
    assert sorted(path.name for path in folder.iterdir()) == [
        "0000000.flo",
        *(f"a000000{k}(00{i})_b.flo" for k in range(2) for i in range(2)),
    ]
    assert (tmp_path / "one.flo").read_bytes() == (folder / "0000000.flo").read_bytes()


def test_opencv_reads_it(tmp_path):
    cv2 = pytest.importorskip("cv2")
    run(FLOW[1:], file=str(tmp_path / "one.flo")).forward()
    found = cv2.readOpticalFlow(str(tmp_path / "one.flo"))
    np.testing.assert_array_equal(found, FLOW[1].transpose(1, 2, 0).astype(np.float32))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"^FlowWriter: bottom\[0\] \(flow\) must have the shape \(N, 2, H, W\)"):
        run(FLOW[:, :1]).forward()


def test_one_file_is_for_one_image(tmp_path):
    path = tmp_path / "one.flo"
    with pytest.raises(ValueError, match=r"^FlowWriter: file is for one image, got 2"):
        run(FLOW, file=str(path))
    writer = run(FLOW[:1], file=str(path))
    writer.forward()
    writer.bottom[0].data[...] = FLOW[1:]
    writer.forward()
    assert path.read_bytes() == flo_bytes(FLOW[1])
