"""VideoClips: which frames a clip has, from folders and from files, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers.testing import LayerRun
from caffe_pylayers.video_data import VideoClips, frames_of_clip
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
