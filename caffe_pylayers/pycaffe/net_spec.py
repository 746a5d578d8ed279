"""Nets written in Python: ``from caffe import layers as L, params as P, NetSpec, to_proto``.

    n = NetSpec()
    n.data, n.label = L.Data(source="train_lmdb", backend=P.Data.LMDB, batch_size=64, ntop=2)
    n.ip = L.InnerProduct(n.data, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.ip, n.label)
    text = str(n.to_proto())

pycaffe's net_spec: L.Type(*bottoms, **fields) is a layer, its fields those of the type's own parameter or, where
that has none of the name, of LayerParameter; dictionaries are messages, lists repeated fields. ``ntop`` is how
many tops it has, 1 by default; ``in_place`` has it write over its bottom.
"""

from __future__ import annotations

import functools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from caffe_pylayers.runtime.net.names import UnknownName
from caffe_pylayers.runtime.proto import caffe_pb2

_Layers = OrderedDict["Function", Any]
_Names = dict[Any, str]


class Top:
    """One of the blobs that a layer makes: the n-th top of the Function ``fn``."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """Return the NetParameter of all layers that this top depends on."""
        return to_proto(self)

    def _to_proto(self, layers: _Layers, names: _Names, autonames: Counter[str]) -> None:
        self.fn._to_proto(layers, names, autonames)


class Function:
    """A layer: its type, the Tops it reads, and its fields by name. TypeError for an input that is no Top."""

    def __init__(self, type_name: str, inputs: Sequence[Top], params: dict[str, Any]) -> None:
        self.type_name = type_name
        for index, given in enumerate(inputs):
            if not isinstance(given, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(given)})")
        self.inputs = inputs
        self.params = dict(params)
        self.ntop: int = self.params.pop("ntop", 1)
        self.in_place: bool = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _to_proto(self, layers: _Layers, names: _Names, autonames: Counter[str]) -> None:
        """Add the LayerParameter, after those that it depends on; what has no name gets one, such as ReLU3."""
        if self in layers:
            return
        bottoms = []
        for given in self.inputs:
            given._to_proto(layers, names, autonames)
            bottoms.append(layers[given.fn].top[given.n])
        layer = caffe_pb2.LayerParameter(type=self.type_name, bottom=bottoms)
        layer.top.extend(bottoms if self.in_place else [self._name(top, names, autonames) for top in self.tops])
        layer.name = self._name(self.tops[0] if self.tops else self, names, autonames)
        own = param_name_dict().get(self.type_name, "") + "_param"
        for name, value in self.params.items():
            message = getattr(layer, own, None)
            fits = message is not None and not name.endswith("param") and hasattr(message, name)
            assign_proto(message if fits else layer, name, value)
        layers[self] = layer

    def _name(self, what: Any, names: _Names, autonames: Counter[str]) -> str:
        if what not in names:
            autonames[self.type_name] += 1
            names[what] = f"{self.type_name}{autonames[self.type_name]}"
        return names[what]


class UnknownBlob(UnknownName, AttributeError):  # noqa: N818 - as UnknownName
    """No blob of this name has been assigned: pycaffe's KeyError, and an AttributeError for hasattr and copy."""


class NetSpec:
    """A net whose blobs are named as they are assigned: ``n.conv1 = L.Convolution(n.data, ...)``.

    Raises UnknownBlob, a KeyError, for a name that has not been assigned.
    """

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setitem__(self, key: str, value: Any) -> None:
        self.tops[key] = value

    def __getitem__(self, item: str) -> Any:
        try:
            return self.__dict__["tops"][item]
        except KeyError:
            raise UnknownBlob(f"no blob {item} has been assigned") from None

    def to_proto(self) -> Any:
        """Return the NetParameter of all layers that the assigned blobs depend on, and of those without tops."""
        return _net(self.tops.values(), {value: name for name, value in self.tops.items()})


def to_proto(*tops: Top) -> Any:
    """Return the NetParameter of all layers that these tops depend on, with names made up."""
    return _net(tops, {})


def _net(assigned: Iterable[Top | Function], names: _Names) -> Any:
    layers: _Layers = OrderedDict()
    autonames: Counter[str] = Counter()
    for value in assigned:
        value._to_proto(layers, names, autonames)
    return caffe_pb2.NetParameter(layer=layers.values())


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a message's field: a dictionary sets a message's own fields, a single value is a repeated field's only one.

    AttributeError for a message without the field.
    """
    if not hasattr(proto, name):
        raise AttributeError(f"{type(proto).__name__} has no field {name}")
    field = getattr(proto, name)
    if hasattr(field, "extend"):
        for item in val if isinstance(val, (list, tuple)) else [val]:
            if isinstance(item, dict):
                added = field.add()
                for key, value in item.items():
                    assign_proto(added, key, value)
            else:
                field.append(item)
    elif isinstance(val, dict):
        for key, value in val.items():
            assign_proto(field, key, value)
    else:
        setattr(proto, name, val)


@functools.cache
def param_name_dict() -> dict[str, str]:
    """Return each layer type's parameter field without ``_param``, by type: InnerProduct: inner_product."""
    fields = caffe_pb2.LayerParameter.DESCRIPTOR.fields
    return {
        field.message_type.name.removesuffix("Parameter"): field.name.removesuffix("_param")
        for field in fields
        if field.name.endswith("_param") and field.message_type
    }


class Layers:
    """Makes layers: ``L.Convolution(bottom, kernel_size=3, num_output=8)`` is its Top, or its Tops."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def layer_fn(*args: Top, **kwargs: Any) -> Any:
            function = Function(name, args, kwargs)
            return {0: function, 1: (*function.tops, None)[0]}.get(function.ntop, function.tops)

        return layer_fn


class Parameters:
    """Gives the constants of parameters: ``P.Pooling.MAX``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(caffe_pb2, name + "Parameter")
        except AttributeError:
            raise AttributeError(f"there is no {name}Parameter") from None


layers = Layers()
params = Parameters()
