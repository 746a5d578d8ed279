"""A param_str of any text is read, or refused in one short line and little time."""

import json
import random
import sys
import tracemalloc

import pytest

from caffe_pylayers import Layer, Parameter
from caffe_pylayers._layer.param_str import MOST_CHARACTERS, parse_param_str
from caffe_pylayers._layer.parameter import declared, read_parameters


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


LAUGHS = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
NO_YAML = "^param_str is neither JSON, a Python dictionary nor YAML: "

REFUSED = {
    "a number": ("3", r"must hold a dictionary such as .*, got '3'$"),
    "a list": ("[1, 2]", r"must hold a dictionary"),
    "words": ("just words", r"must hold a dictionary such as .*, got 'just words'$"),
    "no blank": ("activation:softmax", r"got 'activation:softmax' \(YAML wants a blank after the colon\)$"),
    "unclosed": ("{a: 1", NO_YAML + r"'{a: 1' \(line 1, column 6: expected"),
    "JSON key twice": ('{"a": 1, "a": 2}', r"gives the key 'a' twice"),
    "JSON key twice inside": ('{"a": {"b": 1, "b": 2}}', r"gives the key 'b' twice"),
    "Python key twice": ("{'a': 1, 'a': 2}", r"gives the key 'a' twice"),
    "YAML key twice": ("a: 1\na: 2", r"gives the key 'a' twice"),
    "YAML object": ("a: !!python/object/apply:os.getcwd []", NO_YAML),
    "no timestamp": ("a: !!timestamp x", NO_YAML + r"'a: !!timestamp x' \(line 1, column 4: 'x' is no timestamp\)$"),
    "no date": ("a: 2001-99-99", NO_YAML + r".* \(line 1, column 4: '2001-99-99' is no timestamp\)$"),
    "no integer": ("a: !!int x", NO_YAML + r".* \(line 1, column 4: 'x' is no int\)$"),
    "tab": ("a:\n\t- 1", NO_YAML + r".*line 2, column 1: found character '\\t'"),
    "NUL": ("a: \0", NO_YAML + ".*special characters are not allowed"),
    "no such anchor": ("a: *b", NO_YAML + ".*undefined alias"),
    "itself": ("a: &a [*a]", r"recursive|deeper than 32"),
    "merge": ("a: &b {c: 1}\nd:\n  <<: *b", NO_YAML),
    "two documents": ("a: 1\n---\nb: 2", NO_YAML + r".*\(line 2, column 1: but found another document"),
    "list as key": ("? [1, 2]\n: 3", r"^param_str has the key \[1, 2\]; a key is text or a number$"),
    "list as Python key": ("{[1]: 2}", r"^param_str has the key \[1\]; a key is text or a number$"),
    "laughs": (LAUGHS, "^param_str holds more than 65536 values$"),
    "deep JSON": ('{"a": ' + "[" * 9999 + "]" * 9999 + "}", "^param_str is nested deeper than 32 levels$"),
    "less deep JSON": ('{"a": ' + "[" * 40 + "]" * 40 + "}", "^param_str is nested deeper than 32 levels$"),
    "deep YAML": ("a: " + "[" * 9999, "^param_str is nested deeper than 32 levels$"),
    "deep blocks": ("- " * 9999, "^param_str is nested deeper than 32 levels$"),
    "deep signs": ("{'a': " + "-" * 9999 + "1}", r"must|unknown|neither"),
    "long": ("a: " + "1" * MOST_CHARACTERS, r"^param_str has 65539 characters, more than 65536; keep what is long"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(text, message):
    class_ = type("Empty", (Layer,), {})
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read_parameters(declared(class_), text)
    check_message(caught.value)


def test_a_text_that_means_very_many_values_takes_little_memory():
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 65536 values"):
            parse_param_str(LAUGHS)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_without_pyyaml(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert parse_param_str('{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match=r"neither JSON nor a Python dictionary: 'a: 1' .*pip install pyyaml"):
        parse_param_str("a: 1")


class Every(Layer):
    """One parameter of each kind."""

    whole = Parameter(int, 1)
    number = Parameter(float, 1, above=0)
    flag = Parameter(bool, False)
    text = Parameter(str, "x", choices=("x", "y"))
    numbers = Parameter([float], ())
    box = Parameter((float,) * 4, None)
    weights = Parameter({int: float}, {})


def check_message(error):
    assert "\n" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 700


PIECES = [
    *"{}[]():,'\"#&*!|>-?%@`\\ \n\t~=+",
    *("whole", "number", "flag", "text", "numbers", "box", "weights", "a"),
    *("1", "0x" + "f" * 5000, "9" * 5000, "1e999", "-1", ".5", "nan", ".inf", "true", "None", "1:30", "2001-01-01"),
    *(
        "!!int",
        "!!set",
        "!!binary",
        "!!timestamp",
        "!!omap",
        "<<",
        "&a",
        "*a",
        "---",
        "...",
        "\0",
        "\ud800",
        "é",
        "'''",
    ),
]
GOOD = {
    "whole": 3,
    "number": 0.5,
    "flag": True,
    "text": "y",
    "numbers": [1, 2],
    "box": [1, 2, 3, 4],
    "weights": {"0": 1.5},
}


def random_texts(count):
    chance = random.Random(26)
    for _ in range(count):
        kind = chance.randrange(3)
        if kind == 0:
            yield "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 12)))
            continue
        some = {key: GOOD[key] for key in chance.sample(sorted(GOOD), chance.randrange(1, 5))}
        text = list(json.dumps(some) if kind == 1 else str(some).replace("{", "{ "))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(4)] = chance.choice(PIECES)
        yield "".join(text)


def test_random_texts_are_read_or_refused_in_one_line():
    read = 0
    for text in random_texts(2000):
        try:
            read_parameters(declared(Every), text)
            read += 1
        except (ValueError, TypeError) as error:
            check_message(error)
    assert 100 < read < 1900
