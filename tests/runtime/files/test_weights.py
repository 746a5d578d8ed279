"""Files of weights: our own, those of other writers, and what does not fit."""

import os

import h5py
import numpy as np
import pytest

from caffe_pylayers.runtime.files import blob_proto, weights
from tests.runtime.files.weight_files import (
    NET,
    SHAPES,
    SHARED,
    assert_equal,
    fill,
    make_net,
    old_models,
    values,
    write,
)


@pytest.fixture
def net(tmp_path):
    return make_net(tmp_path)


@pytest.fixture
def other(tmp_path):
    """The same net with other weights."""
    return fill(make_net(tmp_path), seed=2)


def model(net, **changes):
    """The net's caffemodel with one layer's blobs made by a function."""
    message = weights.to_message(net)
    for layer in message.layer:
        if layer.name in changes:
            changes[layer.name](layer)
    return message


# --- our own files -------------------------------------------------------------------------------


@pytest.mark.parametrize(("save", "load"), [(weights.save, weights.load), (weights.save_hdf5, weights.load_hdf5)])
@pytest.mark.parametrize("load_any", [False, True])
def test_round_trip(net, other, tmp_path, save, load, load_any):
    save(fill(net), tmp_path / "file")
    (weights.load if load_any else load)(other, str(tmp_path / "file"))
    assert_equal(values(other), values(net))
    assert {name: [blob.shape for blob in blobs] for name, blobs in net.params.items()} == SHAPES


def test_gradients_are_written_and_read_only_if_asked_for(net, other, tmp_path):
    before = values(other, "diff")
    weights.save(fill(net), tmp_path / "file")
    weights.load(other, tmp_path / "file")
    assert_equal(values(other, "diff"), before)
    weights.save(net, tmp_path / "file", write_diff=True)
    weights.load(other, tmp_path / "file")
    assert_equal(values(other, "diff"), values(net, "diff"))


def test_hdf5_layout(net, tmp_path):
    weights.save_hdf5(fill(net), tmp_path / "file.h5", write_diff=True)
    with h5py.File(tmp_path / "file.h5") as file:
        assert set(file["data"]) == set(file["diff"]) == set(net._layer_names)
        found = {(name, int(i)): blob[()] for name, group in file["data"].items() for i, blob in group.items()}
        owned = {key: value for key, value in values(net).items() if key != SHARED}
        assert_equal(found, owned)
        found = {(name, int(i)): blob[()] for name, group in file["diff"].items() for i, blob in group.items()}
        assert_equal(found, values(net, "diff"))


def test_layers_are_matched_by_name(net, tmp_path):
    weights.save(fill(net), tmp_path / "file")
    weights.save_hdf5(net, tmp_path / "file.h5")
    renamed = NET.replace('"conv"', '"conv2"', 1).replace('name: "a"', 'name: "b"', 1).replace('name: "b"', 'name: "a"')
    for path in (tmp_path / "file", tmp_path / "file.h5"):
        target = make_net(tmp_path, renamed)
        before = values(target)
        weights.load(target, path)
        assert_equal(
            {key: value for key, value in values(target).items() if key[0] == "bn"},
            {key: value for key, value in values(net).items() if key[0] == "bn"},
        )
        np.testing.assert_array_equal(target.params["conv2"][0].data, before["conv2", 0])


def test_a_file_is_replaced_when_the_new_one_is_whole(net, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "file"
    weights.save(fill(net), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError("disk")))
    for save in (weights.save, weights.save_hdf5):
        with pytest.raises(OSError, match="disk"):
            save(net, path)
    assert path.read_bytes() == before
    assert os.listdir(folder) == ["file"]


def test_python_layers(tmp_path, monkeypatch):
    (tmp_path / "bias_of_mine.py").write_text(
        "import caffe\nclass Bias(caffe.Layer):\n"
        "    def setup(self, bottom, top):\n        self.blobs.add_blob(3)\n"
        "    def reshape(self, bottom, top):\n        top[0].reshape(1)\n"
        "    def forward(self, bottom, top):\n        pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    python = 'layer { name: "py" type: "Python" top: "x" python_param { module: "bias_of_mine" layer: "Bias" } }'
    net, other = make_net(tmp_path, python), make_net(tmp_path, python)
    net.params["py"][0].data[...] = [1, 2, 3]
    weights.save(net, tmp_path / "file")
    weights.load(other, tmp_path / "file")
    np.testing.assert_array_equal(other.params["py"][0].data, [1, 2, 3])


# --- old files, files of other writers -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["v0", "v1", "double", "unpacked"])
def test_old_files(net, other, tmp_path, kind):
    path = write(tmp_path / "old", old_models(fill(net))[kind])
    weights.load(other, path)
    assert_equal(values(other), values(net))


def test_hdf5_of_other_writers(net, other, tmp_path):
    fill(net)
    with h5py.File(tmp_path / "file.h5", "w") as file:
        for (name, i), array in values(net).items():
            file[f"data/{name}/{i}"] = array.astype(np.float64) if name == "a" else array
        file["data/bn/2"][...] = 3
        del file["data/conv/1"]
        file["data/conv/1"] = np.arange(4)
        file["data/elsewhere/0"] = [1.0]
    weights.load(other, tmp_path / "file.h5")
    np.testing.assert_array_equal(other.params["conv"][1].data, [0, 1, 2, 3])
    np.testing.assert_array_equal(other.params["bn"][2].data, [3])
    np.testing.assert_array_equal(other.params["a"][0].data, net.params["a"][0].data)


# --- what does not fit ---------------------------------------------------------------------------


def reshaped(*dims):
    def change(layer):
        blob_proto.fill(layer.blobs[0], np.zeros(dims))

    return change


def without_last(layer):
    del layer.blobs[-1]


def short(kind):
    return lambda layer: getattr(layer.blobs[0], kind).extend([0.0])


RENAME = "; to learn a layer anew, give it another name"


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("a", reshaped(3, 35), f'layer "a", blob 0 has shape (3, 35), the net\'s (3, 36){RENAME}'),
        ("a", reshaped(1, 1, 3, 36), f'layer "a", blob 0 has shape (1, 1, 3, 36), the net\'s (3, 36){RENAME}'),
        ("b", without_last, f'layer "b" has 1 blobs, the net\'s 2{RENAME}'),
        ("bn", short("data"), 'layer "bn", blob 0 of shape (4,) needs 4 values, got 5'),
        ("bn", short("double_data"), 'layer "bn", blob 0 of shape (4,) needs 4 values, got 1'),
        ("bn", short("diff"), 'layer "bn", blob 0 of shape (4,) needs 4 gradients, got 1'),
    ],
)
def test_says_what_does_not_fit(net, other, tmp_path, layer, change, message):
    before = values(other)
    path = write(tmp_path / "file", model(fill(net), **{layer: change}))
    with pytest.raises(ValueError, match=r"file: ") as error:
        weights.load(other, path)
    assert str(error.value) == f"{path}: {message}"
    assert_equal(values(other), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a/0": np.zeros((1, 1, 3, 36))}, f'layer "a", blob 0 has shape (1, 1, 3, 36), the net\'s (3, 36){RENAME}'),
        ({"a/0": None}, f'layer "a" has 1 blobs, the net\'s 2{RENAME}'),
        ({"bn/3": np.zeros(1)}, f'layer "bn" has 4 blobs, the net\'s 3{RENAME}'),
        ({"scalar/0": "one"}, 'layer "scalar", blob 0: no dataset of numbers'),
    ],
)
def test_says_what_does_not_fit_in_hdf5(net, other, tmp_path, change, message):
    before = values(other)
    path = tmp_path / "file.h5"
    weights.save_hdf5(fill(net), path)
    with h5py.File(path, "a") as file:
        for key, array in change.items():
            if f"data/{key}" in file:
                del file[f"data/{key}"]
            if array is not None:
                file[f"data/{key}"] = array
    with pytest.raises(ValueError, match=r"file\.h5: ") as error:
        weights.load(other, path)
    assert str(error.value) == f"{path}: {message}"
    assert_equal(values(other), before)


@pytest.mark.parametrize("save", [weights.save, weights.save_hdf5])
def test_files_that_are_not_whole(net, tmp_path, save):
    path = tmp_path / "file"
    save(fill(net), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"file: .*not whole|file: .*not a whole one"):
        weights.load(net, path)


def test_files_that_are_something_else(net, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"file: empty$"):
        weights.load(net, path)
    path.write_text(NET)
    with pytest.raises(ValueError, match=r"file: a text, \"\\nname: .*\", no caffemodel, or not a whole one$"):
        weights.load(net, path)
    with pytest.raises(ValueError, match=r"file: not an HDF5 file$"):
        weights.load_hdf5(net, path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(ValueError, match=r"file: not what is expected, or not a whole one: .*data"):
        weights.load(net, path)
    with pytest.raises(FileNotFoundError):
        weights.load(net, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name: "sum"', 'name: "su/m"', 'HDF5 cannot have a layer named "su/m"; rename it, or save as binary'),
        ('name: "sum"', "", 'HDF5 cannot have a layer named ""'),
        ('name: "sum"', 'name: "in"', 'HDF5 cannot have two layers named "in"'),
    ],
)
def test_names_that_hdf5_cannot_have(tmp_path, old, new, message):
    net = make_net(tmp_path, NET.replace(old, new))
    with pytest.raises(ValueError, match=message):
        weights.save_hdf5(net, tmp_path / "file.h5")
    assert not (tmp_path / "file.h5").exists()
