"""What becomes of one layer of a fork, given as what stands in its braces."""

import json

from caffe_pylayers._nets.forks.unknown import unknown_types
from caffe_pylayers._nets.prototxt import parse_net


def layers_of(text, net="net"):
    """Return the layer, lowered, and those that come behind it; lowered again they are the same."""
    found = parse_net(f"layer {{ name: 'a' {text} }}", net)
    if not unknown_types(found.layer):
        assert parse_net(str(found), net) == found
    return list(found.layer)


def layer_of(text, net="net"):
    """Return the layer, lowered, where none comes behind it."""
    (layer,) = layers_of(text, net)
    return layer


def in_library(layer):
    """Return the library's class that computes a lowered layer, ``module.Class``, and its parameters; "" for none."""
    param = layer.python_param
    name = f"{param.module}.{param.layer}".partition("caffe_pylayers.")[2]
    return name, json.loads(param.param_str or "{}")


def computed_by(text, net="net"):
    """Return the library's class that computes the layer, and its parameters."""
    return in_library(layer_of(text, net))
