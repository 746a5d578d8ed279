"""Parameters a Python layer declares, and the ``param_str`` that sets them."""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
from typing import Any, Sequence

REQUIRED = object()

_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


class Parameter:
    """One parameter of a layer, declared as a class attribute and read as an instance attribute.

    kind: int, float, bool or str. An integer is a valid float; true and false are no numbers.
    default: the value when param_str does not name it; without one the parameter is required.
        None means "not given" and is then the only value outside kind that is allowed.
    low, high: the inclusive range of a number.
    choices: the allowed strings.
    doc: one line for the user: meaning and unit.
    """

    name: str

    def __init__(
        self,
        kind: type,
        default: Any = REQUIRED,
        *,
        low: float | None = None,
        high: float | None = None,
        choices: Sequence[str] = (),
        doc: str,
    ) -> None:
        self.kind, self.default, self.doc = kind, default, doc
        self.low, self.high, self.choices = low, high, tuple(choices)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    # No __set__: the value in the instance's own dictionary hides the declaration.
    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        if self.default is REQUIRED:
            raise AttributeError(f"{type(layer).__name__}: parameter {self.name} is not set before setup")
        return self.default

    def expected(self) -> str:
        """What the parameter accepts, in words: ``an integer >= 1``."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = _KINDS[self.kind]
        if self.low is not None and self.high is not None:
            words += f" in [{self.low}, {self.high}]"
        elif self.low is not None:
            words += f" >= {self.low}"
        elif self.high is not None:
            words += f" <= {self.high}"
        return words

    def read(self, value: Any) -> Any:
        """The value as this parameter's kind; ValueError or TypeError when it does not fit."""
        if value is None and self.default is None:
            return None
        allowed = (int, float) if self.kind is float else self.kind
        if not isinstance(value, allowed) or (isinstance(value, bool) and self.kind is not bool):
            raise TypeError(f"parameter {self.name} must be {self.expected()}, got {value!r}")
        value = self.kind(value)
        if (
            (self.kind is float and not math.isfinite(value))
            or (self.choices and value not in self.choices)
            or (self.low is not None and not value >= self.low)
            or (self.high is not None and not value <= self.high)
        ):
            raise ValueError(f"parameter {self.name} must be {self.expected()}, got {value!r}")
        return value


def declared(cls: type) -> dict[str, Parameter]:
    """The parameters of a layer class by name, inherited ones first."""
    found: dict[str, Parameter] = {}
    for base in reversed(cls.__mro__):
        found.update((k, v) for k, v in vars(base).items() if isinstance(v, Parameter))
    return found


def read_parameters(parameters: dict[str, Parameter], text: str) -> dict[str, Any]:
    """Values for all declared parameters from a param_str.

    Raises ValueError for text that is no dictionary, an unknown key, a missing or out-of-range
    value, and TypeError for a value of the wrong type; each message names the key, what is
    allowed and what came.
    """
    given = parse_param_str(text)
    for key in given:
        if key not in parameters:
            raise ValueError(_unknown(key, parameters))
    values = {}
    for name, parameter in parameters.items():
        if name in given:
            values[name] = parameter.read(given[name])
        elif parameter.default is REQUIRED:
            raise ValueError(f"parameter {name} is required in param_str: {parameter.expected()} ({parameter.doc})")
        else:
            values[name] = parameter.default
    return values


def parse_param_str(text: str) -> dict[Any, Any]:
    """A param_str as a dictionary: JSON, a Python literal or YAML, tried in this order.

    The empty string is the empty dictionary. Raises ValueError when none of the three reads it
    as a dictionary, or when a JSON or YAML key comes twice.
    """
    if not text.strip():
        return {}
    value = _parse(text)
    if not isinstance(value, dict):
        raise ValueError(f'param_str must hold a dictionary such as {{"key": 1}}, got {text!r}')
    return value


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError:
        pass  # the next notation
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, ValueError):
        pass  # the last notation, whose error is the most telling
    try:
        import yaml
    except ModuleNotFoundError:
        raise ValueError(
            f"param_str is neither JSON nor a Python dictionary: {text!r} (for YAML, install PyYAML)"
        ) from None
    try:
        return yaml.load(text, _yaml_loader(yaml))  # noqa: S506 - derived from SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"param_str is neither JSON, a Python dictionary nor YAML: {text!r} ({error})") from None


def _yaml_loader(yaml: Any) -> type:
    """SafeLoader that reads 1e-3 as the number it is (YAML 1.1 wants 1.0e-3) and refuses double keys."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            return _unique(
                [(self.construct_object(k, deep=True), self.construct_object(v, deep=True)) for k, v in node.value]
            )

    Loader.add_constructor("tag:yaml.org,2002:map", Loader.construct_mapping)
    exponent = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    return Loader


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"param_str gives the key {key!r} twice")
        result[key] = value
    return result


def _unknown(key: Any, parameters: dict[str, Parameter]) -> str:
    if not parameters:
        return f"unknown parameter {key!r} in param_str; this layer has none"
    close = difflib.get_close_matches(str(key), parameters, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown parameter {key!r} in param_str{hint}; known: {', '.join(sorted(parameters))}"
