"""CSVData and NPZData beside NumPy's own reading, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.table_data import CSVData, NPZData
from caffe_pylayers.testing import LayerRun
from tests.layers.files import text


def run(layer=CSVData, tops=2, phase=1, **options):
    return LayerRun(layer, param_str=str(options), tops=tops, phase=phase)


def test_the_values_are_numpys(tmp_path):
    values = np.random.RandomState(0).standard_normal((7, 4))
    path = tmp_path / "table.csv"
    np.savetxt(path, values, delimiter=";", header="a;b;c;d", comments="")
    data, label = run(source=str(path), delimiter=";", labels=["d", "b"], batch_size=7).forward()
    table = np.genfromtxt(path, delimiter=";", names=True)
    np.testing.assert_array_equal(data, np.stack([table["a"], table["c"]], 1).astype(np.float32))
    np.testing.assert_array_equal(label, np.stack([table["d"], table["b"]], 1).astype(np.float32))


def test_a_spreadsheets_file(tmp_path):
    """With a byte order mark, quotes, carriage returns and an empty line in the end."""
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbf"x, of all",y\r\n"1","2"\r\n\r\n3,4\r\n\r\n')
    data, label = run(source=str(path), labels=["x, of all"], batch_size=2).forward()
    assert (data.tolist(), label.tolist()) == ([[2], [4]], [1, 3])


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["a,b", "1,2", "3"], {}, "table.csv:3: has 1 values for 2 columns$"),
        (["a,b", "1,2", "3,x"], {}, "table.csv:3: column b: 'x' is no number$"),
        (["a,b", "1,2"], {"labels": ["c"]}, "table.csv: has no column 'c'; it has a, b$"),
        (["1,2"], {"labels": ["2"]}, "table.csv: has no column '2'; it has 0, 1$"),
        (["a,b"], {}, "table.csv: has no rows$"),
        ([], {}, "table.csv: has no rows$"),
        (["1"], {"labels": ["0"]}, "table.csv: no column is left for the data$"),
        (["1,2"], {"source": "/none.csv"}, "/none.csv: No such file or directory$"),
    ],
)
def test_refused_tables(tmp_path, lines, options, message):
    source = text(tmp_path / "table.csv", *lines)
    with pytest.raises(ValueError, match=rf"^CSVData: .*{message}"):
        run(tops=1, **{**{"source": str(source)}, **options})


def test_sampling_needs_labels(tmp_path):
    source = text(tmp_path / "table.csv", "1,2")
    with pytest.raises(ValueError, match=r"^CSVData: sampling by class needs the parameter labels$"):
        run(tops=1, phase=0, source=str(source), sampling="balanced")


def test_arrays(tmp_path):
    arrays = {"x": np.random.rand(5, 3, 2), "y": np.arange(5, dtype=np.uint8)}
    np.savez(tmp_path / "a.npz", **arrays)
    x, y = run(NPZData, source=str(tmp_path / "a.npz"), arrays=["x", "y"], batch_size=5, scale=2).forward()
    np.testing.assert_array_equal(x, (arrays["x"] * 2).astype(np.float32))
    np.testing.assert_array_equal(y, arrays["y"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arrays": ["x", "z"]}, r"a.npz: has no array 'z'; it has x, y, words$"),
        ({"arrays": ["x", "y"]}, "a.npz: its arrays have other numbers of rows: x has 5, y has 4$"),
        ({"arrays": ["words"]}, "a.npz: words must hold rows of numbers, got array"),
        ({"arrays": ["x"], "source": "x.npy"}, "x.npy: is no npz file$"),
        ({"arrays": ["x"], "source": "text.npz"}, "text.npz: "),
        ({"arrays": ["x"], "source": "none.npz"}, "none.npz: No such file or directory$"),
        ({"arrays": ["x"], "sampling": "classes"}, r"sampling by class needs an array of one axis, x is \(5, 2\)$"),
    ],
)
def test_refused_arrays(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.zeros((5, 2)), y=np.zeros(4), words=np.array(["a"]))
    np.save("x.npy", np.zeros(3))
    text(tmp_path / "text.npz", "no zip")
    with pytest.raises(ValueError, match=rf"^NPZData: {message}"):
        run(NPZData, tops=len(options["arrays"]), phase=0, **{**{"source": "a.npz", "batch_size": 4}, **options})
