"""Parameters that a Python layer declares, and reads from its ``param_str``."""

from __future__ import annotations

import difflib
import inspect
import math
from typing import Any, Callable, Sequence

from caffe_pylayers._layer.param_str import parse_param_str
from caffe_pylayers._layer.quote import short

REQUIRED = object()

_ONE = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
_MANY = {int: "integers", float: "numbers", bool: "booleans", str: "strings"}

# What a number may be beyond its own range: an integer as Caffe's own parameters, of 32 bits; and a number whose
# square, and the reciprocal of that, a float32 blob can hold.
_LARGEST = 1e18
_SIZES = {int: "of 32 bits", float: f"of a size in [{1 / _LARGEST:g}, {_LARGEST:g}]"}


class Parameter:
    """One parameter of a layer, declared as a class attribute and read as an instance attribute.

        axis = Parameter(int, 1, doc="the class axis")
        ratios = Parameter([float], (0.5, 1, 2), above=0, length=(1, None), doc="height over width")
        size = Parameter((int, int), low=1, doc="height and width, in pixels")
        boxes = Parameter([(float,) * 4], (), doc="x1, y1, x2, y2, in pixels")
        class_weights = Parameter({int: float}, {}, low=0, doc="weight by class; others have 1")

    kind: int, float, bool or str; [kind], a list of them, read as a tuple; (kind, kind, ...), a
        list of exactly these; {int: kind} or {str: kind}, a dictionary. They nest. An integer is
        a valid float; true and false are no numbers; infinity and NaN are refused. So is what is
        beyond 32 bits, but for an explicit low or high, and a float whose size, if not 0, is outside
        [1e-18, 1e18]: float32 blobs cannot hold its square. A string is one that can name a file.
    default: the value when param_str does not name it; without one the parameter is required.
        None means "not given" and is then the only value outside kind that is allowed.
    low, high: the inclusive range of each number (not of a dictionary's keys).
    above: each number must be greater than it.
    choices: the allowed values of each string or number.
    length: of a [kind]: how many, or the least and the most; None on either side is no bound.
    doc: one line for the user: meaning and unit.
    """

    name = "default"

    def __init__(
        self,
        kind: Any,
        default: Any = REQUIRED,
        *,
        low: float | None = None,
        high: float | None = None,
        above: float | None = None,
        choices: Sequence[Any] = (),
        length: int | tuple[int | None, int | None] | None = None,
        doc: str = "",
    ) -> None:
        _check_kind(kind)
        self.kind, self.doc = kind, doc
        self.low, self.high, self.above, self.choices = low, high, above, tuple(choices)
        if length is not None and not isinstance(kind, list):
            raise TypeError(f"length is of a list such as [float], got the kind {_kind_name(kind)}")
        self.length = (length, length) if isinstance(length, int) else (length or (None, None))
        self.default = default if default is REQUIRED or default is None else self.read(default)

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
        """Return in words the values that the parameter takes: ``an integer >= 1``."""
        return self._words(self.kind, self.length)

    def read(self, value: Any) -> Any:
        """Return the value as this parameter's kind; ValueError or TypeError when it does not fit.

        A list comes back as a tuple. The message names the key with the index or key inside it,
        what is allowed there, and what came.
        """
        if value is None and self.default is None:
            return None
        return self._read(self.kind, value, f"parameter {self.name}", self.length)

    def _read(self, kind: Any, value: Any, where: str, length: Any = (None, None)) -> Any:
        if isinstance(kind, list):
            least, most = length
            if not isinstance(value, (list, tuple)):
                raise self._error(TypeError, where, kind, value, length)
            if len(value) < (least or 0) or (most is not None and len(value) > most):
                raise self._error(ValueError, where, kind, value, length)
            return tuple(self._read(kind[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if isinstance(kind, tuple):
            if not isinstance(value, (list, tuple)):
                raise self._error(TypeError, where, kind, value)
            if len(value) != len(kind):
                raise self._error(ValueError, where, kind, value)
            return tuple(self._read(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kind, value)))
        if isinstance(kind, dict):
            return self._read_dictionary(kind, value, where)
        return self._read_scalar(kind, value, where)

    def _read_dictionary(self, kind: dict[type, Any], value: Any, where: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise self._error(TypeError, where, kind, value)
        ((key_kind, item_kind),) = kind.items()
        result = {}
        for key, item in value.items():
            # JSON has no keys but strings.
            name = int(key) if key_kind is int and isinstance(key, str) and _is_integer(key) else key
            if not isinstance(name, key_kind) or isinstance(name, bool):
                raise TypeError(f"a key of {where} must be {_ONE[key_kind]}, got {short(key)}")
            if isinstance(name, int) and not -(2**31) <= name < 2**31:
                raise ValueError(f"a key of {where} must be an integer {_SIZES[int]}, got {short(key)}")
            if name in result:
                raise ValueError(f"{where} gives the key {short(name)} twice")
            result[name] = self._read(item_kind, item, f"{where}[{short(name)}]")
        return result

    def _read_scalar(self, kind: type, value: Any, where: str) -> Any:
        allowed = (int, float) if kind is float else kind
        if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
            raise self._error(TypeError, where, kind, value)
        try:
            value = kind(value)
        except OverflowError:  # an integer that no float holds
            raise self._error(ValueError, where, kind, value) from None
        if (
            (kind is float and not math.isfinite(value))
            or (self.choices and value not in self.choices)
            or (kind in (int, float) and not self._in_range(value))
        ):
            raise self._error(ValueError, where, kind, value)
        if kind is str and not _is_text(value):
            raise ValueError(f"{where} must be a string without null characters and surrogates, got {short(value)}")
        if kind in _SIZES and not self._is_usable(value):
            raise ValueError(f"{where} must be {self._words(kind)} {_SIZES[kind]}, got {short(value)}")
        return value

    def _is_usable(self, number: float) -> bool:
        if isinstance(number, int):
            return (self.low is not None or number >= -(2**31)) and (self.high is not None or number < 2**31)
        return number == 0 or 1 / _LARGEST <= abs(number) <= _LARGEST

    def _in_range(self, number: float) -> bool:
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
        )

    def _error(self, error: type, where: str, kind: Any, value: Any, length: Any = (None, None)) -> Exception:
        lists = isinstance(kind, (list, tuple)) and isinstance(value, (list, tuple))
        came = f"{len(value)}: {short(value)}" if lists else short(value)
        message: Exception = error(f"{where} must be {self._words(kind, length)}, got {came}")
        return message

    def _words(self, kind: Any, length: Any = (None, None), many: bool = False) -> str:
        if isinstance(kind, list):
            return f"{'lists' if many else 'a list'} of {_count(length)}{self._words(kind[0], many=True)}"
        if isinstance(kind, tuple):
            if len(set(map(repr, kind))) == 1:
                inside = f"{len(kind)} {self._words(kind[0], many=True)}"
            else:
                inside = ", ".join(self._words(k) for k in kind)
            return f"{'lists' if many else 'a list'} of {inside}"
        if isinstance(kind, dict):
            ((key, item),) = kind.items()
            return f"{'dictionaries' if many else 'a dictionary'} of {_MANY[key]} to {self._words(item, many=True)}"
        if self.choices:
            return f"{'any' if many else 'one'} of {', '.join(map(str, self.choices))}"
        return (_MANY if many else _ONE)[kind] + (self._range() if kind in (int, float) else "")

    def _range(self) -> str:
        if self.low is not None and self.high is not None:
            return f" in [{self.low}, {self.high}]"
        bounds = ((">", self.above), (">=", self.low), ("<=", self.high))
        words = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
        return f" {words}" if words else ""


def declared(cls: type) -> dict[str, Parameter]:
    """Return the parameters of a layer class by name, inherited ones first."""
    found: dict[str, Parameter] = {}
    for base in reversed(cls.__mro__):
        found.update((k, v) for k, v in vars(base).items() if isinstance(v, Parameter))
    return found


def arguments(layer: Any, formula: Callable[..., Any]) -> dict[str, Any]:
    """Return by name those of a layer's parameters that a formula has arguments for."""
    taken = inspect.signature(formula).parameters
    return {name: getattr(layer, name) for name in declared(type(layer)) if name in taken}


def read_parameters(parameters: dict[str, Parameter], text: str) -> dict[str, Any]:
    """Return values for all declared parameters from a param_str.

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
            about = f" ({parameter.doc})" if parameter.doc else ""
            raise ValueError(f"parameter {name} is required in param_str: {parameter.expected()}{about}")
        else:
            values[name] = parameter.default
    return values


def _check_kind(kind: Any) -> None:
    if isinstance(kind, list) and len(kind) == 1:
        _check_kind(kind[0])
    elif isinstance(kind, tuple) and kind:
        for item in kind:
            _check_kind(item)
    elif isinstance(kind, dict) and len(kind) == 1 and next(iter(kind)) in (int, str):
        _check_kind(next(iter(kind.values())))
    elif kind not in (int, float, bool, str):
        raise TypeError(
            "the kind of a parameter is int, float, bool, str, [kind], (kind, kind, ...), {int: kind} or "
            f"{{str: kind}}, got {_kind_name(kind)}"
        )


def _kind_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else repr(kind)


def _count(length: Any) -> str:
    least, most = length
    if least is not None and least == most:
        return f"{least} "
    if least is not None and most is not None:
        return f"{least} to {most} "
    return f"{least} or more " if least is not None else f"up to {most} " if most is not None else ""


def _is_text(text: str) -> bool:
    """Return False where no file could have the name."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _is_integer(text: str) -> bool:
    return text.lstrip("+-").isdecimal() and len(text) < 20


def _unknown(key: Any, parameters: dict[str, Parameter]) -> str:
    if not parameters:
        return f"unknown parameter {short(key)} in param_str; this layer has none"
    close = difflib.get_close_matches(key[:100], parameters, n=1) if isinstance(key, str) else []
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown parameter {short(key)} in param_str{hint}; known: {', '.join(sorted(parameters))}"
