"""Values that Python 2, and NumPy of its time, took otherwise, in files that are translated as they are imported."""

import math

import numpy as np
import pytest

pytest.importorskip("fissix")

OLD = "print 'Python 2'\n"
NEW = "import caffe\nname = f'{3}'\n"  # of which only NumPy's part is bridged
ONE = np.full((1, 1, 1), 2.7)
FOUR = np.array([[4]])
LABELS = np.array([3, 1], np.float32).reshape(2, 1, 1, 1)

# expression, the value in files of both kinds
ALIKE = [
    ("int(labels[1])", 1),
    ("float(labels[0])", 3.0),
    ("complex(one)", 2.7 + 0j),
    ("map(int, labels) and list(map(int, labels))", [3, 1]),
    ("int('7') + int(2.7)", 9),
    ("'%d' % labels[0]", "3"),
    ("'%.1f' % one", "2.7"),
    ("'%s %5.2f %d%%' % ('a', one, four)", "a  2.70 4%"),
    ("'%(a)d %(b)s' % {'a': four, 'b': 'x'}", "4 x"),
    ("'%s' % four", "[[4]]"),
    ("'%*d' % (four, 2)", "   2"),
    ("9 % 5", 4),
    ("sum(range(four))", 6),
    ("math.sqrt(four)", 2.0),
    ("root(four)", 2.0),
    ("math.fsum([1, 2])", 3.0),
    ("[5, 6, 7][flat[0:1]]", 7),
    ("'abcd'[:flat]", "ab"),
    ("np.arange(6)[:flat].tolist()", [0, 1]),
    ("np.arange(6)[np.array([True, False])].tolist()", [0]),
    ("np.arange(3)[np.array([True, False, True, False, False])].tolist()", [0, 2]),
    ("np.arange(6).reshape(2, 3)[np.array([True, False, False]), :].tolist()", [[0, 1, 2]]),
    ("np.arange(9).reshape(3, 3)[[np.array([0, 1]), np.array([1, 2])]].tolist()", [1, 5]),
    ("np.arange(9).reshape(3, 3)[[0, 1]].shape", (2, 3)),
    ("np.zeros((2, flat)).shape", (2, 2)),
    ("np.zeros((2, 3.0)).shape", (2, 3)),
    ("np.zeros(6).reshape(flat, 3).shape", (2, 3)),
    ("np.zeros(6).reshape(*np.array([3, 2])).shape", (3, 2)),
    ("np.reshape(np.zeros(6), (flat, 3)).shape", (2, 3)),
    ("np.tile(np.zeros(2), (2.0, 1)).shape", (2, 2)),
    ("np.random.uniform(size=(2.0, flat)).shape", (2, 2)),
    ("np.arange(5)[np.array([1.0, 2.0])].tolist()", [1, 2]),
    ("np.array([np.array([1.0]), 2.0], np.float32).tolist()", [1, 2]),
    ("np.array([[1, 2], [3]]).dtype.char", "O"),
    ("np.array([-1], np.uint8).tolist()", [255]),
    ("np.array([1.5], copy=False).tolist()", [1.5]),
    ("np.array([[1, 2], [3, 4]]).shape", (2, 2)),
    ("np.zeros(2) == np.zeros(3)", False),
    ("np.zeros(2) != np.zeros(3)", True),
    ("np.zeros(2) == 'text'", False),
    ("bool(np.zeros(2) == None), bool(None != np.zeros(2))", (False, True)),
    ("(np.array([None, 1], object) == None).tolist()", [True, False]),
    ("(np.array(['a', 'b']) == 'a').tolist()", [True, False]),
    ("(np.arange(3) == np.arange(3)).all()", True),
    ("{2.5: 'key'}[2.5]", "key"),
    ("{(1.5, 2): 'key'}[1.5, 2]", "key"),
]


def names():
    return {"labels": LABELS, "one": ONE, "four": FOUR, "flat": np.array([2]), "np": np, "math": math}


@pytest.fixture
def given(monkeypatch):
    import sys
    from types import ModuleType

    monkeypatch.setitem(sys.modules, "caffe", ModuleType("caffe"))
    return names()


@pytest.mark.parametrize("kind", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize(("expression", "wanted"), ALIKE)
def test_values_as_they_were(run_old, given, kind, expression, wanted):
    found = run_old(f"{kind}from math import sqrt as root\nx = {expression}\n", **given)["x"]
    assert found == wanted
    assert type(found) is type(wanted) or isinstance(found, np.bool_)


STORED = [
    ("y = np.zeros(2)\ny[0] = one", [2.7, 0]),
    ("y = np.zeros(2, np.uint8)\ny[1] = np.array([300])", [0, 44]),
    ("y = np.zeros(2, np.uint8)\ny[1] = -1", [0, 255]),
    ("y = np.zeros(2, int)\ny[1] = one", [0, 2]),
    ("y = np.zeros((1, 2))\ny[0] = [np.array([1.0]), 2.0]", [[1, 2]]),
    ("y = np.zeros(2)\ny[0], y[1] = one, 4", [2.7, 4]),
    ("y = np.zeros(2)\nz = y[0] = one", [2.7, 0]),
    ("y = np.zeros(2)\ny[1.0] = 3", [0, 3]),
    ("y = np.zeros(2)\ny[0] += one", [2.7, 0]),
    ("y = np.ones(4)\ny[flat] /= 4", [1, 1, 0.25, 1]),
    ("y = np.zeros(3)\ny[np.array([True, False])] = 5", [5, 0, 0]),
    ("y = [0, 0]\ny[1] = one", None),
    ("for y in [[0, 0]]:\n    for y[0] in range(4): pass", [3, 0]),
]


@pytest.mark.parametrize("kind", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize(("text", "wanted"), STORED)
def test_what_is_stored(run_old, given, kind, text, wanted):
    found = run_old(f"{kind}{text}\n", **given)["y"]
    if wanted is None:  # a list holds the array itself
        assert found[1] is ONE
    else:
        assert np.asarray(found).tolist() == wanted


REFUSED = [
    ("int(np.zeros(2))", TypeError),
    ("int('x')", ValueError),
    ("int(None)", TypeError),
    ("'%d' % np.zeros(2)", TypeError),
    ("'%d' % 'x'", TypeError),
    ("range(2.5)", TypeError),
    ("np.zeros(3)[5]", IndexError),
    ("np.zeros(3)[flat + 4]", IndexError),
    ("np.zeros(2)[np.array([False, False, True])]", IndexError),
    ("[1][flat]", IndexError),
    ("[1][str(flat)]", TypeError),
    ("{}[flat[0]]", KeyError),
    ("np.zeros(np.zeros((2, 2)))", TypeError),
    ("np.array('x', float)", ValueError),
    ("np.zeros(2).__setitem__(0, 'x')", ValueError),
    ("store(np.zeros(2), 0, np.zeros(2))", ValueError),
    ("store(np.zeros(2, np.uint8), 0, 'x')", ValueError),
]


@pytest.mark.parametrize("kind", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize(("expression", "error"), REFUSED)
def test_what_was_refused_then_is_refused(run_old, given, kind, expression, error):
    text = f"{kind}def store(a, i, x):\n    a[i] = x\nx = {expression}\n"
    with pytest.raises(error):
        run_old(text, **given)


def test_each_part_is_evaluated_once_and_in_order(run_old):
    text = (
        "done = []\n"
        "def note(name, value):\n    done.append(name)\n    return value\n"
        "a, d = [4.0, 9], {'k': 7}\n"
        "note('a', a)[note('i', 1)] /= note('b', 2)\n"
        "note('x', a)[note('j', 0)] = note('v', 5)\n"
        "d['k'] /= 2\n"
        "n = 7\nn /= 2\n"
    )
    found = run_old(OLD + text)
    assert found["done"] == ["a", "i", "b", "v", "x", "j"]
    assert (found["a"], found["d"], found["n"]) == ([5, 4], {"k": 3}, 3)


def test_in_place_division_keeps_the_array(run_old):
    found = run_old(OLD + "a = np.arange(4)\nb = a\na /= 2\nc = {0: a}\nc[0] /= 1\n", np=np)
    assert found["a"] is found["b"] is found["c"][0]
    assert found["a"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("math.ceil(3.2) / 2", 2.0),
        ("math.floor(7.9) / 2", 3.5),
        ("up(2.1)", 3.0),
        ("math.floor(float('inf'))", math.inf),
        ("list(range(math.ceil(2.5)))", [0, 1, 2]),
        ("np.zeros(math.ceil(2.5)).shape", (3,)),
        ("round(2.5)", 3.0),
        ("round(-2.5)", -3.0),
        ("round(np.array([2.5]))", 3.0),
        ("np.divide([7, 8], 2).tolist()", [3, 4]),
        ("np.divide(7.0, 2)", 3.5),
        ("7 / 2", 3),
    ],
)
def test_numbers_of_python_2(run_old, expression, wanted):
    found = run_old(f"{OLD}from math import ceil as up\nimport math\nimport numpy as np\nx = {expression}\n")["x"]
    assert found == wanted
    assert type(found) is type(wanted) or isinstance(found, np.floating)


def test_python_3_divides_and_rounds_as_it_does(run_old, given):
    assert run_old(NEW + "x = 7 / 2, round(2.5), math.ceil(1.5)\n", **given)["x"] == (3.5, 2, 2)


def test_a_file_of_python_3_that_does_not_import_caffe_is_left_alone(run_old, capsys):
    run_old("name = f'{3}'\nx = [1, 2][int(name)- 2]\ny = x == name\n")
    assert capsys.readouterr().err == ""


def test_annotations_stay(run_old, given):
    text = "from typing import List\nclass C:\n    x: List[int] = [1]\ndef f(a: List[int]) -> List[int]: return a\n"
    found = run_old(NEW + text, **given)
    import typing

    assert typing.get_type_hints(found["f"]) == {"a": typing.List[int], "return": typing.List[int]}
    assert found["C"].__annotations__ == {"x": typing.List[int]}
