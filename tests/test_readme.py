"""The README's code runs, and its tables are complete."""

import importlib
import re
import sys

import pytest

import caffe_pylayers
from caffe_pylayers import Layer


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text()


def test_the_layer_of_the_readme_keeps_the_contract(readme, tmp_path, monkeypatch):
    layer, test = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "my_layers.py").write_text(layer)
    monkeypatch.syspath_prepend(tmp_path)
    names = {}
    try:
        exec(compile(test, "README.md", "exec"), names)
        names["test_scaled_tanh"]()
        assert names["ScaledTanh"].__module__ == "my_layers"
    finally:
        sys.modules.pop("my_layers", None)


def test_the_table_of_layers_is_complete(readme, root):
    rows = dict(re.findall(r"^\| `caffe_pylayers\.(\w+)` \| (.*?) \|", readme, re.MULTILINE))
    folder = root / "caffe_pylayers"
    assert set(rows) == {path.stem for path in folder.glob("[!_]*.py")}
    for stem, cell in rows.items():
        module = importlib.import_module(f"caffe_pylayers.{stem}")
        public = [getattr(module, name) for name in module.__all__]
        layers = [item.__name__ for item in public if isinstance(item, type) and issubclass(item, Layer)]
        assert re.findall(r"`(\w+)`", cell) == layers


def test_the_version_is_in_the_changelog(root):
    assert f"## {caffe_pylayers.__version__} " in (root / "CHANGELOG.md").read_text()
