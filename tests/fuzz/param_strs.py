"""Hostile texts for ``param_str``: JSON, Python and YAML, deep, long, self-referring and broken."""

import random

from caffe_pylayers._layer.parameter import Parameter


class EveryKind:
    """Parameters of all kinds, all optional so that each is read."""

    size = Parameter((int, int), (1, 1), low=1)
    ratios = Parameter([float], (1,), above=0, length=(1, 3))
    boxes = Parameter([(float,) * 4], ())
    weights = Parameter({int: float}, {}, low=0, high=1)
    names = Parameter({str: [str]}, {})
    mode = Parameter(str, "sum", choices=("sum", "mean"))
    steps = Parameter([int], (), choices=(1, 2, 4))
    flag = Parameter(bool, False)
    axis = Parameter(int, None)


OF_LAYERS = ("num_classes", "axis", "on_value", "off_value", "ignore_label", "normalization")
KEYS = (
    *OF_LAYERS,
    "nom_classes",
    "x",
    "",
    "a b",
    "size",
    "ratios",
    "boxes",
    "weights",
    "names",
    "mode",
    "steps",
    "flag",
)
ATOMS = (
    *("0", "1", "-1", "3.5", "1e400", "nan", ".nan", ".inf", "true", "False", "null", "None", "~", "''", '"x"'),
    *("'full'", "9" * 5000, "0x10", "0o17", "1_000", "1:30", "2001-01-01", "2001-13-45", "!!timestamp x"),
    *("!!python/name:os.system", "!!binary x", "!!float x", "!!int abc", "!!set {a, b}", "*a", "&a 1", "<<", "? x"),
    *("| x", "> x", "@x", "`x`", "%x", "__import__('os')", "b'x'", "1j", "...", "{1, 2}", "lambda: 0"),
    *("\x00", "\x1b[31m", "é", "\ud7ff", "\t", "-", "---"),
)
OPENING = {"[": "]", "{'a': ": "}", '{"a": ': "}", "(": ")", "- ": "", "-": "", "a: {": "}"}


def param_str(draw: random.Random) -> str:
    """One text; each kind of hostility is as frequent as the others."""
    return draw.choice((_json, _python, _yaml, _deep, _laughs, _soup))(draw)


def _atom(draw: random.Random, depth: int = 0) -> str:
    """A value: a list or a dictionary of values now and then, written so that all three notations may read it."""
    if depth > 2 or draw.random() < 0.6:
        return draw.choice(ATOMS)
    values = [_atom(draw, depth + 1) for _ in range(draw.choice((0, 1, 2, 4)))]
    if draw.random() < 0.6:
        return f"[{', '.join(values)}]"
    keys = ('"a"', '"b"', "1", '"1"', "2", '""', "-1", "1.5", "null", draw.choice(ATOMS))
    return f"{{{', '.join(f'{draw.choice(keys)}: {value}' for value in values)}}}"


def _json(draw: random.Random) -> str:
    pairs = (f'"{draw.choice(KEYS)}": {_atom(draw)}' for _ in range(draw.randint(0, 4)))
    return _cut(draw, "{" + ", ".join(pairs) + "}")


def _python(draw: random.Random) -> str:
    pairs = (f"{draw.choice((repr(draw.choice(KEYS)), _atom(draw)))}: {_atom(draw)}" for _ in range(draw.randint(0, 4)))
    return _cut(draw, "{" + ", ".join(pairs) + draw.choice(("}", ",}", "", "]")))


def _yaml(draw: random.Random) -> str:
    lines = (
        f"{draw.choice(('', ' ', '- ', chr(9)))}{draw.choice(KEYS)}: {_atom(draw)}" for _ in range(draw.randint(1, 4))
    )
    return _cut(draw, "\n".join(lines))


def _deep(draw: random.Random) -> str:
    depth = draw.choice((10, 100, 1_000, 20_000))
    opening = draw.choice(list(OPENING))
    closed = OPENING[opening] * draw.choice((depth, depth - 1, 0))
    return draw.choice(("", '{"axis": ')) + opening * depth + draw.choice(("1", "")) + closed


def _laughs(draw: random.Random) -> str:
    """YAML anchors, each the next one several times over."""
    levels, width = draw.randint(2, 12), draw.randint(2, 9)
    lines = ["a0: &a0 [x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join([*lines, f"{draw.choice(KEYS)}: *a{levels - 1}"])


def _soup(draw: random.Random) -> str:
    signs = "{}[]()&*!|>'\"%@`#,:-? \n\t\\0123456789.eExabnull~=<+\x00\x7f\u2028é"
    return "".join(draw.choice(signs) for _ in range(draw.randint(1, 60)))


def _cut(draw: random.Random, text: str) -> str:
    return text[: draw.randint(0, len(text))] if draw.random() < 0.2 else text
