"""What importing the package loads, and what it does without an engine."""

import subprocess
import sys
from pathlib import Path

import pytest

import caffe_pylayers

ROOT = Path(caffe_pylayers.__file__).parent
MODULES = [f"caffe_pylayers.{path.stem}" for path in sorted(ROOT.glob("[!_]*.py"))]


def run(code):
    subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, check=True)


def test_the_package_loads_no_engine():
    run("import sys, caffe_pylayers, caffe_pylayers.cli; assert not {'caffe', 'torch', 'numpy'} & set(sys.modules)")


def test_no_verb_loads_an_engine_before_it_runs():
    """Real Caffe is told how much to log before it is loaded, and --help needs none."""
    verbs = "import importlib, sys; from caffe_pylayers.cli import VERBS, _module"
    run(f"{verbs}\nfor verb in VERBS: _module(verb)\nassert not {{'caffe', 'torch'}} & set(sys.modules)")


def test_no_layer_module_needs_caffe_or_loads_torch():
    run(f"""
import importlib, sys
sys.modules["caffe"] = None
for name in {MODULES}:
    module = importlib.import_module(name)
    assert "torch" not in sys.modules, name
    assert all(hasattr(module, each) for each in module.__all__), name
""")


def test_a_broken_caffe_is_not_taken_for_none(tmp_path):
    (tmp_path / "caffe.py").write_text("import no_such_library")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\ntry:\n import caffe_pylayers.pyloss\n"
    run(
        code
        + "except ModuleNotFoundError as error:\n assert error.name == 'no_such_library'\nelse:\n raise SystemExit(1)"
    )


def test_a_module_that_is_not_pycaffe_is_named(tmp_path):
    (tmp_path / "caffe.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\ntry:\n import caffe_pylayers.pyloss\n"
    run(code + "except ImportError as error:\n assert 'is not pycaffe' in str(error)\nelse:\n raise SystemExit(1)")


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'Leyer'"):
        _ = caffe_pylayers.Leyer


# --- Caffe's messages --------------------------------------------------------------------------------


def test_messages_load_no_torch():
    pytest.importorskip("google.protobuf.internal.builder", reason="the package's messages need protobuf 3.20")
    code = """
from caffe_pylayers._nets import prototxt
net = prototxt.parse_net('layers { name: "r" type: RELU }')
assert net.layer[0].type == "ReLU"
import caffe_pylayers.runtime.proto.caffe_pb2 as ours
assert isinstance(net, ours.NetParameter)
assert not {"torch", "numpy", "caffe"} & set(sys.modules)
"""
    run(f"import os, sys; os.environ['CAFFE_PYLAYERS_ENGINE'] = 'runtime'{code}")


def test_messages_are_a_real_caffes_where_there_is_one(tmp_path):
    proto = tmp_path / "caffe" / "proto"
    proto.mkdir(parents=True)
    (proto.parent / "__init__.py").write_text("layer_type_list = list")
    (proto / "__init__.py").write_text("")
    (proto / "caffe_pb2.py").write_text("mine = True")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom caffe_pylayers import _engine\n"
    run(f"{code}assert _engine.messages().mine")
    run(f"{code}with _engine.chosen('caffe'):\n assert _engine.messages().mine")
    pytest.importorskip("google.protobuf.internal.builder", reason="the package's messages need protobuf 3.20")
    run(f"{code}with _engine.chosen('runtime'):\n assert _engine.messages().__name__.startswith('caffe_pylayers.')")


def test_an_older_protobuf_is_named():
    """Such as that of Debian's Caffe, 3.12, in a Python without its Caffe."""
    run("""
import sys
import google.protobuf
google.protobuf.__version__ = "3.12.4"
sys.modules["google.protobuf.internal.builder"] = None
from caffe_pylayers import _engine
try:
    with _engine.chosen("runtime"):
        _engine.messages()
except _engine.EngineError as error:
    assert str(error).endswith("3.20 or newer, which is 3.12.4 here: pip install -U protobuf"), error
else:
    raise SystemExit("the messages were loaded")
""")


def test_an_unknown_engine_has_no_messages(monkeypatch):
    from caffe_pylayers import _engine

    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "theano")
    with pytest.raises(_engine.EngineError, match="must be one of caffe, runtime, got 'theano'"):
        _engine.messages()


@pytest.mark.parametrize("asked", ["runtime.install()", "runtime.Net"])
def test_the_runtime_says_what_to_install(asked):
    run(f"""
import sys
sys.modules["torch"] = None
from caffe_pylayers import runtime
try:
    {asked}
except ImportError as error:
    assert str(error).startswith("the runtime needs torch: pip install 'caffe-pylayers[runtime]'"), error
else:
    raise SystemExit("there is a runtime")
""")


@pytest.mark.parametrize("module", ["pycaffe", "runtime.rng", "runtime.timer", "runtime.files.weights", "runtime.data"])
def test_torch_is_loaded_by_openmp(module):
    pytest.importorskip("torch")
    run(f"""
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        assert name != "torch" or "caffe_pylayers.runtime._openmp" in sys.modules, "torch comes before _openmp"
sys.meta_path.insert(0, Watch())
import caffe_pylayers.{module}
assert "torch" in sys.modules
""")
