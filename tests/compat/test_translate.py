"""Python 2 and old libraries: rewritten for good, and translated as they are imported."""

import contextlib
import sys
from types import ModuleType

import pytest

pytest.importorskip("fissix")

from caffe_pylayers._compat import bridges, loader
from caffe_pylayers._compat.age import is_python_2
from caffe_pylayers._compat.bridges import language
from caffe_pylayers._compat.translate import TranslationError, translate
from caffe_pylayers.cli import main

REWRITTEN = [
    ("print 'a', b", "print('a', b)"),
    ("try:\n    f()\nexcept Exception, e:\n    raise", "try:\n    f()\nexcept Exception as e:\n    raise"),
    ("raise ValueError, 'no'", "raise ValueError('no')"),
    ("for i in xrange(3): pass", "for i in range(3): pass"),
    ("for k, v in d.iteritems(): pass", "for k, v in d.items(): pass"),
    ("if d.has_key(k) or a <> b: pass", "if k in d or a != b: pass"),
    ("x = `y` + unicode(z)", "x = repr(y) + str(z)"),
    ("import cPickle as pickle, Queue", "import pickle as pickle, queue"),
    ("x = map(f, xrange(3))", "x = list(map(f, range(3)))"),
    ("mode = 0755", "mode = 0o755"),
    ("p = yaml.load(self.param_str_)  # why", "p = yaml.full_load(self.param_str)  # why"),
    ("x = np.zeros(3, np.float).astype(numpy.int)", "x = np.zeros(3, float).astype(int)"),
    ("x = np.asscalar(a[0])", "x = np.asarray(a[0]).item()"),
    ("x = np.fromstring(b, np.uint8)", "x = np.frombuffer(b, np.uint8).copy()"),
    ("x = a.tostring()", "x = a.tobytes()"),
    ("from time import clock", "from time import perf_counter as clock"),
    ("from yaml import load", "from yaml import full_load as load"),
    ("from collections import Mapping", "from collections.abc import Mapping"),
    ("x = zip(a, b)[0]", "x = list(zip(a, b))[0]"),
    ("import cPickle\nx = cPickle.load(open(f))", 'import pickle\nx = pickle.load(open(f, "rb"), encoding="latin1")'),
    ("print 1\nx = pickle.loads(b)", 'print(1)\nx = pickle.loads(b, encoding="latin1")'),
    ("t = time.clock()", "t = time.perf_counter()"),
    ("print 1\nprint ('%d' % 2)", "print(1)\nprint ('%d' % 2)"),
    ("import types\nprint isinstance(x, types.StringType)", "import types\nprint(isinstance(x, str))"),
    ("import string\nx = string.atoi(a)", "import string\nx = int(a)"),
    ("#!/usr/bin/env python2.7 -u\nx = 1", "#!/usr/bin/env python3 -u\nx = 1"),
    ("x = file(name).read()", "x = open(name).read()"),
    (
        "x.sort(lambda a, b: cmp(b, a))",
        "import functools\nx.sort(key=functools.cmp_to_key(lambda a, b: ((b) > (a)) - ((b) < (a))))",
    ),
    ("print 1\nsorted(x, cmp=f)", "import functools\nprint(1)\nsorted(x, key=functools.cmp_to_key(f))"),
    ("import string\nx = string.join(a, '_')", "import string\nx = str.join('_', a)"),
    ("import string\nx = string.letters + string.upper(a)", "import string\nx = string.ascii_letters + str.upper(a)"),
    (
        "print 1\nx = a.encode('hex')",
        'import codecs\nprint(1)\nx = codecs.encode(a.encode("latin1"), \'hex\').decode("latin1")',
    ),
    ("for i in xrange(3): print(i, end=' ')", "for i in range(3): print(i, end=' ')"),
    ("print d.keys()[0]", "print(list(d.keys())[0])"),
    ("import os, cPickle, urllib2", "import os, pickle, urllib.request, urllib.error, urllib.parse"),
    (
        "with open(f) as g:\n    print g.read()\nwith open(f, 'w') as g:\n    pickle.dump(x, g)",
        "with open(f) as g:\n    print(g.read())\nwith open(f, 'wb') as g:\n    pickle.dump(x, g)",
    ),
    (
        "g = open(a)\nprint g.read()\ng = open(b)\nx = pickle.load(g)",
        'g = open(a)\nprint(g.read())\ng = open(b, "rb")\nx = pickle.load(g, encoding="latin1")',
    ),
    ("print np.load(f).item()", 'print(np.load(f, allow_pickle=True, encoding="latin1").item())'),
    ("def f():\n        a()\n\tb()", "def f():\n        a()\n        b()"),
    ("if a:\n        x = '''\n\ty'''\n\tb()", "if a:\n        x = '''\n\ty'''\n        b()"),
    (
        "print 1\nwith tempfile.NamedTemporaryFile(delete=False) as f:\n    f.write(str(net))",
        'print(1)\nwith tempfile.NamedTemporaryFile(delete=False, mode="w+") as f:\n    f.write(str(net))',
    ),
    ("x = np.loadtxt(f, str, delimiter='\\n')", 'x = np.loadtxt(f, str, delimiter="\\x1f")'),
    ("yaml.load_all(text)", "yaml.full_load_all(text)"),
    ("x = Image.open(f).resize(s, Image.ANTIALIAS)", "x = Image.open(f).resize(s, Image.LANCZOS)"),
    ("cv2.imread(f, cv2.CV_LOAD_IMAGE_COLOR)", "cv2.imread(f, cv2.IMREAD_COLOR)"),
    (
        "c = cv2.cv.CV_FOURCC, cv2.cv.CV_CAP_PROP_FPS, cv2.CV_64F",
        "c = cv2.VideoWriter_fourcc, cv2.CAP_PROP_FPS, cv2.CV_64F",
    ),
    ("x = nd.interpolation.zoom(x, 2)", "x = nd.zoom(x, 2)"),
    ("from scipy.ndimage.filters import gaussian_filter", "from scipy.ndimage import gaussian_filter"),
    ("import h5py\nx = f[k].value[:]", "import h5py\nx = f[k][()][:]"),
    ("df.to_hdf(f, 'df', mode='w')", "df.to_hdf(f, key='df', mode='w')"),
    ("plt.hist(x, normed=True)\nplt.axes(axisbg='w')", "plt.hist(x, density=True)\nplt.axes(facecolor='w')"),
    ("isinstance(x, collections.Mapping)", "isinstance(x, collections.abc.Mapping)"),
    ("x = np.genfromtxt(f, dtype=None)", "x = np.genfromtxt(f, dtype=None, encoding=None)"),
    ("x = np.genfromtxt(f, dtype=None, names=True,)", "x = np.genfromtxt(f, dtype=None, names=True, encoding=None)"),
]
MODERN = [
    "print('a', file=f)",
    "x = yaml.load(text, Loader=yaml.FullLoader)",
    "x = np.float64(3) + np.int_(2)",
    "x = np.fromstring(text, dtype=int, sep=' ') + np.fromstring(text, int, -1, ' ')",
    "x = pickle.load(f)",
    "from yaml import load\nx = load(text, Loader=Loader)",
    "x = {**a, 'range': range(3)}",
    "self.param_string",
    "x = np.genfromtxt(f, dtype=float)",
    "with tempfile.NamedTemporaryFile() as f:\n    np.save(f, x)",
    "np.histogram(x, normed=True)",
    "x = np.sort(a)\na.sort(axis)",
    "node.attributes['name'].value",
    "from six.moves import xrange\nfor i in xrange(3): pass",
    "def cmp(a, b): pass\ncmp(1, 2)",
    "string = string.lower()",
    "def f(a: int, /, *, b=1) -> str: return f'{a!r}'",
]
LAYER = """
import caffe
import sibling  # beside it, in a package
import numpy as np

class Old(caffe.Layer):
    def setup(self, bottom, top):
        self.n = int(self.param_str_) / 2
        print "phase", self.phase
    def reshape(self, bottom, top):
        top[0].reshape(self.n)
    def forward(self, bottom, top):
        x = np.arange(8.0)
        x /= 4
        k = np.arange(3)
        k /= 2
        top[0].data[...] = x[:self.n / 1.0] + sibling.ONE + k.sum()
    def backward(self, top, propagate_down, bottom):
        pass
"""


@pytest.mark.parametrize(("old", "new"), REWRITTEN)
def test_rewritten_once(old, new):
    assert translate(old, "x.py").text == new
    assert translate(new, "x.py").text == new


@pytest.mark.parametrize("text", MODERN)
def test_left_alone(text):
    assert not is_python_2(text, "x.py")
    assert translate(text, "x.py").text == text
    assert not translate(text, "x.py").bridged


def test_divisions_are_named_where_they_may_round_down():
    assert translate("print 1\nx = a / b\nx /= 2\ny = a // b", "x.py").divisions == [2, 3]
    assert not translate("from __future__ import division\nprint 1\nx = a / b", "x.py").divisions
    assert not translate("x = a / b", "x.py").divisions
    assert translate("n = int(self.param_str_) / 2", "x.py").divisions == [1]


def test_a_file_that_has_the_name_of_what_it_imports(tmp_path):
    (tmp_path / "__init__.py").touch()
    path = tmp_path / "some_library.py"
    path.write_text("import some_library.part as part\n")
    assert not is_python_2(path.read_text(), str(path))
    assert is_python_2("import some_library\n", str(tmp_path / "other.py"))


def test_a_file_that_could_be_either_is_what_those_beside_it_are(tmp_path):
    either, new, script = "x = range(n / 2)\n", "x = f'{n / 2}'\n", tmp_path / "script.py"
    (tmp_path / "either.py").write_text(either)
    assert not is_python_2(either, str(tmp_path / "either.py"))
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "script.py").write_text("print 1\n")
    for name, text in (("either", either), ("new", new)):
        (folder / f"{name}.py").write_text(text)
    assert is_python_2(either, str(folder / "either.py"))
    assert not is_python_2(new, str(folder / "new.py"))
    assert not is_python_2(either, str(script))


def test_param_str_with_the_tags_of_python():
    yaml = pytest.importorskip("yaml")
    namespace = {"yaml": yaml}
    exec(translate("x = yaml.load('scales: !!python/tuple [8, 16]')", "x.py").text, namespace)
    assert namespace["x"] == {"scales": (8, 16)}


def test_numpys_star_leaves_what_is_built_in():
    text = translate("from numpy import *", "x.py").text
    assert translate(text, "x.py").text == text
    namespace = {"max": max, "round": round, "bool": bool}
    exec(text, namespace)
    assert (namespace["max"], namespace["round"], namespace["bool"]) == (max, round, bool)
    assert namespace["sum"] is not sum


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("if (", 2, "EOF in multi-line statement"),
        ("print 'a'\nx = = 3\n", 2, "unexpected '='"),
        ("print('a', end='')\nx = = 3\n", 2, "unexpected '='"),
        ("exec 'x'\n\nreturn = 3\n", 3, "unexpected '='"),
        ("def f(:\n    pass\n", 1, "unexpected ':'"),
    ],
)
def test_what_is_no_python(text, line, reason):
    with pytest.raises(TranslationError) as error:
        translate(text, "x.py")
    assert str(error.value) == f"x.py:{line}: neither Python 2 nor Python 3: {reason}"


@pytest.mark.parametrize(
    "text", ["(" * 5000 + ")" * 5000, "-" * 30000 + "1", "x = " + "[" * 900 + "]" * 900, "a.b" * 9000]
)
def test_what_is_too_deep(text):
    with contextlib.suppress(TranslationError):
        translate(f"print 1\n{text}", "x.py", for_good=True)
    with contextlib.suppress(TranslationError):
        translate(text, "x.py", for_good=True)


@pytest.mark.parametrize(("number", "wanted"), [(2.5, 3), (-2.5, -3), (2.4, 2), (3, 3), (float("inf"), float("inf"))])
def test_rounding_of_python_2(number, wanted):
    rounded = language.round_half_away(number)
    assert rounded == wanted
    assert isinstance(rounded, float)


@pytest.mark.parametrize(
    ("imported", "wanted"), [("", 3.0), ("from numpy import *\n", 3.0), ("from numpy import round\n", 2.0)]
)
def test_whose_round_it_is(tmp_path, imported, wanted):
    path = tmp_path / "old.py"
    path.write_text(f"{imported}print 1\nx = round(2.5)\n")
    namespace = dict(bridges.FUNCTIONS)
    exec(loader.code_of(str(path)), namespace)
    assert namespace["x"] == wanted


@pytest.mark.parametrize(("a", "b", "wanted"), [(7, 2, 3), (-7, 2, -4), (7.0, 2, 3.5), (7, 2.0, 3.5), (True, 2, 0)])
def test_division_of_python_2(a, b, wanted):
    assert language.divide(a, b) == language.divide_in_place(a, b) == wanted


PYTHON_2_PICKLE = rb"""cnumpy.core.multiarray
_reconstruct
(cnumpy
ndarray
(I0
tS'b'
tR(I1
(I2
tcnumpy
dtype
(S'u1'
I0
I1
tR(I3
S'|'
NNNI-1
I-1
I0
tbI00
S'\x01\xc8'
tb."""


def test_values_where_numpy_took_floats_and_files_of_python_2(tmp_path):
    path = tmp_path / "old.py"
    (tmp_path / "array.pkl").write_bytes(PYTHON_2_PICKLE)
    path.write_text(
        "import cPickle\nimport numpy as np\nimport numpy.random as npr\n"
        "n, keys = np.round(2.0), {2.5: 'a key'}\n"
        "chosen = npr.choice(np.arange(9), size=n, replace=False)\n"
        "zeros = np.zeros((n, 3.0))\n"
        "zeros[n - 1, n] = 4\n"
        "found = zeros[n - 1, n], keys[n + 0.5], np.arange(5)[:n].sum(), zeros[:, n].sum()\n"
        "empty = np.zeros((0, 5)) == [], [] == []\n"
        "with open(NAME, 'rb') as file:\n    loaded = cPickle.load(file)\n"
    )
    found = {"NAME": str(tmp_path / "array.pkl")}
    module = ModuleType("old")
    module.__dict__.update(found)
    loader.provide(module)
    exec(loader.code_of(str(path)), module.__dict__)
    found = module.__dict__
    assert (found["chosen"].shape, found["zeros"].shape) == ((2,), (2, 3))
    assert found["found"] == (4, "a key", 1, 4)
    assert found["empty"] == (False, True)
    assert found["loaded"].tolist() == [1, 200]


def test_tracebacks_show_the_lines_of_the_file(tmp_path):
    path = tmp_path / "old.py"
    path.write_text(
        "x = filter(\n    lambda n: n,\n    map(lambda n: n / 2,\n        [1, 2]))\nprint x\nraise KeyError\n"
    )
    with pytest.raises(KeyError) as caught:
        exec(loader.code_of(str(path)), dict(bridges.FUNCTIONS))
    assert caught.traceback[-1].lineno == 5  # counted from 0


def test_a_diff_a_check_and_a_rewritten_file(tmp_path, capsys):
    path = tmp_path / "old.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\r\nprint a / 2  # \xe9t\xe9\r\n")
    path.chmod(0o755)
    (tmp_path / "new.py").write_text("print(1)\n")
    content = path.read_bytes()
    assert main([str(tmp_path)], verb="modernize") == 0
    told = capsys.readouterr()
    assert "-print a / 2" in told.out
    assert "+print(a / 2)" in told.out
    assert told.err == f"{path}:2: rounds down in Python 2 where both sides are integers\n"
    assert main([str(tmp_path), "--check"], verb="modernize") == 1
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_bytes() == content
    assert main([str(path), "--write"], verb="modernize") == 0
    assert path.read_bytes() == content.replace(b"print a / 2", b"print(a / 2)")
    assert path.stat().st_mode & 0o777 == 0o755
    assert main([str(tmp_path), "--check"], verb="modernize") == 0
    assert main([str(tmp_path / "none.py")], verb="modernize") == 1
    assert "No such file" in capsys.readouterr().err


FAULTY = {
    "broken.py": (b"if (\n", "neither Python 2 nor Python 3: "),
    "coding.py": (b"# coding: base64\nprint 1\n", "base64"),
    "rot13.py": (b"# coding: rot13\nprint 1\n", "rot13"),
    "unknown.py": (b"# coding: nothing\nprint 1\n", "unknown encoding"),
    "bytes.py": (b"print '\xff'\n", "encoding"),
    "deep.py": (b"print " + b"(" * 4000 + b"1" + b")" * 4000 + b"\n", "too deeply"),
    "null.py": (b"print 1\0\n", "null byte"),
}


def test_files_that_cannot_be_translated_are_named_and_the_others_done(tmp_path, capsys):
    for name, (content, _) in FAULTY.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "zz.py").write_text("print 1\n")
    assert main([str(tmp_path), str(tmp_path / "none.py"), "--write"], verb="modernize") == 1
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'zz.py'}: print\n"
    lines = told.err.splitlines()
    assert len(lines) == len(FAULTY) + 1
    for line, name in zip(lines, [*sorted(FAULTY), "none.py"]):
        assert str(tmp_path / name) in line
        assert FAULTY.get(name, (b"", "No such file"))[1] in line
    assert (tmp_path / "zz.py").read_text() == "print(1)\n"
    assert {name: (tmp_path / name).read_bytes() for name in FAULTY} == {
        name: text for name, (text, _) in FAULTY.items()
    }


def test_a_script_and_its_layers_as_they_are(tmp_path, root, run_program):
    package = tmp_path / "old_package"
    package.mkdir()
    for name, text in (("__init__", ""), ("layer", LAYER), ("sibling", "ONE = 1\n")):
        (package / f"{name}.py").write_text(text)
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Python" top: "y" '
        'python_param { module: "old_package.layer" layer: "Old" param_str: "7" } }'
    )
    (tmp_path / "go.py").write_text(
        "import caffe\nnet = caffe.Net('net.prototxt', caffe.TEST)\nprint net.forward()['y'], 7 / 2, __name__\n"
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    ended = run_program(
        sys.executable, "-m", "caffe_pylayers", "run", "--compat", "go.py", cwd=tmp_path, pythonpath=(root,)
    )
    assert ended.stdout.splitlines() == [
        "compat: go.py: print, division",
        f"compat: {package / 'layer.py'}: param_str, print, phase, import, division, numbers, sizes, indices",
        "phase TEST",
        "[2.   2.25 2.5 ] 3 __main__",
    ]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.py")} == before
    plain = run_program(sys.executable, "-m", "caffe_pylayers", "run", "go.py", cwd=tmp_path, pythonpath=(root,))
    assert "SyntaxError" in plain.stdout
    assert plain.stdout.splitlines()[-1] == (
        "caffe-pylayers run: go.py:3: this is Python 2; --compat translates it, `caffe-pylayers modernize` rewrites it"
    )
    assert plain.returncode == 1


def test_the_image_functions_of_scipy(tmp_path, capsys):
    pytest.importorskip("PIL")
    path = tmp_path / "old.py"
    path.write_text(
        "from scipy import misc\nimport numpy as np\n"
        "misc.imsave(NAME, np.arange(12.0).reshape(3, 4))\nread = misc.imread(NAME)\n"
        "small, half = misc.imresize(read, (2, 3)), misc.imresize(read, 50)\n"
    )
    found = {"NAME": str(tmp_path / "image.png")}
    exec(loader.code_of(str(path)), found)
    assert capsys.readouterr().err == f"compat: {path}: scipy.misc\n"
    assert found["read"].tolist() == [[0, 23, 46, 70], [93, 116, 139, 162], [185, 209, 232, 255]]
    assert (found["small"].shape, found["half"].shape) == ((2, 3), (1, 2))
