"""Old code as the loader runs it."""

from types import ModuleType

import pytest


@pytest.fixture
def run_old(tmp_path):
    """Run a text as a translated module; returns its names."""
    pytest.importorskip("fissix")
    from caffe_pylayers._compat import loader

    def run(text, package="", **given):
        path = tmp_path / "old.py"
        path.write_text(text)
        module = ModuleType("old")
        module.__dict__.update(given)
        loader.provide(module)
        exec(loader.code_of(str(path), package), module.__dict__)
        return module.__dict__

    return run
