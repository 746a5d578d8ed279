"""A ``param_str`` as a dictionary: JSON, a Python literal or YAML."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any, Iterable

from caffe_pylayers._layer.quote import one_line, short

# YAML names a value once and repeats it, so that 400 characters can stand for 10**10 values.
MOST_CHARACTERS = MOST_VALUES = 2**16
MOST_LEVELS = 32

_NONE_OF_THREE = "param_str is neither JSON, a Python dictionary nor YAML"


class ParamStrError(ValueError):
    """A param_str that is no dictionary; the message is one line."""


def parse_param_str(text: str) -> dict[Any, Any]:
    """Return a param_str as a dictionary: JSON, a Python literal or YAML, tried in this order.

    The empty string is the empty dictionary. Raises ValueError when none of the three reads it
    as a dictionary, when a key comes twice, and beyond 65,536 characters or values or 32 levels.
    """
    if len(text) > MOST_CHARACTERS:
        raise ParamStrError(
            f"param_str has {len(text)} characters, more than {MOST_CHARACTERS}; keep what is long in a file"
        )
    if not text.strip():
        return {}
    value = _parse(text)
    if not isinstance(value, dict):
        no_blank = isinstance(value, str) and re.match(r"\w+:\S", value)
        hint = " (YAML wants a blank after the colon)" if no_blank else ""
        raise ParamStrError(f'param_str must hold a dictionary such as {{"key": 1}}, got {short(text)}{hint}')
    _check_size(value)
    return value


def _parse(text: str) -> Any:
    for read in (_read_json, _read_literal):
        try:
            return read(text)
        except ParamStrError:
            raise
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass  # the next notation: YAML, the last one, has the most telling errors
    return _read_yaml(text)


def _read_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _read_literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler says of "\d"
        tree = ast.parse(text.strip(), mode="eval")
    value = ast.literal_eval(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            _unique((ast.literal_eval(key), None) for key in node.keys if key is not None)
    return value


def _read_yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError:
        raise ParamStrError(
            f"param_str is neither JSON nor a Python dictionary: {short(text)} (for YAML, pip install pyyaml)"
        ) from None
    try:
        return yaml.load(text, _yaml_loader(yaml))  # noqa: S506 - derived from SafeLoader
    except ParamStrError:
        raise
    except Exception as error:  # yaml's own, and what else its parser may stumble over
        raise ParamStrError(f"{_NONE_OF_THREE}: {short(text)} ({_yaml_reason(error)})") from None


def _yaml_reason(error: Exception) -> str:
    """Return the place and the reason of an exception of yaml's, in one line."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    reason = getattr(error, "problem", None) or getattr(error, "reason", None)
    if reason is None:
        reason = f"{type(error).__name__}: {error}"
    return one_line(where + str(reason))


def _yaml_loader(yaml: Any) -> type:
    """SafeLoader with an end to its depth, without double keys, and with 1e-3 a number (YAML 1.1 wants 1.0e-3)."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > MOST_LEVELS:
                raise _too_deep()
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep=deep)
            except (yaml.YAMLError, ParamStrError, MemoryError):
                raise
            except Exception:  # of its constructors, such as the AttributeError for `!!timestamp x`
                kind = node.tag.rpartition(":")[2]
                raise yaml.constructor.ConstructorError(
                    problem=f"{short(node.value)} is no {kind}", problem_mark=node.start_mark
                ) from None

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            return _unique(
                [(self.construct_object(k, deep=True), self.construct_object(v, deep=True)) for k, v in node.value]
            )

    Loader.add_constructor("tag:yaml.org,2002:map", Loader.construct_mapping)
    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_yaml_seq)  # as py-faster-rcnn writes it
    exponent = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    return Loader


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in pairs:
        try:
            twice = key in result
        except TypeError:
            raise ParamStrError(f"param_str has the key {short(key)}; a key is text or a number") from None
        if twice:
            raise ParamStrError(f"param_str gives the key {short(key)} twice")
        result[key] = value
    return result


def _check_size(value: Any) -> None:
    """Raise for too many values, those that YAML repeats counted each time, and for too many levels."""
    count, level = 0, [value]
    for _ in range(MOST_LEVELS):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inside += item.values()
            elif isinstance(item, (list, tuple, set)):
                inside += item
            if count + len(inside) > MOST_VALUES:
                raise ParamStrError(f"param_str holds more than {MOST_VALUES} values")
        if not inside:
            return
        count, level = count + len(inside), inside
    raise _too_deep()


def _too_deep() -> ParamStrError:
    return ParamStrError(f"param_str is nested deeper than {MOST_LEVELS} levels")
