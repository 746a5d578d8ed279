"""Pictures of nets by pydot and Graphviz, from the messages of any caffe."""

from __future__ import annotations

import os
import subprocess
from html import escape as as_html
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files
from caffe_pylayers._layer.phases import PHASES
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.forks.table import engine_type, in_python
from caffe_pylayers._nets.include_rules import State, included_layers

DEFAULT_COLOR, IN_PLACE_COLOR, BLOB_COLOR = "#CFE2F3", "#D5EBD0", "#F1F1F1"
COLORS = {
    "Convolution": "#F6CBC6",
    "Deconvolution": "#F6CBC6",
    "InnerProduct": "#E2D0F0",
    "Pooling": "#FADDB3",
    "Python": "#FFD43B",
}
LEARNING = ("Convolution", "Deconvolution", "InnerProduct")

_GREY, _BLUE = "#666666", "#306998"  # the blue that goes with Python's yellow
_FONT = "Helvetica,Arial,sans-serif"
_BLOB = {"shape": "octagon", "style": "filled", "fillcolor": BLOB_COLOR, "color": "#AAAAAA", "fontsize": 11}
_LAYER = {"shape": "box", "style": "filled,rounded", "color": _GREY, "margin": "0.12,0.04"}


def choose_color_by_layertype(layertype: str) -> str:
    """Return the colour of a layer type; Python layers have their own."""
    return COLORS.get(layertype, DEFAULT_COLOR)


def get_edge_label(layer: Any) -> str:
    """Return the text at a layer's tops: its number of outputs, its batch size, or nothing."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if engine_type(layer) in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return ""


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """Return the lr_mult of a layer's weights and biases. ValueError for a type without them, or for more."""
    if engine_type(layer) not in LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    given = [float(spec.lr_mult) for spec in layer.param]
    if len(given) > 2:
        raise ValueError(f"layer {quoted(layer.name)} has {len(given)} param blocks, a weight and a bias only two")
    weight, bias = [*given, *[1.0] * (2 - len(given))]
    return weight, bias


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """Describe a layer in one text: name, type or Python class, window, and with display_lrm its lr_mult."""
    # Where the picture grows from left to right there is room below, else beside.
    words = [layer.name, f"({_kind(layer)})", *_details(layer, display_lrm)]
    return ("\n" if rankdir in ("LR", "RL") else " ").join(words)


def _kind(layer: Any) -> str:
    if layer.type == "Pooling":
        methods = layer.pooling_param.DESCRIPTOR.enum_types_by_name["PoolMethod"].values_by_number
        return f"Pooling {methods[layer.pooling_param.pool].name}"
    if in_python(layer):
        return f"{layer.type} {layer.python_param.module}.{layer.python_param.layer}"
    return str(layer.type)


def _details(layer: Any, display_lrm: bool) -> list[str]:
    words = []
    if layer.type == "Pooling" and layer.pooling_param.global_pooling:
        words.append("global")
    elif engine_type(layer) in ("Convolution", "Deconvolution", "Pooling"):
        param = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
        for name, field, default in (("kernel size", "kernel", 0), ("stride", "stride", 1), ("pad", "pad", 0)):
            words.append(f"{name}: {_size(param, field, default)}")
    if display_lrm and engine_type(layer) in LEARNING and any(get_layer_lr_mult(layer)):
        weight, bias = get_layer_lr_mult(layer)
        words.append(f"lr mult: {weight:.1f}, {bias:.1f}")
    return words


def _size(param: Any, field: str, default: int) -> str:
    """Return a window's size, one number or, where the axes differ, such as 1 x 7."""
    height, width = (getattr(param, f"{field}_{axis}") for axis in "hw")
    whole = getattr(param, "kernel_size" if field == "kernel" else field)
    given = [height, width] if height or width else [whole] if isinstance(whole, int) else list(whole)
    return " x ".join(map(str, given[:1] if len(set(given)) == 1 else given or [default]))


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """Return the pydot graph of a NetParameter, of one phase or of all layers; rankdir as Graphviz's: LR, TB, BT.

    ImportError where pydot is missing.
    """
    try:
        import pydot
    except ImportError as error:
        raise ImportError("nets are drawn by pydot: pip install pydot, and install Graphviz") from error
    graph = pydot.Dot(_quoted(caffe_net.name or "Net"), graph_type="digraph", rankdir=rankdir, nodesep=0.3, ranksep=0.3)
    graph.set_graph_defaults(fontname=_quoted(_FONT), fontsize=20, labelloc="t", label=_quoted(caffe_net.name))
    graph.set_node_defaults(fontname=_quoted(_FONT), fontsize=12, height=0.3)
    graph.set_edge_defaults(fontname=_quoted(_FONT), fontsize=10, fontcolor=_quoted(_GREY), color=_quoted(_GREY))
    layers = list(caffe_net.layer) if phase is None else included_layers(caffe_net, State(phase))
    blobs: dict[str, Any] = {}

    def blob(name: str) -> Any:
        if name not in blobs:
            blobs[name] = pydot.Node(_quoted(f"blob {name}"), label=_quoted(name), **_styled(_BLOB))
            graph.add_node(blobs[name])
        return blobs[name]

    for i, layer in enumerate(layers):
        details = _details(layer, display_lrm) + (_phases(layer) if phase is None else [])
        node = pydot.Node(_quoted(f"layer {i} {layer.name}"), label=_table(layer, details), **_style(layer))
        graph.add_node(node)
        for name in layer.bottom:
            graph.add_edge(pydot.Edge(blob(name), node))
        text = get_edge_label(layer) if label_edges else ""
        for name in layer.top:
            # The blanks keep it off the line.
            graph.add_edge(pydot.Edge(node, blob(name), label=_quoted(f" {text} " if text else "")))
    return graph


def _style(layer: Any) -> dict[str, Any]:
    if in_python(layer):
        return _styled(_LAYER, fillcolor=COLORS["Python"], color=_BLUE, penwidth=2)
    in_place = list(layer.bottom) == list(layer.top) and len(layer.top) == 1
    return _styled(_LAYER, fillcolor=IN_PLACE_COLOR if in_place else choose_color_by_layertype(engine_type(layer)))


def _styled(*styles: dict[str, Any], **more: Any) -> dict[str, Any]:
    merged = {name: value for style in (*styles, more) for name, value in style.items()}
    return {name: _quoted(value) if isinstance(value, str) else value for name, value in merged.items()}


def _table(layer: Any, details: list[str]) -> str:
    """Return Graphviz's HTML for a layer: its name, its type below, and what is special about it in small type."""
    lines = [f"<b>{_html(layer.name)}</b>" if layer.name else "", _html(_kind(layer))]
    if details:
        lines.append(f'<font point-size="10" color="#444444">{_html(", ".join(details))}</font>')
    rows = "".join(f"<tr><td>{line}</td></tr>" for line in filter(None, lines))
    return f'<<table border="0" cellspacing="2" cellpadding="0">{rows}</table>>'


def _phases(layer: Any) -> list[str]:
    names = {number: name for name, number in PHASES.items()}
    return [f"phase: {names[rule.phase]}" for rule in layer.include if rule.HasField("phase")]


def _quoted(text: str) -> str:
    escaped = _visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _html(text: str) -> str:
    return as_html(_visible(text))


def _visible(text: str) -> str:
    """Write control characters, which Graphviz refuses, as their Python escapes."""
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """Draw a NetParameter in a format that Graphviz writes (png, svg, ...), or as the text that it reads: "raw", "gv".

    FileNotFoundError where Graphviz's dot is missing, ValueError with its message for a format that it does not know.
    """
    source: bytes = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm).to_string().encode()
    if ext in ("raw", "gv"):
        return source
    try:
        done = subprocess.run(["dot", f"-T{ext}"], input=source, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise FileNotFoundError('Graphviz is not installed: no program "dot"; a .gv file needs none') from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        if "not recognized" in said:
            raise ValueError(f"Graphviz does not write pictures of the kind {ext}; take png, svg or pdf")
        raise ValueError(f"Graphviz: {said}")
    return done.stdout


def draw_net_to_file(
    caffe_net: Any,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Draw a NetParameter into a file, in the format that its name ends in; raises as draw_net does."""
    path = Path(filename)
    if not path.suffix:
        raise ValueError(f"{path}: the ending of the name says what picture it is: .png, .svg, .pdf, .gv, ...")
    picture = draw_net(caffe_net, rankdir, path.suffix[1:], phase, display_lrm)
    with files.whole(path) as temporary:
        temporary.write_bytes(picture)
