"""Problems of a net that are found without building it."""

import re
import shutil
import sys

import pytest

from caffe_pylayers._layer.phases import TEST, TRAIN
from caffe_pylayers._nets import prototxt
from caffe_pylayers._nets.check import problems

pytestmark = pytest.mark.caffe

LAYERS = """
import caffe
from caffe_pylayers import Layer, Parameter

class Good(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): pass
    def forward(self, bottom, top): pass
    def backward(self, top, propagate_down, bottom): pass

class Heir(Good): pass

class NoSetup(caffe.Layer):
    def forward(self, bottom, top): pass

class NoBackward(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): pass
    def forward(self, bottom, top): pass

class Ours(Layer):
    margin = Parameter(float, low=0, doc="in pixels")
    def reshape(self, bottom, top): pass

class Plain: pass

def factory(param): return Good(param)

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, the working one and on the Python path; what is imported from it goes with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def found(folder):
    """found(text): the problems of a net, without the path before each."""

    def find(text, *args):
        path = folder / "net.prototxt"
        path.write_text(text)
        messages = problems(prototxt.read_net(path), path, *args)
        assert all(message.startswith(f"{path}: ") for message in messages)
        return [message[len(f"{path}: ") :] for message in messages]

    return find


def python(module, cls, more=""):
    """A net with a Python layer in front of which something learns."""
    return (
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }\n'
        f'layer {{ name: "p" type: "Python" bottom: "y" top: "z" {more.split("|")[0]}\n'
        f'  python_param {{ module: "{module}" layer: "{cls}" {"".join(more.split("|")[1:])} }} }}'
    )


@pytest.mark.parametrize(
    ("cls", "more", "wanted"),
    [
        ("Good", "loss_weight: 1", []),
        ("Good", "|param_str: 'whatever it likes'", []),
        ("Heir", "loss_weight: 1", []),
        ("factory", "loss_weight: 1", []),
        ("NoSetup", "", ["class NoSetup has no method setup", "class NoSetup has no method reshape"]),
        ("NoBackward", "", []),
        ("NoBackward", "loss_weight: 1 include { phase: TEST }", []),
        (
            "NoBackward",
            "loss_weight: 1",
            [
                "class NoBackward has no method backward, and Caffe calls it "
                "(y <- InnerProduct ip learns (lr_mult 1, 1))"
            ],
        ),
        (
            "Ours",
            "loss_weight: 1|param_str: '{\"margin\": -1}'",
            [
                "class Ours has no method forward",
                "class Ours has no method backward, and Caffe calls it (y <- InnerProduct ip learns (lr_mult 1, 1))",
                "parameter margin must be a number >= 0, got -1.0",
            ],
        ),
        (
            "Ours",
            "|param_str: '{\"marge\": 1}'",
            [
                "class Ours has no method forward",
                "unknown parameter 'marge' in param_str (did you mean 'margin'?); known: margin",
            ],
        ),
        (
            "Ours",
            "",
            [
                "class Ours has no method forward",
                "parameter margin is required in param_str: a number >= 0 (in pixels)",
            ],
        ),
        ("Plain", "", ["class Plain does not derive from caffe.Layer"]),
        ("number", "", ["some_layers.number is no class but 3"]),
        (
            "God",
            "",
            [
                "some_layers (FILE) has no 'God' (did you mean 'Good'?); "
                "its layers: Good, Heir, NoBackward, NoSetup, Ours"
            ],
        ),
        ("", "", ["python_param needs a module and a layer (the class in that module)"]),
    ],
)
def test_classes(found, folder, cls, more, wanted):
    file = folder / "some_layers.py"
    file.write_text(LAYERS)
    wanted = [f'layer "p" (Python): {message}'.replace("FILE", str(file)) for message in wanted]
    assert found(python("some_layers", cls, more)) == wanted


def test_a_module_without_layers(found, folder):
    file = folder / "no_layers_here.py"
    file.write_text("")
    assert found(python("no_layers_here", "A")) == [
        f"layer \"p\" (Python): no_layers_here ({file}) has no 'A', and no other class derived from caffe.Layer"
    ]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (
            "import json\njson.loads('')\n",
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (FILE:2 ... DECODER)",
        ),
        ("x = 1\ny = z\n", "NameError: name 'z' is not defined (FILE:2)"),
        ("import not_installed_here", "ModuleNotFoundError: No module named 'not_installed_here' (FILE:1)"),
        ("import sys\nsys.exit('bye')", "SystemExit: bye (FILE:2)"),
        ("x = = 1", "SyntaxError: invalid syntax (broken_module.py, line 1)"),
    ],
)
def test_a_module_that_fails(found, folder, source, wanted):
    file = folder / "broken_module.py"
    file.write_text(source)
    wanted = wanted.replace("FILE", str(file))
    (message,) = found(python("broken_module", "A"))
    message = re.sub(r"\S+/json/decoder\.py:\d+", "DECODER", message)
    assert message == f'layer "p" (Python): importing broken_module fails with {wanted}'


def test_a_module_that_is_not_found(found, folder):
    elsewhere = folder / "lib" / "package"
    elsewhere.mkdir(parents=True)
    (elsewhere / "hidden.py").write_text("")
    prefix = 'layer "p" (Python): no module named '
    for module, help_ in [
        ("nowhere", "put the folder of its file on PYTHONPATH"),
        ("package.hidden", f"{elsewhere / 'hidden.py'} is there, so put {folder / 'lib'} on PYTHONPATH"),
        ("layers/some.py", "module takes a module's name, not a file: write 'some' and put its folder on PYTHONPATH"),
        ("some.py", "module takes a module's name, not a file: write 'some' and put its folder on PYTHONPATH"),
    ]:
        assert found(python(module, "A")) == [f"{prefix}{module!r}; {help_}"]


def test_the_bare_names_are_known(found, root, monkeypatch):
    bare = root / "caffe_pylayers" / "bare"
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(bare)])
    monkeypatch.delitem(sys.modules, "one_hot", raising=False)
    (message,) = found(python("one_hot", "label2one_hot"))
    assert message.endswith(f"no module named 'one_hot'; {bare / 'one_hot.py'} is there, so put {bare} on PYTHONPATH")


DATA = 'layer {{ name: "data" type: "{}" top: "x" {} }}'


@pytest.mark.parametrize(
    ("kind", "param", "fields"),
    [
        ("Data", 'data_param { source: "gone" }', ["data_param.source"]),
        ("HDF5Data", 'hdf5_data_param { source: "gone" }', ["hdf5_data_param.source"]),
        ("HDF5Data", 'hdf5_data_param { source: "list.txt" }', ["hdf5_data_param.source list.txt lists"]),
        ("ImageData", 'image_data_param { source: "gone" }', ["image_data_param.source"]),
        ("WindowData", 'window_data_param { source: "gone" }', ["window_data_param.source"]),
        (
            "Data",
            'data_param { source: "here" } transform_param { mean_file: "gone" }',
            ["transform_param.mean_file"],
        ),
        ("Data", 'data_param { source: "here" }', []),
        ("HDF5Data", 'hdf5_data_param { source: "good.txt" }', []),
    ],
)
def test_files(found, folder, kind, param, fields):
    (folder / "here").mkdir()
    (folder / "here" / "CURRENT").touch()  # of a LevelDB, the backend unless another is named
    (folder / "list.txt").write_text("here\ngone\n")
    (folder / "good.txt").write_text("here here\n")
    assert found(DATA.format(kind, param)) == [
        f'layer "data" ({kind}): {field} "gone" does not exist; Caffe looks for it from the working directory, {folder}'
        for field in fields
    ]


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        ("Data", 'source: "here" backend: LMDB', "here cannot be opened as LMDB: it has no data.mdb"),
        ("Data", 'source: "here" backend: LEVELDB', "here cannot be opened as LevelDB: it has no CURRENT"),
        ("Data", 'source: "db/train"', "db/train cannot be opened as LevelDB: it is LMDB, so write backend: LMDB; "),
        ("Data", 'source: "db" backend: LMDB', "db cannot be opened as LMDB: it is the folder of train; name one"),
        ("HDF5Data", 'source: "x.h5"', "x.h5 is an HDF5 file; takes a text file that lists HDF5 files"),
        ("ImageData", 'source: "tabs.txt"', r'tabs.txt:2: "b.png\t1": a line has a path, one blank and a label; this'),
        ("WindowData", 'source: "x.h5"', "x.h5 is an HDF5 file; takes a text file that lists windows"),
    ],
)
def test_sources_of_another_kind(found, folder, kind, param, message):
    (folder / "here").mkdir()
    (folder / "db" / "train").mkdir(parents=True)
    (folder / "db" / "train" / "data.mdb").touch()
    (folder / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\0")
    (folder / "tabs.txt").write_text("a.png 1\nb.png\t1\n")
    field = {"Data": "data_param", "HDF5Data": "hdf5_data_param", "ImageData": "image_data_param"}
    (problem,) = found(DATA.format(kind, f"{field.get(kind, 'window_data_param')} {{ {param} }}"))
    assert problem.startswith(f'layer "data" ({kind}): {message}')


def test_a_file_that_cannot_be_read(found, folder, monkeypatch):
    (folder / "list.txt").touch()
    monkeypatch.setattr("os.access", lambda path, mode: path != "list.txt")
    (message,) = found(DATA.format("ImageData", 'image_data_param { source: "list.txt" }'))
    assert message == 'layer "data" (ImageData): image_data_param.source "list.txt" cannot be read: Permission denied'


def test_the_infogain_matrix(found, folder):
    (folder / "data").mkdir()
    (folder / "data" / "CURRENT").touch()
    text = DATA.format("Data", 'top: "t" data_param { source: "data" }')
    text += 'layer { name: "l" type: "InfogainLoss" bottom: "x" bottom: "t" infogain_loss_param { source: "gone" } }'
    (message,) = found(text)
    assert message.startswith('layer "l" (InfogainLoss): infogain_loss_param.source "gone" does not exist')


def test_unknown_types(found):
    assert found(DATA.format("Inputt", "")) == ['layer "data" (Inputt): unknown layer type; did you mean Input?']
    assert found(DATA.format("python", "")) == ['layer "data" (python): unknown layer type; did you mean Python?']
    (message,) = found(DATA.format("Relu", ""))
    assert message.startswith('layer "data" (Relu): unknown layer type; did you mean ReLU or ')
    (message,) = found(DATA.format("Qqqqqqqq", ""))
    assert message.startswith('layer "data" (Qqqqqqqq): unknown layer type; this caffe has AbsVal, Accuracy, ')


def test_types_of_forks(found):
    text = "".join(
        f"layer {{ name: '{name}' type: '{kind}' top: '{name}' }}\n"
        for name, kind in [("a", "Mish"), ("b", "DenseCRF"), ("c", "DenseCRF"), ("d", "DenseCRF"), ("e", "Interp")]
    )
    assert found(text) == [
        'unknown layer types of sophgo/caffe: Mish (layer "a": ported); '
        "caffe-pylayers port writes the net for this caffe",
        'unknown layer types of hszhao/PSPNet: DenseCRF (layer "b", "c" and 1 more: not yet), '
        'Interp (layer "e": ported); caffe-pylayers port writes the net for this caffe',
    ]


def test_a_layer_without_a_type(found):
    text = DATA.format("Input", "") + 'layer { bottom: "x" top: "y" }'
    assert found(text) == ['layer "": layer[1] of the net has no type']


@pytest.mark.parametrize(("kind", "meant"), [("Permuet", "Permute"), ("ConvDepthwise", "ConvolutionDepthwise")])
def test_types_of_forks_are_meant_too(found, monkeypatch, kind, meant):
    monkeypatch.setattr("caffe_pylayers._engine.on_runtime", lambda: True)
    (message,) = found(DATA.format(kind, ""))
    assert f"; did you mean {meant}" in message


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [
        ("overlapp", "DiceLoss", "no module named 'caffe_pylayers.overlapp'; did you mean 'caffe_pylayers.overlap'?"),
        ("overlap", "diceloss", " has no 'diceloss' (did you mean 'DiceLoss'?); "),
        ("overlap", "Dice", "; its layers: DiceLoss, FocalTverskyLoss, GeneralizedDiceLoss, TverskyLoss"),
    ],
)
def test_names_of_the_package_s_layers(found, module, layer, message):
    (problem,) = found(DATA.format("Python", f'python_param {{ module: "caffe_pylayers.{module}" layer: "{layer}" }}'))
    assert message in problem


def test_a_caffe_without_python_layers(found, monkeypatch):
    import caffe

    monkeypatch.setattr(caffe, "layer_type_list", lambda: ["Data"])
    text = DATA.format("Python", 'python_param { module: "caffe_pylayers.one_hot" layer: "label2one_hot" }')
    assert found(text) == [
        'layer "data" (Python): unknown layer type; this caffe was built without Python layers, '
        "see `caffe-pylayers check`"
    ]


def test_wiring_and_rules(found):
    assert found('layer { name: "r" type: "ReLU" bottom: "x" top: "x" }') == [
        'layer "r" (ReLU): no layer before it makes its bottom "x"'
    ]
    assert found('layer { name: "r" type: "ReLU" include { phase: TEST } exclude { phase: TRAIN } }') == [
        'layer "r" (ReLU): both include and exclude; Caffe takes one of them'
    ]


def test_one_state_only(found):
    text = DATA.format("Data", 'data_param { source: "gone" } include { phase: TEST stage: "s" min_level: 2 }')
    assert found(text) == []
    assert found(text, (TRAIN,), 2, ("s",)) == []
    assert found(text, (TEST,), 1, ("s",)) == []
    assert len(found(text, (TEST,), 2, ("s",))) == 1
    assert len(found(text, (TRAIN, TEST), 2, ["s", "t"])) == 1


def test_a_problem_of_both_phases_comes_once(found):
    assert len(found(DATA.format("Data", 'data_param { source: "gone" }'))) == 1


@pytest.mark.parametrize("name", ["train_test", "train_test_softmax", "train_test_euclidean"])
def test_the_examples_are_right(root, digits, monkeypatch, name):
    monkeypatch.chdir(digits)
    path = root / "prototxt" / "lenet" / f"{name}.prototxt"
    assert problems(prototxt.read_net(path), path) == []
    shutil.copy(path, digits)
    monkeypatch.chdir(digits.parent)
    assert len(problems(prototxt.read_net(path), path)) == 2
