"""``caffe.draw``: a picture of a net, by pydot and Graphviz."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from caffe_pylayers import _files
from caffe_pylayers._net_filter import State, included_layers
from caffe_pylayers.runtime.proto.caffe_pb2 import PoolingParameter

DEFAULT_COLOR, IN_PLACE_COLOR, BLOB_COLOR = "#6495ED", "#90EE90", "#E0E0E0"
COLORS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "InnerProduct": "#CC33FF",
    "Pooling": "#FF9900",
    "Python": "#FFD43B",
}
LEARNING = ("Convolution", "Deconvolution", "InnerProduct")


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer type; Python layers have their own."""
    return COLORS.get(layertype, DEFAULT_COLOR)


def get_pooling_types_dict() -> dict[int, str]:
    """The names of the pooling methods by number."""
    return {number: name for name, number in PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: Any) -> str:
    """What is written at a layer's tops: its number of outputs, or its batch size."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return ""


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """The lr_mult of a layer's weights and biases. ValueError for a type without them, or for more."""
    if layer.type not in LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    given = [float(spec.lr_mult) for spec in layer.param]
    if len(given) > 2:
        raise ValueError(f'layer "{layer.name}" has {len(given)} param blocks, a weight and a bias only two')
    weight, bias = [*given, *[1.0] * (2 - len(given))]
    return weight, bias


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """What is written in a layer: name, type, window, and with display_lrm its lr_mult; for Python its class too."""
    kind = layer.type
    if kind == "Pooling":
        kind = f"Pooling {get_pooling_types_dict()[layer.pooling_param.pool]}"
    if kind == "Python":
        kind = f"Python {layer.python_param.module}.{layer.python_param.layer}"
    words = [layer.name, f"({kind})"]
    if layer.type in ("Convolution", "Deconvolution", "Pooling"):
        param = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
        sizes = _one(param.kernel_size, 1), _one(param.stride, 1), _one(param.pad, 0)
        words += [f"{name}: {size}" for name, size in zip(("kernel size", "stride", "pad"), sizes)]
    if display_lrm and layer.type in LEARNING and any(get_layer_lr_mult(layer)):
        weight, bias = get_layer_lr_mult(layer)
        words.append(f"lr mult: {weight:.1f}, {bias:.1f}")
    # Where the picture grows from left to right there is room below, else beside.
    return ("\n" if rankdir in ("LR", "RL") else " ").join(words)


def _one(size: Any, default: int) -> int:
    if isinstance(size, int):
        return size
    return size[0] if size else default


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """The pydot graph of a NetParameter, of one phase or of all layers; rankdir as Graphviz's: LR, TB, BT.

    ImportError where pydot is missing.
    """
    try:
        import pydot
    except ImportError as error:
        raise ImportError("nets are drawn by pydot: pip install pydot, and install Graphviz") from error
    graph = pydot.Dot(_quoted(caffe_net.name or "Net"), graph_type="digraph", rankdir=rankdir)
    layers = list(caffe_net.layer) if phase is None else included_layers(caffe_net, State(phase))
    blobs: dict[str, Any] = {}

    def blob(name: str) -> Any:
        if name not in blobs:
            style: dict[str, Any] = {"shape": "octagon", "style": "filled", "fillcolor": BLOB_COLOR}
            blobs[name] = pydot.Node(_quoted(f"blob {name}"), label=_quoted(name), **style)
            graph.add_node(blobs[name])
        return blobs[name]

    for i, layer in enumerate(layers):
        in_place = list(layer.bottom) == list(layer.top) and len(layer.top) == 1
        color = IN_PLACE_COLOR if in_place and layer.type != "Python" else choose_color_by_layertype(layer.type)
        label = _quoted(get_layer_label(layer, rankdir, display_lrm))
        node = pydot.Node(_quoted(f"layer {i} {layer.name}"), label=label, shape="box", style="filled", fillcolor=color)
        graph.add_node(node)
        for name in layer.bottom:
            graph.add_edge(pydot.Edge(blob(name), node))
        for name in layer.top:
            graph.add_edge(pydot.Edge(node, blob(name), label=_quoted(get_edge_label(layer) if label_edges else "")))
    return graph


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture of a NetParameter in a format that Graphviz writes (png, svg, pdf, ...), or "raw": what it reads.

    FileNotFoundError where Graphviz's dot is missing.
    """
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    picture: bytes = graph.to_string().encode() if ext == "raw" else graph.create(format=ext)
    return picture


def draw_net_to_file(
    caffe_net: Any,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write the picture of a NetParameter to a file, in the format that its name ends in."""
    path = Path(filename)
    picture = draw_net(caffe_net, rankdir, path.suffix[1:], phase, display_lrm)
    with _files.whole(path) as temporary:
        temporary.write_bytes(picture)
