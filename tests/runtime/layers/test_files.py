"""HDF5Data, HDF5Output, ImageData and WindowData: what they refuse, their order and their randomness."""

import h5py
import numpy as np
import pytest

from caffe_pylayers.runtime import process, rng
from caffe_pylayers.runtime.layer import LayerError
from tests.runtime.layers.one_layer import TEST, TRAIN, one_layer

cv2 = pytest.importorskip("cv2")


def hdf5_files(folder, *counts, **datasets):
    """A list of HDF5 files with so many rows: top t0 has all numbers from 0 up."""
    start, paths = 0, []
    for i, count in enumerate(counts):
        paths.append(folder / f"{i}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["t0"] = np.arange(start, start + count, dtype=np.float32)
            for name, values in datasets.items():
                file[name] = values
        start += count
    (folder / "list.txt").write_text("\n".join(map(str, paths)))
    return folder / "list.txt"


def hdf5_data(source, size, more="", tops=1, phase=TRAIN, after=""):
    names = " ".join(f'top: "t{i}"' for i in range(tops))
    param = f'{names} hdf5_data_param {{ source: "{source}" batch_size: {size} {more} }} {after}'
    return one_layer("HDF5Data", param, tops=tops, phase=phase)


def values(layer, bottom, top, batches, which=0):
    found = []
    for _ in range(batches):
        layer.forward(bottom, top)
        found += top[which].data.astype(int).ravel().tolist()
    return found


def test_shuffled_rows_are_all_there_in_each_round(tmp_path):
    source = hdf5_files(tmp_path, 4, 3)
    rng.seed(1)
    layer = hdf5_data(source, 7, "shuffle: true")
    rounds = [values(*layer, 1) for _ in range(6)]
    assert all(sorted(found) == list(range(7)) for found in rounds)
    assert len({tuple(found) for found in rounds}) > 1
    assert {tuple(sorted(found[:3])) for found in rounds} >= {(4, 5, 6)}  # the files, too, change places
    rng.seed(1)
    layer = hdf5_data(source, 7, "shuffle: true")
    assert [values(*layer, 1) for _ in range(6)] == rounds


def test_several_solvers_share_the_rows(tmp_path, monkeypatch):
    source = hdf5_files(tmp_path, 4, 3)
    monkeypatch.setattr(process._solvers, "count", 2)
    monkeypatch.setattr(process._solvers, "rank", 1)
    assert values(*hdf5_data(source, 5), 1) == [1, 3, 5, 0, 2]
    assert values(*hdf5_data(source, 5, phase=TEST), 1) == [0, 1, 2, 3, 4]


def test_hdf5_refused(tmp_path):
    source = hdf5_files(tmp_path, 2, 2, t1=np.zeros((3, 2)), words="text")
    for arguments, message in (
        ({"after": "transform_param { scale: 2 }"}, "does not transform: drop transform_param"),
        ({"size": 0}, r"hdf5_data_param\.batch_size must be positive, got 0"),
        ({"source": tmp_path / "none"}, r"hdf5_data_param\.source: .*No such file or directory: '.*none'"),
        ({"tops": 2}, r"0\.h5: datasets \['t0', 't1'\] must have as many rows, got \[\(2,\), \(3, 2\)\]"),
        ({"tops": 3}, r"0\.h5: .*'t2'"),
    ):
        with pytest.raises(LayerError, match=f'^layer "l" \\(HDF5Data\\): .*{message}'):
            hdf5_data(**{"source": source, "size": 1, **arguments})
    (tmp_path / "list.txt").write_text(str(tmp_path / "list.txt"))
    with pytest.raises(LayerError, match=r"list\.txt: not an HDF5 file"):
        hdf5_data(source, 1)
    source = hdf5_files(tmp_path, 1, 1)
    with h5py.File(tmp_path / "1.h5", "w") as file:
        file["t0"] = np.zeros((1, 5))
    layer, bottom, top = hdf5_data(source, 2)
    with pytest.raises(LayerError, match=r"1\.h5: rows have shapes \[\(5,\)\], those of the first file \[\(\)\]"):
        layer.forward(bottom, top)


def test_hdf5_output(tmp_path):
    path = tmp_path / "out.h5"
    layer, bottom, top = one_layer("HDF5Output", f'hdf5_output_param {{ file_name: "{path}" }}', (2, 3), (2,), tops=0)
    bottom[0].data[...], bottom[1].data[...] = 5, 6
    assert not path.exists()
    layer.forward(bottom, top)
    with h5py.File(path) as file:
        assert {name: dataset.shape for name, dataset in file.items()} == {"data": (2, 3, 1, 1), "label": (2, 1, 1, 1)}
        assert (file["data"][()] == 5).all()
        assert (file["label"][()] == 6).all()
        assert file["data"].dtype == np.float32
    with pytest.raises(LayerError, match=r"out\.h5 has been written: HDF5Output takes one batch"):
        layer.forward(bottom, top)
    with pytest.raises(LayerError, match=r"file_name /none/x: there is no folder /none$"):
        one_layer("HDF5Output", 'hdf5_output_param { file_name: "/none/x" }', (2, 3), (2,), tops=0)
    with pytest.raises(LayerError, match=r"of one first size, got shapes \[\(2, 3\), \(3,\)\]"):
        one_layer("HDF5Output", f'hdf5_output_param {{ file_name: "{path}" }}', (2, 3), (3,), tops=0)


@pytest.fixture
def listed(tmp_path):
    """Six gray images of one value each, labelled by it, and the list of them."""
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((4, 5), i, np.uint8))
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(6)))
    return tmp_path / "list.txt"


def image_data(source, fields="batch_size: 2", transform="", phase=TRAIN):
    param = f'image_data_param {{ source: "{source}" root_folder: "{source.parent}/" is_color: false {fields} }}'
    return one_layer("ImageData", f"{param} transform_param {{ {transform} }}", tops=2, phase=phase)


def test_shuffled_images_are_all_there_in_each_round(listed):
    layer, bottom, top = image_data(listed, "batch_size: 6 shuffle: true")
    rounds = []
    for _ in range(5):
        layer.forward(bottom, top)
        rounds.append(top[1].data.astype(int).tolist())
        assert (top[0].data == top[1].data[:, None, None, None]).all()
    assert all(sorted(found) == list(range(6)) for found in rounds)
    assert len({tuple(found) for found in rounds}) > 1


def test_rand_skip_starts_somewhere(listed):
    starts = {values(*image_data(listed, "batch_size: 1 rand_skip: 3"), 1, which=1)[0] for _ in range(40)}
    assert starts == {0, 1, 2}


def test_mirrored_and_cropped_at_random(listed):
    ramp = np.add.outer(10 * np.arange(6), np.arange(6)).astype(np.uint8)
    cv2.imwrite(str(listed.parent / "0.png"), ramp)
    listed.write_text("0.png")  # no label is 0
    layer, bottom, top = image_data(listed, "batch_size: 400", "mirror: true crop_size: 4")
    layer.forward(bottom, top)
    assert not top[1].data.any()
    corners = {(int(x[0, 0, 0]), bool(x[0, 0, 0] > x[0, 0, 1])) for x in top[0].data}
    places = [(10 * y, x) for y in range(3) for x in range(3)]
    assert corners == {(y + x, False) for y, x in places} | {(y + x + 3, True) for y, x in places}


@pytest.mark.parametrize(
    ("fields", "text", "message"),
    [
        ("batch_size: 0", "0.png 0", r"image_data_param\.batch_size must be positive, got 0"),
        ("new_height: 3", "0.png 0", r"takes new_height and new_width together, got \(3, 0\)"),
        ("", "", r"image_data_param\.source .*list\.txt lists no images"),
        ("", "0.png cat", r'list\.txt:1: the label must be an integer, got "cat"'),
        ("", "9.png 0", r"9\.png: no such file"),
        ("", "list.txt 0", r"list\.txt: no image that OpenCV can decode"),
        ("rand_skip: 500", "0.png 0", r"cannot skip \d+ of 1 images"),
    ],
)
def test_images_refused(listed, fields, text, message):
    listed.write_text(text)
    rng.seed(1)
    with pytest.raises(LayerError, match=f'^layer "l" \\(ImageData\\): .*{message}$'):
        image_data(listed, fields)


def test_a_missing_image_is_told_with_its_batch(listed):
    (listed.parent / "3.png").unlink()
    (listed.parent / "5.png").write_bytes((listed.parent / "4.png").read_bytes()[:40])  # a truncated one
    layer = image_data(listed)
    assert values(*layer, 1, which=1) == [0, 1]
    with pytest.raises(LayerError, match=r"3\.png: no such file"):
        values(*layer, 1)


def window_data(folder, text, fields="batch_size: 4 fg_fraction: 0.5", transform="crop_size: 4", phase=TRAIN):
    source = folder / "windows.txt"
    source.write_text(text)
    param = f'window_data_param {{ source: "{source}" root_folder: "{folder}/" {fields} }}'
    return one_layer("WindowData", f"{param} transform_param {{ {transform} }}", tops=2, phase=phase)


WINDOWS = "# 0\n0.png 3 4 5 4\n1 0.9 0 0 3 3\n2 0.8 1 0 4 3\n3 0.1 0 0 2 2\n4 0.2 1 1 3 3\n"


def test_windows_are_drawn_by_kind_and_mirrored(listed):
    image = np.tile(np.arange(5, dtype=np.uint8), (4, 1))
    cv2.imwrite(str(listed.parent / "0.png"), image)
    layer, bottom, top = window_data(
        listed.parent, WINDOWS, "batch_size: 200 fg_fraction: 0.25", "crop_size: 4 mirror: true"
    )
    layer.forward(bottom, top)
    labels = top[1].data.astype(int)
    assert not labels[:150].any()
    assert set(labels[150:]) == {1, 2}
    rows = {tuple(x[0, 0].astype(int)) for x in top[0].data[150:]}
    assert rows == {(0, 1, 2, 3), (3, 2, 1, 0), (1, 2, 3, 4), (4, 3, 2, 1)}


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (WINDOWS, {"transform": ""}, r"transform_param\.crop_size must be positive, got 0"),
        (WINDOWS, {"fields": "context_pad: 2 batch_size: 1"}, "context_pad 2 leaves nothing of crop_size 4"),
        ("", {}, r"windows\.txt lists no images"),
        (WINDOWS.replace("# 0", "# 1"), {}, r"windows\.txt: image 0 must begin with # 0, got # 1"),
        (WINDOWS[:-6], {}, r"windows\.txt ends in the middle of image 0"),
        (WINDOWS.replace("1 0.9", "0 0.9"), {}, "image 0: a foreground window's class is from 1, got 0"),
        (WINDOWS.replace("0.1", "0.9").replace("0.2", "0.9"), {}, r"windows\.txt has no background windows"),
        (WINDOWS, {"transform": "crop_size: 4 mean_value: 1 mean_value: 2"}, "takes 1 mean_value or 3, .* got 2"),
    ],
)
def test_windows_refused(listed, text, arguments, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\(WindowData\\): .*{message}'):
        window_data(listed.parent, text, **arguments)


def test_a_window_outside_its_image(listed):
    layer = window_data(listed.parent, WINDOWS.replace("0 0 3 3", "0 0 9 3").replace("1 0 4 3", "0 0 9 3"))
    with pytest.raises(LayerError, match=r"0\.png: window \(0, 0, 9, 3\) is not inside the image of 5 x 4"):
        values(*layer, 1)
