"""What ``modernize`` writes down of what ``--compat`` bridges by its value."""

import sys

import numpy as np
import pytest

pytest.importorskip("fissix")

from caffe_pylayers._compat.translate import translate

OLD = "print 'Python 2'\n"
HEAD = "print('Python 2')\n"

# line, what it becomes
REWRITTEN = [
    ("n = len(x) / 2", "n = len(x) // 2  # modernize: // for /"),
    ("n = 7\nn /= 2", "n = 7\nn //= 2  # modernize: //= for /="),
    ("n, c, h, w = bottom[0].data.shape\nk = h / 2", None),
    (
        "n = x.shape[0] / 2 + (1 if x else 2) / (3)",
        "n = x.shape[0] // 2 + (1 if x else 2) // (3)  # modernize: // for /",
    ),
    ("for i in range(9):\n    j = i / 3", "for i in range(9):\n    j = i // 3  # modernize: // for /"),
    ("x = np.zeros((a / b, 3))", "x = np.zeros((int(a // b), 3))  # modernize: // for /, int(...)"),
    ("x = np.zeros(a / b + 1, 'f')", "x = np.zeros(int(a // b + 1), 'f')  # modernize: // for /, int(...)"),
    ("x = y[np.ceil(a / 2.0):]", "x = y[int(np.ceil(a / 2.0)):]  # modernize: int(...)"),
    ("x = npr.choice(a, size=np.round(b))", "x = npr.choice(a, size=int(np.round(b)))  # modernize: int(...)"),
    ("for i in xrange(a / 2): pass", "for i in range(int(a // 2)): pass  # modernize: // for /, int(...)"),
    ("bottom[0].reshape(*np.array(x))", "bottom[0].reshape(*[int(n) for n in np.array(x)])  # modernize: int(...)"),
    ("top[0].reshape(np.prod(s), 2)", "top[0].reshape(int(np.prod(s)), 2)  # modernize: int(...)"),
    ("self.blobs.append( caffe.Blob((2, n)) )", "self.blobs.add_blob(*(2, n))  # modernize: add_blob for caffe.Blob"),
    ("a = int(bottom[1].data[i])  # why", "a = int(bottom[1].data[i].item())  # why  # modernize: .item()"),
    ("a = round(bottom[1].data[i], 2)", "a = round(bottom[1].data[i].item(), 2)  # modernize: .item()"),
    ("a = math.exp(bottom[1].data[i])", "a = math.exp(bottom[1].data[i].item())  # modernize: .item()"),
    ("a = '%.3f' % bottom[1].data[i]", "a = '%.3f' % bottom[1].data[i].item()  # modernize: .item()"),
    (
        "a = '%d %s%% %f' % (i, bottom[0].data[i], bottom[1].data[i])",
        "a = '%d %s%% %f' % (i, bottom[0].data[i], bottom[1].data[i].item())  # modernize: .item()",
    ),
    (
        "top[0].reshape(*(bottom[0].data.shape[:1] + (np.prod(s),)))",
        "top[0].reshape(*([int(n) for n in bottom[0].data.shape[:1] + (np.prod(s),)]))  # modernize: int(...)",
    ),
    ("k = cfg[str(self.phase)]", 'k = cfg[("TRAIN", "TEST")[self.phase]]  # modernize: for str(self.phase)'),
    ("x = (a[len(b) / 2],\n     3)", "x = (a[len(b) // 2],\n     3)  # modernize: // for /"),
]
LEFT = [
    "n = a / b",
    "n = len(x) / 2.0",
    "n = float(len(x)) / 2",
    "x = np.zeros(a / b * 2)",
    "x = y[a]",
    "x = d[a / b]",
    "n = 3\nn = f()\nm = n / 2",
    "def f(n=2): return n / 2",
    "n = 2\ndef f():\n    global n\n    n = g()\nm = n / 2",
    "x = str(self.phase) == '0'",
    "a = int(bottom[1].data[i, 0, 0, 0])",
    "x = '%f' % 1.0 / 2",
    "top[0].reshape(n, 2)",
    "top[0].reshape(*(bottom[0].data.shape[:1] + (n,)))",
    "x = '%s' % bottom[1].data[i]",
    "x = '%d %d' % bottom[1].data[i]",
    "x = '%*d' % (3, bottom[1].data[i])",
    "x = '%(a)d' % bottom[1].data[i]",
    "x = n % bottom[1].data[i]",
]


@pytest.mark.parametrize(("text", "wanted"), REWRITTEN)
def test_rewritten_once(text, wanted):
    new = translate(OLD + text, "x.py", for_good=True).text
    if wanted is not None:
        assert new == HEAD + wanted
    assert "# modernize: " in new
    assert translate(new, "x.py", for_good=True).text == new
    assert translate(OLD + new.split("\n", 1)[1], "x.py", for_good=True).text == new


@pytest.mark.parametrize("text", LEFT)
def test_left_where_the_file_does_not_show_it(text):
    assert translate(OLD + text, "x.py", for_good=True).text == HEAD + text


def test_python_3_keeps_its_division():
    text = "name = f'{len(x) / 2}'\nn = len(x) / 2\n"
    assert translate(text, "x.py", for_good=True).text == text
    text = "from __future__ import division\nprint(len(x) / 2)\n"
    assert translate(text, "x.py", for_good=True).text == text


def test_lines_that_are_left_to_the_user_are_those_that_may_round():
    text = "a = b / c\nd = len(b) / 2\ne = b / 2.0\nf = bottom[0].data / b\n"
    assert translate(OLD + text, "x.py", for_good=True).divisions == [2]
    assert translate(OLD + text, "x.py").divisions == [2, 3, 4, 5]


LOSS = """class Loss:
    def reshape(self, bottom, top):
        top[0].reshape({0})
    def forward(self, bottom, top):
        top[0].data[0] = np.dot(a, b)
"""


def test_a_top_of_one_value():
    marked = LOSS.format(1).replace("[0] = np.dot(a, b)", "[...] = np.dot(a, b)  # modernize: [...] for [0]")
    assert translate(LOSS.format(1), "x.py", for_good=True).text == marked
    assert translate(LOSS.format("1, 2"), "x.py", for_good=True).text == LOSS.format("1, 2")
    top = np.zeros(1)
    top[...] = np.ones((1, 1, 1))
    assert top[0] == 1


COPY = """
import caffe
import numpy as np
from StringIO import StringIO

class Old(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.append(caffe.Blob([3]))
        self.half = len(bottom) / 2 + 1
        self.kinds = np.genfromtxt(StringIO('a 1\\nb 2'), dtype=None)
        assert str(self.phase) in ('TRAIN', 'TEST')
    def reshape(self, bottom, top):
        top[0].reshape(self.half, np.prod(bottom[0].shape))
        top[1].reshape(*np.array(bottom[0].shape))
        top[2].reshape(1)
    def forward(self, bottom, top):
        top[0].data[...] = np.zeros((bottom[0].num / 2, np.ceil(3.5 / 2)))[0, 0]
        top[1].data[...] = [[self.kinds[i][0] == 'a'] for i in range(bottom[0].count / 2 + 1)]
        top[2].data[0] = np.ones((1, 1, 1)) * sum(int(bottom[0].data[i]) for i in range(2))
    def backward(self, top, propagate_down, bottom):
        pass
"""
COPY_NET = """
layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 2 dim: 1 } } }
layer { name: "x" type: "Python" bottom: "in" top: "a" top: "b" top: "c"
        python_param { module: "layer" layer: "Old" } }
"""


def test_a_copy_runs_without_compat(run_program, root, tmp_path):
    (tmp_path / "layer.py").write_text(translate(COPY, "layer.py", for_good=True).text)
    (tmp_path / "net.prototxt").write_text(COPY_NET)
    (tmp_path / "go.py").write_text(
        "import caffe\nnet = caffe.Net('net.prototxt', caffe.TEST)\nnet.blobs['in'].data[...] = 3\n"
        "out = net.forward()\nprint(out['a'].shape, out['b'].tolist(), out['c'].tolist(), net.params['x'][0].count)\n"
    )
    ended = run_program(sys.executable, "-m", "caffe_pylayers", "run", "go.py", cwd=tmp_path, pythonpath=(root,))
    assert ended.stdout.splitlines()[-1] == "(1, 2) [[1.0], [0.0]] [6.0] 3"
