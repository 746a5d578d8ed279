"""The package's Python layers: their cases, with one to three things changed in parameters, shapes and values."""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
from typing import Any

import numpy as np
import torch

from caffe_pylayers._layer.param_str import parse_param_str
from caffe_pylayers._layer.parameter import declared
from caffe_pylayers.testing import LayerRun
from tests.layers.cases import CASES, NEEDS

INTEGERS = [0, 1, 2, 3, -1, -2, 7, 100, 2**15, 2**31 - 1, 2**31, 2**63, -(2**31), -(2**63) - 1]
REALS = [0.0, 0.5, 1.0, -1.0, 1e-18, 1e-30, 1e-300, 1e4, 1e18, -1e18, 1e30, 1e300, float("nan"), float("inf")]
TEXTS = ["", "x", "x\ny", "/nowhere/x", "\0", "\ud800", "x" * 300]
WRONG = [None, True, "x", [], [1], [[1]], {}, {"a": 1}, 1.5, -7]
VALUES = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e18, 1e-30, 0.0, 1.0, -1.0, 0.5, 1e4, 1e9, 255.0]

LAYERS = [name for name in sorted(CASES) if all(importlib.util.find_spec(library) for library in NEEDS[name])]


def hostile_case(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A layer's name, ``family.Class``, and the arguments of ``use``."""
    name = draw.choice(LAYERS)
    row = draw.choice(CASES[name])
    case = {
        "bottoms": [np.array(x, np.float32) for x in row["bottoms"]],
        "param_str": row["param_str"],
        "tops": row.get("tops", 1),
        "phase": row.get("phase", 0),
        "tensors": draw.random() < 0.5,
    }
    cls = layer_class(name)
    for _ in range(draw.choice((1, 1, 2, 3))):
        change = draw.choice((_parameter, _parameter, _shape, _values) if case["bottoms"] else (_parameter,))
        change(draw, cls, case)
    return name, case


def use(name: str, bottoms: list[Any], param_str: str, tops: int, phase: int, tensors: bool) -> None:
    """Run the layer forward and backward, twice; raise AssertionError where it changes a bottom."""
    cls = layer_class(name)
    if tensors and cls.array_api and bottoms:
        bottoms = [torch.from_numpy(x.copy()) for x in bottoms]
    run = LayerRun(cls, bottoms, param_str=param_str, tops=tops, phase=phase, dtype=np.float32)
    for _ in range(2):
        run.forward()
        run.backward([1.0] * tops)
    for i, (blob, given) in enumerate(zip(run.bottom, bottoms)):
        if not np.array_equal(np.asarray(blob.data), np.asarray(given), equal_nan=True):
            raise AssertionError(f"{cls.__name__} changes bottom[{i}]")


def layer_class(name: str) -> Any:
    """Return the class of ``family.Class``."""
    family, _, cls = name.partition(".")
    return getattr(importlib.import_module(f"caffe_pylayers.{family}"), cls)


def _parameter(draw: random.Random, cls: Any, case: dict[str, Any]) -> None:
    """Give one parameter another value: an extreme one of its kind, one of its choices, or one of another kind."""
    parameters = declared(cls)
    if not parameters:
        return
    given = parse_param_str(case["param_str"])
    key = draw.choice(sorted(parameters))
    given[key] = draw.choice(WRONG) if draw.random() < 0.1 else _of_kind(draw, parameters[key].kind, parameters[key])
    case["param_str"] = json.dumps(given)


def _of_kind(draw: random.Random, kind: Any, parameter: Any) -> Any:
    if isinstance(kind, list):
        return [_of_kind(draw, kind[0], parameter) for _ in range(draw.choice((0, 1, 2, 3, 5)))]
    if isinstance(kind, tuple):
        return [_of_kind(draw, each, parameter) for each in kind]
    if isinstance(kind, dict):
        ((key, item),) = kind.items()
        return {str(_of_kind(draw, key, parameter)): _of_kind(draw, item, parameter) for _ in range(2)}
    if parameter.choices:
        return draw.choice(parameter.choices)
    return draw.choice({int: INTEGERS, float: REALS, bool: [False, True], str: TEXTS}[kind])


def _shape(draw: random.Random, cls: Any, case: dict[str, Any]) -> None:
    """Give one bottom, or all of its size there, another size of an axis; or an axis more or less."""
    bottoms = case["bottoms"]
    which = draw.randrange(len(bottoms))
    shape = list(bottoms[which].shape)
    how = draw.choice(("size", "size", "size", "drop", "add", "count"))
    if how == "count":
        case["bottoms"] = draw.choice((bottoms[:which] + bottoms[which + 1 :], [*bottoms, bottoms[which]]))
        return
    if how == "add":
        shape.insert(draw.randint(0, len(shape)), draw.choice((0, 1, 1, 2)))
    elif not shape:
        return
    elif how == "drop":
        del shape[draw.randrange(len(shape))]
    else:
        axis, size = draw.randrange(len(shape)), draw.choice((0, 0, 1, 1, 2, 5))
        if draw.random() < 0.5:  # of all bottoms that have the same size there
            before = shape[axis]
            for i, x in enumerate(bottoms):
                if x.shape[axis : axis + 1] == (before,):
                    bottoms[i] = np.resize(x, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
            return
        shape[axis] = size
    bottoms[which] = np.resize(bottoms[which], shape)


def _values(draw: random.Random, cls: Any, case: dict[str, Any]) -> None:
    """Put one value at one place of a bottom, at a few of them, or everywhere."""
    flat = draw.choice(case["bottoms"]).reshape(-1)
    if len(flat):
        places = draw.choice(([draw.randrange(len(flat))], draw.sample(range(len(flat)), (len(flat) + 3) // 4), None))
        flat[slice(None) if places is None else places] = draw.choice(VALUES)
