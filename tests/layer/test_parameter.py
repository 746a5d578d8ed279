"""Parameters and param_str."""

import sys

import pytest

from caffe_pylayers import Parameter
from caffe_pylayers._layer.param_str import parse_param_str
from caffe_pylayers._layer.parameter import REQUIRED, read_parameters


def parameter(kind, default=REQUIRED, **options):
    made = Parameter(kind, default, doc="what it means", **options)
    made.__set_name__(object, "p")
    return {"p": made}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [1, 2.5e-3], "c": "x", "d": true, "e": null}',
        "{'a': 1, 'b': [1, 2.5e-3], 'c': 'x', 'd': True, 'e': None}",
        "a: 1\nb: [1, 2.5e-3]\nc: x\nd: true\ne: null",
        "{a: 1, b: [1, 25e-4], c: x, d: yes, e: }",
    ],
    ids=["JSON", "Python", "YAML", "YAML flow"],
)
def test_notations(text):
    assert parse_param_str(text) == {"a": 1, "b": [1, 0.0025], "c": "x", "d": True, "e": None}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing(text):
    assert parse_param_str(text) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", r"must hold a dictionary such as .*, got '3'"),
        ("[1, 2]", r"must hold a dictionary"),
        ("just words", r"must hold a dictionary such as .*, got 'just words'"),
        ("{a: 1", r"neither JSON, a Python dictionary nor YAML: '{a: 1' \(line 1, column 6: expected"),
        ('{"a": 1, "a": 2}', r"gives the key 'a' twice"),
        ("a: 1\na: 2", r"gives the key 'a' twice"),
    ],
)
def test_unreadable(text, message):
    with pytest.raises(ValueError, match=message):
        parse_param_str(text)


def test_yaml_needs_pyyaml(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert parse_param_str('{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match=r"neither JSON nor a Python dictionary: 'a: 1' .*pip install pyyaml"):
        parse_param_str("a: 1")


def test_yaml_objects_are_refused():
    with pytest.raises(ValueError, match="nor YAML"):
        parse_param_str("a: !!python/object/apply:os.getcwd []")


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (parameter(int), "p: 3", 3),
        (parameter(float), "p: 3", 3.0),
        (parameter(float), "p: 1e-3", 0.001),
        (parameter(bool), "p: true", True),
        (parameter(str), "p: x", "x"),
        (parameter(int, None), "p: null", None),
        (parameter(int, 7), "", 7),
        (parameter(int, low=0, high=2), "p: 2", 2),
        (parameter(str, choices=("x", "y")), "p: y", "y"),
    ],
)
def test_values(declared, text, value):
    read = read_parameters(declared, text)
    assert read == {"p": value}
    assert type(read["p"]) is type(value)


@pytest.mark.parametrize(
    ("declared", "text", "error", "message"),
    [
        (parameter(int), "p: 1.5", TypeError, "parameter p must be an integer, got 1.5"),
        (parameter(int), "p: true", TypeError, "parameter p must be an integer, got True"),
        (parameter(float), "p: x", TypeError, "parameter p must be a number, got 'x'"),
        (parameter(float), "p: .nan", ValueError, "parameter p must be a number, got nan"),
        (parameter(bool), "p: 1", TypeError, "parameter p must be true or false, got 1"),
        (parameter(str), "p: 1", TypeError, "parameter p must be a string, got 1"),
        (parameter(int, 3), "p: null", TypeError, "parameter p must be an integer, got None"),
        (parameter(int, low=1), "p: 0", ValueError, "parameter p must be an integer >= 1, got 0"),
        (parameter(float, high=1), "p: 2", ValueError, "parameter p must be a number <= 1, got 2.0"),
        (parameter(float, low=0, high=1), "p: -1", ValueError, r"parameter p must be a number in \[0, 1\], got -1.0"),
        (parameter(str, choices=("x", "y")), "p: z", ValueError, "parameter p must be one of x, y, got 'z'"),
        (parameter(int), "", ValueError, r"parameter p is required in param_str: an integer \(what it means\)"),
        (parameter(int), "q: 1", ValueError, "unknown parameter 'q' in param_str; known: p"),
        (parameter(int), "{p: 1, pp: 1}", ValueError, r"unknown parameter 'pp' in param_str \(did you mean 'p'\?\)"),
        ({}, "q: 1", ValueError, "unknown parameter 'q' in param_str; this layer has none"),
    ],
)
def test_refused(declared, text, error, message):
    with pytest.raises(error, match=message):
        read_parameters(declared, text)
