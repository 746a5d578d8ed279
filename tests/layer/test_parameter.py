"""Parameters: what they accept, and what they say of the rest."""

import pytest

from caffe_pylayers import Parameter
from caffe_pylayers._layer.parameter import REQUIRED, read_parameters


def parameter(kind, default=REQUIRED, **options):
    made = Parameter(kind, default, doc="what it means", **options)
    made.__set_name__(object, "p")
    return {"p": made}


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
        (parameter(int, choices=(1, 2)), "p: 2", 2),
        (parameter(float, above=0), "p: 1e-9", 1e-9),
        (parameter([float]), "p: [0, -0.0, 1e18, -1e18, 1e-18]", (0.0, 0.0, 1e18, -1e18, 1e-18)),
        (parameter([int]), "p: [-2147483648, 2147483647]", (-(2**31), 2**31 - 1)),
        (parameter(int, low=0, high=2**32 - 1), "p: 4294967295", 2**32 - 1),
        (parameter([float]), "p: []", ()),
        (parameter([float]), "p: [1, 2.5]", (1.0, 2.5)),
        (parameter([float]), "{'p': (1, 2)}", (1.0, 2.0)),
        (parameter([float], [1, 2], length=2), "", (1.0, 2.0)),
        (parameter([str], choices=("x", "y")), "p: [y, x, y]", ("y", "x", "y")),
        (parameter((int, int)), "p: [3, 4]", (3, 4)),
        (parameter((str, float)), "p: [x, 1]", ("x", 1.0)),
        (parameter([(float,) * 4]), "p: [[1, 2, 3, 4]]", ((1.0, 2.0, 3.0, 4.0),)),
        (parameter({int: float}), '{"p": {"0": 1, "-1": 0.5}}', {0: 1.0, -1: 0.5}),
        (parameter({str: [int]}, {"a": [1]}), "", {"a": (1,)}),
        (parameter({str: str}), "p: {cat: dog}", {"cat": "dog"}),
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
        (parameter(int, choices=(1, 2)), "p: 3", ValueError, "parameter p must be one of 1, 2, got 3"),
        (parameter(float, above=0), "p: 0", ValueError, "parameter p must be a number > 0, got 0.0"),
        (parameter(float, above=0, high=1), "p: 2", ValueError, "must be a number > 0 and <= 1, got 2.0"),
        (parameter(float), "p: 0x" + "f" * 999, ValueError, "must be a number, got an integer of 3996 bits"),
        (parameter(float), "p: -1e300", ValueError, r"p must be a number of a size in \[1e-18, 1e\+18\], got -1e\+300"),
        (parameter(float, above=0), "p: 1e-300", ValueError, r"p must be a number > 0 of a size in .*, got 1e-300"),
        (parameter({str: float}), "p: {a: 1.0e+30}", ValueError, r"parameter p\['a'\] must be a number of a size in "),
        (parameter([int]), f"p: [1, {2**63}]", ValueError, rf"p\[1\] must be an integer of 32 bits, got {2**63}"),
        (parameter(int, low=1), f"p: {2**31}", ValueError, r"p must be an integer >= 1 of 32 bits, got 2147483648"),
        (parameter(int), f"p: {-(2**31) - 1}", ValueError, "p must be an integer of 32 bits, got -2147483649"),
        (
            parameter({int: float}),
            f"p: {{{2**31}: 1}}",
            ValueError,
            "a key of parameter p must be an integer of 32 bits, got",
        ),
        (parameter(str), r'{"p": "a\u0000"}', ValueError, r"p must be a string without null char.*, got 'a\\x00'"),
        (parameter([str]), r'{"p": ["\ud800"]}', ValueError, r"parameter p\[0\] must be a string without .*'\\ud800'"),
        (parameter([float]), "p: 1", TypeError, "parameter p must be a list of numbers, got 1$"),
        (parameter([float]), "p: [1, x]", TypeError, r"parameter p\[1\] must be a number, got 'x'"),
        (parameter([float], low=0), "p: [1, -1]", ValueError, r"parameter p\[1\] must be a number >= 0, got -1.0"),
        (parameter([int], length=2), "p: [1]", ValueError, r"must be a list of 2 integers, got 1: \[1\]"),
        (parameter([int], length=(1, None)), "p: []", ValueError, r"must be a list of 1 or more integers, got 0: \[\]"),
        (parameter([int], length=(1, 2)), "p: [1, 2, 3]", ValueError, r"a list of 1 to 2 integers, got 3: \[1, 2, 3\]"),
        (parameter([int], length=(None, 2)), "p: [1, 2, 3]", ValueError, "a list of up to 2 integers, got 3"),
        (parameter([str], choices=("x", "y")), "p: [z]", ValueError, r"parameter p\[0\] must be one of x, y, got 'z'"),
        (parameter([str], choices=("x", "y")), "p: x", TypeError, "must be a list of any of x, y, got 'x'"),
        (parameter((int, int), low=1), "p: [1]", ValueError, r"must be a list of 2 integers >= 1, got 1: \[1\]"),
        (parameter((str, int)), "p: [x, y]", TypeError, r"parameter p\[1\] must be an integer, got 'y'"),
        (parameter((str, int)), "p: x", TypeError, "must be a list of a string, an integer, got 'x'"),
        (parameter([(float,) * 4]), "p: [[1, 2]]", ValueError, r"parameter p\[0\] must be a list of 4 numbers, got 2"),
        (parameter([(float,) * 4]), "p: 1", TypeError, "must be a list of lists of 4 numbers, got 1"),
        (parameter({int: float}), "p: [1]", TypeError, "must be a dictionary of integers to numbers, got"),
        (parameter({int: float}), "p: {a: 1}", TypeError, "a key of parameter p must be an integer, got 'a'"),
        (parameter({int: float}, low=0), "p: {3: -1}", ValueError, r"parameter p\[3\] must be a number >= 0, got -1.0"),
        (parameter({int: float}), '{"p": {"0": 1, "00": 1}}', ValueError, "parameter p gives the key 0 twice"),
        (parameter(int), "p: " + "x" * 999, TypeError, r"an integer, got 'xx.*\.\.\..*xx'$"),
        (parameter(int), "", ValueError, r"parameter p is required in param_str: an integer \(what it means\)"),
        (parameter(int), "q: 1", ValueError, "unknown parameter 'q' in param_str; known: p"),
        (parameter(int), "{p: 1, pp: 1}", ValueError, r"unknown parameter 'pp' in param_str \(did you mean 'p'\?\)"),
        ({}, "q: 1", ValueError, "unknown parameter 'q' in param_str; this layer has none"),
    ],
)
def test_refused(declared, text, error, message):
    with pytest.raises(error, match=message):
        read_parameters(declared, text)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (list, {}, r"the kind of a parameter is int, float, .* got list"),
        ([], {}, r"got \[\]"),
        ([int, float], {}, r"got \[<class 'int'>"),
        ({float: int}, {}, "the kind of a parameter is"),
        (int, {"length": 2}, r"length is of a list such as \[float\], got the kind int"),
        (int, {"default": "x"}, "parameter default must be an integer, got 'x'"),
    ],
)
def test_refused_declarations(kind, options, message):
    with pytest.raises(TypeError, match=message):
        Parameter(kind, **options)


def test_a_parameter_needs_no_doc():
    made = Parameter(int)
    made.__set_name__(object, "p")
    with pytest.raises(ValueError, match=r"parameter p is required in param_str: an integer$"):
        read_parameters({"p": made}, "")
