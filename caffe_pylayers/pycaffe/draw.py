"""``caffe.draw``: a picture of a net, by pydot and Graphviz."""

from __future__ import annotations

from caffe_pylayers._nets.pictures import (
    choose_color_by_layertype,
    draw_net,
    draw_net_to_file,
    get_edge_label,
    get_layer_label,
    get_layer_lr_mult,
    get_pydot_graph,
)
from caffe_pylayers.runtime.proto.caffe_pb2 import PoolingParameter

__all__ = [
    "choose_color_by_layertype",
    "draw_net",
    "draw_net_to_file",
    "get_edge_label",
    "get_layer_label",
    "get_layer_lr_mult",
    "get_pooling_types_dict",
    "get_pydot_graph",
]


def get_pooling_types_dict() -> dict[int, str]:
    """Return the names of the pooling methods by number."""
    return {number: name for name, number in PoolingParameter.PoolMethod.items()}
