"""Clips, segments and frames of videos: which they are, from folders and from files, and what is refused."""

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun
from caffe_pylayers.video_data import (
    VideoClips,
    VideoFrames,
    VideoSegments,
    crop_sizes,
    fixed_places,
    frames_of_clip,
    starts_of_segments,
)
from tests.layers.files import image, text


def run(tmp_path, *lines, tops=2, phase=1, **options):
    source = text(tmp_path / "list.txt", *lines)
    return LayerRun(
        VideoClips, param_str=str(dict(source=str(source), root=str(tmp_path), **options)), tops=tops, phase=phase
    )


@pytest.mark.parametrize(
    ("frames", "length", "stride", "place", "expected"),
    [
        (10, 3, 1, 0.0, [0, 1, 2]),
        (10, 3, 1, 0.999, [7, 8, 9]),
        (10, 3, 4, 0.5, [1, 5, 9]),
        (9, 3, 4, 0.999, [0, 4, 8]),
        (4, 3, 3, 0.7, [0, 3, 3]),
        (1, 4, 1, 0.5, [0, 0, 0, 0]),
    ],
)
def test_the_frames_of_a_clip(frames, length, stride, place, expected):
    assert frames_of_clip(frames, length, stride, place).tolist() == expected


@pytest.fixture
def opencv():
    return pytest.importorskip("cv2")


def test_frames_in_the_order_of_their_numbers(opencv, tmp_path):
    for number in (1, 2, 9, 10, 11):
        image(tmp_path / "wave" / f"frame{number}.ppm", np.full((2, 2, 3), number))
    data, label = run(tmp_path, "wave 3", length=5).forward()
    assert data.shape == (1, 3, 5, 2, 2)
    assert data[0, 0, :, 0, 0].tolist() == [1, 2, 9, 10, 11]
    assert label.tolist() == [3]
    assert run(tmp_path, "wave 3", length=5, layout="NTCHW").forward()[0].shape == (1, 5, 3, 2, 2)


def test_starts_in_the_list(opencv, tmp_path):
    for number in range(1, 6):
        image(tmp_path / "wave" / f"image_{number:04d}.ppm", np.full((2, 2, 3), number))
    data, label = run(tmp_path, "wave 2 7", "wave 5 8", starts="listed", length=2, batch_size=2, phase=1).forward()
    assert data[:, 0, :, 0, 0].tolist() == [[2, 3], [5, 5]]
    assert label.tolist() == [7, 8]
    for line, message in (
        ("wave 6 7", r"list.txt:1: .*has 5 frames, but a clip is to start with frame 6"),
        ("wave 0 7", r"list.txt:1: the clip's first frame must be an integer from 1 on, got 0"),
        ("wave", r"list.txt:1: needs the number of the clip's first frame behind the video"),
    ):
        with pytest.raises(ValueError, match=message):
            run(tmp_path, line, starts="listed", length=2).forward()


def test_training_starts_anywhere_and_changes_all_frames_alike(opencv, tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (6, 8, 3))
    for number in range(6):
        image(tmp_path / "wave" / f"{number}.ppm", pixels + number if number == 0 else pixels)
    options = {
        "length": 3,
        "crop": [3, 3],
        "mirror": True,
        "rotation": 20,
        "brightness": 0.3,
        "batch_size": 40,
        "seed": 1,
    }
    data = run(tmp_path, "wave", tops=1, phase=0, **options).forward()[0]
    assert (data == data[:, :, :1]).all()
    assert len({each.tobytes() for each in data}) == 40


@pytest.mark.parametrize("channels", ["BGR", "gray"])
def test_a_file_has_the_frames_that_opencv_gives(opencv, tmp_path, channels):
    path = tmp_path / "film.avi"
    writer = opencv.VideoWriter(str(path), opencv.VideoWriter_fourcc(*"MJPG"), 25, (32, 24))
    rng = np.random.RandomState(0)
    for number in range(9):
        writer.write(np.full((24, 32, 3), 20 * number, np.uint8) + rng.randint(0, 9, 3).astype(np.uint8))
    writer.release()
    video, frames = opencv.VideoCapture(str(path)), []
    while True:
        there, frame = video.read()
        if not there:
            break
        frames.append(
            opencv.cvtColor(frame, opencv.COLOR_BGR2GRAY)[None] if channels == "gray" else frame.transpose(2, 0, 1)
        )
    data, _ = run(tmp_path, "film.avi 0", length=3, stride=2, channels=channels).forward()
    np.testing.assert_array_equal(data[0].transpose(1, 0, 2, 3), np.stack(frames)[[2, 4, 6]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("none 1", "list.txt:1: .*none is not there$"),
        ("empty 1", r"list.txt:1: the folder .*empty holds no frames \(.jpg .*\)$"),
        ("text.avi 1", "list.txt:1: .*text.avi: is no video that OpenCV can decode, nor a folder of frames$"),
    ],
)
def test_what_is_refused(opencv, tmp_path, line, message, capfd):
    (tmp_path / "empty").mkdir()
    text(tmp_path / "text.avi", "no video")
    with pytest.raises(ValueError, match=rf"^VideoClips: .*{message}"):
        run(tmp_path, line)


# --- segments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "segments", "length", "places", "starts"),
    [
        (9, 3, 1, None, [1, 4, 7]),
        (10, 3, 2, None, [1, 4, 7]),
        (10, 3, 2, [0, 0.5, 0.99], [0, 4, 7]),
        (9, 3, 3, [0.9] * 3, [0, 3, 6]),
        (8, 3, 3, None, [0, 0, 0]),
    ],
)
def test_starts_of_segments(frames, segments, length, places, starts):
    assert starts_of_segments(frames, segments, length, places) == starts


def test_sizes_and_places_of_crops():
    """Of 256 x 340 the sides are 256, 224, 192 and 168; the places are 32 / 4 and 116 / 4 apart."""
    sizes = crop_sizes((256, 340), (224, 224))
    assert sizes[:3] == [(256, 256), (256, 224), (224, 256)]
    assert len(sizes) == 10
    assert crop_sizes((256, 340), (225, 224), (1, 0.875), 0) == [(256, 256), (225, 224)]
    places = fixed_places((256, 340), (224, 224))
    assert places == [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]
    more = [(0, 58), (32, 58), (16, 0), (16, 116), (8, 29), (8, 87), (24, 29), (24, 87)]
    assert fixed_places((256, 340), (224, 224), True) == places + more


def flows(root, frames=9):
    for number in range(1, frames + 1):
        for axis, value in (("x", 10), ("y", 100)):
            image(root / "v" / f"flow_{axis}_{number:04d}.jpg.pgm", [[value + number, 200]])
    return text(root / "list.txt", f"v {frames} 4")


def segmented(source, root, phase, **options):
    options = dict(source=str(source), root=str(root), name_pattern="flow_%c_%04d.jpg.pgm", **options)
    return LayerRun(VideoSegments, param_str=str(options), tops=2, phase=phase).forward()


def test_segments_of_a_flow_by_hand(opencv, tmp_path):
    data, label = segmented(flows(tmp_path), tmp_path, 1, segments=3, length=2, mean=[1], scale=2)
    assert data[0, :, 0, 0].tolist() == [2 * (base + n - 1) for n in (2, 3, 5, 6, 8, 9) for base in (10, 100)]
    assert label.tolist() == [4]


def test_a_mirrored_flow_turns_around(opencv, tmp_path):
    source = flows(tmp_path, 1)
    for turns in (True, False):
        data, _ = segmented(source, tmp_path, 0, batch_size=20, mirror=True, turn_flow=turns, seed=1)
        found = {tuple(each.ravel()) for each in data}
        assert found == {(11, 200, 101, 200), (55, 244, 200, 101) if turns else (200, 11, 200, 101)}


def test_refused_segments(opencv, tmp_path):
    source = flows(tmp_path)
    with pytest.raises(ValueError, match=r"^VideoSegments: parameter name_pattern must have %c for x or y and"):
        LayerRun(VideoSegments, param_str=str({"source": str(source), "name_pattern": "%d.jpg"}), tops=2)
    for line, message in (
        ("v 21 4", r"the last of its 21 frames, .*v/flow_y_0021.jpg.pgm, is not there$"),
        ("v 0 4", "the frames of a video are a whole number >= 1, got 0$"),
        ("v 2.5 4", "the frames of a video are a whole number >= 1, got 2.5$"),
        ("v nan 4", "needs finite numbers behind the path, got 'v nan 4'$"),
        ("v 4", "needs a path and 2 numbers, got"),
    ):
        with pytest.raises(ValueError, match=rf"^VideoSegments: .*list.txt:1: {message}"):
            segmented(text(tmp_path / "list.txt", line), tmp_path, 1)


# --- frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_frames_come_one_after_the_other(opencv, tmp_path, workers):
    path = str(tmp_path / "film.avi")
    writer = opencv.VideoWriter(path, opencv.VideoWriter_fourcc(*"MJPG"), 25, (32, 24))
    for number in range(9):
        writer.write(np.full((24, 32, 3), 20 * number, np.uint8))
    writer.release()
    options = {"video_file": path, "batch_size": 2, "skip_frames": 1, "workers": workers}
    layer = LayerRun(VideoFrames, param_str=str(options), tops=1, phase=1)
    found = [value for _ in range(4) for value in layer.forward()[0].mean((1, 2, 3))]
    np.testing.assert_allclose(found, [20, 60, 100, 140] * 2, atol=2)


def test_refused_frames(opencv, tmp_path):
    for options, message in (
        ({}, "needs either the parameter video_file or device_id$"),
        (
            {"video_file": str(text(tmp_path / "a.avi", "x"))},
            "parameter video_file: .*a.avi' is no video that OpenCV can open$",
        ),
        ({"device_id": 0, "workers": 2}, "takes a camera with workers 0 or 1: its frames come one after the other$"),
    ):
        with pytest.raises(ValueError, match=rf"^VideoFrames: .*{message}"):
            LayerRun(VideoFrames, param_str=str(options))
