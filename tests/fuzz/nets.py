"""Hostile text nets: random layers on random shapes with extreme values, and prototxts whose text is damaged."""

import random
import re

from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.proto import caffe_pb2
from tests.parity.families import FAMILIES, cases
from tests.parity.plan import down, layer_text

INTEGERS = (0, 1, 2, 3, 7, 255, -1, -2, 1 << 15, 1 << 16, 2**31 - 1, -(2**31))
LARGE = (2**32 - 1, 2**63 - 1, -(2**63))
FLOATS = ("0", "1", "-1", "0.5", "1e-30", "1e30", "nan", "inf", "-inf")
INSERTED = ('"', "{", "}", ":", "#", "\0", "\x1b", "é", "\ufeff", "-", "9" * 30)
STRINGS = ("", "x", "data", "a/b", "\\000", "\\377", "%s{}", "no_such_file", ".", "caffe_pylayers.one_hot")
SIZES = (1, 2, 3, 5, 8)
EXTREME_SIZES = (0, -1, 70_000, 1 << 16, 2**31 - 1, 2**40)
SHAPES = ((2, 3, 5, 5), (2, 3), (4,), (), (1, 1, 1, 1), (3, 2, 4), (2, 3, 4, 5, 6), (0, 3, 4, 4))

# What every layer has beside its own parameters; the rest of LayerParameter's messages belong to one type each.
COMMON = ("loss_param", "transform_param")
# Fields that hardly a layer does without.
NEEDED = (
    "num_output",
    "kernel_size",
    "shape",
    "dim",
    "batch_size",
    "tiles",
    "input_dim",
    "min",
    "max",
    "pyramid_height",
)
FILLERS = ("constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear")


def hostile_net(draw: random.Random) -> str:
    """A net: every other one a layer that is known to work with up to two of its values changed, else a random one."""
    return _changed_case(draw) if draw.random() < 0.5 else text_net(draw)


def _changed_case(draw: random.Random) -> str:
    case = draw.choice(CASES)
    lines = [f"force_backward: {str(bool(down(case))).lower()}"]
    shapes = [list(bottom.shape) for bottom in case.bottoms]
    for _ in range(draw.choice((0, 0, 0, 1))):
        shape = draw.choice(shapes or [[]])
        shape[: draw.randint(0, 1)] = [draw.choice(EXTREME_SIZES)]
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {size}" for size in shape)
        lines.append(f'layer {{ name: "in{i}" type: "Input" top: "b{i}" input_param {{ shape {{ {dims} }} }} }}')
    layer = layer_text(case, every_top_counts=True)
    for _ in range(draw.choice((0, 1, 1, 2))):
        layer = _changed_value(draw, layer)
    return "\n".join([*lines, f"layer {{ {layer} }}"]) + "\n"


def _changed_value(draw: random.Random, text: str) -> str:
    places = list(re.finditer(r":\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?|\"[^\"]*\")(?=[\s}]|$)", text))
    if not places:
        return text
    place = draw.choice(places)
    old = place[1]
    if old.startswith('"'):
        value = f'"{draw.choice(STRINGS)}"'
    else:
        value = str(draw.choice(INTEGERS + LARGE + FLOATS if "." in old else INTEGERS + LARGE))
    return f"{text[: place.start()]}: {value}{text[place.end() :]}"


def text_net(draw: random.Random) -> str:
    """A net of one to four layers over Input layers.

    A third is tame, with values that mostly fit; a third has extreme values; a third is damaged as text.
    """
    kind = draw.randrange(3)
    hostility = 0.1 if kind == 1 else 0.0
    shapes = [_shape(draw, hostility) for _ in range(draw.randint(1, 3))]
    if draw.random() < 0.6:
        shapes = shapes[:1] * len(shapes)
    lines = ["force_backward: true"]
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {size}" for size in shape)
        lines.append(f'layer {{ name: "in{i}" type: "Input" top: "b{i}" input_param {{ shape {{ {dims} }} }} }}')
    blobs = [f"b{i}" for i in range(len(shapes))]
    for number in range(draw.randint(1, 4)):
        lines.append(_layer(draw, number, blobs, hostility))
    text = "\n".join(lines) + "\n"
    return damaged(draw, text) if kind == 2 else text


def _shape(draw: random.Random, hostility: float) -> list[int]:
    shape = list(draw.choice(SHAPES))
    for axis in range(len(shape)):
        if draw.random() < hostility:
            shape[axis] = draw.choice(EXTREME_SIZES)
    if draw.random() < hostility / 2:
        shape += [1] * draw.choice((20, 28, 29, 40))
    return shape


def _layer(draw: random.Random, number: int, blobs: list[str], hostility: float) -> str:
    kind = draw.choice(TYPES)
    if kind not in COUNTS and not hostility:
        kind = "ReLU"
    bottoms, tops = (_number(draw, count, hostility) for count in COUNTS.get(kind, (1, 1)))
    names = [f"t{number}_{i}" for i in range(tops)]
    read = [draw.choice(blobs) for _ in range(bottoms)]
    if names and read and draw.random() < 0.1:
        names[0] = draw.choice(blobs) if hostility else read[0]
    words = [f'name: "l{number}" type: "{kind}"']
    words += [f'bottom: "{name}"' for name in read] + [f'top: "{name}"' for name in names]
    if draw.random() < 0.3:
        words += [f"loss_weight: {draw.choice(FLOATS if hostility else ('0', '1', '2.5'))}"] * tops
    for name in ([OWN[kind]] if kind in OWN else []) + [name for name in COMMON if draw.random() < hostility]:
        field = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name[name]
        words.append(f"{name} {{ {_message(draw, field.message_type, hostility)} }}")
    blobs += [name for name in names if name not in blobs]
    return f"layer {{ {' '.join(words)} }}"


def _number(draw: random.Random, count: int | tuple[int, int | None], hostility: float) -> int:
    if draw.random() < hostility:
        return draw.randint(0, 4)
    low, high = (count, count) if isinstance(count, int) else count
    return draw.randint(low, min(low + 2, low + 2 if high is None else high))


def _message(draw: random.Random, message, hostility: float, depth: int = 0) -> str:
    words = []
    for field in message.fields:
        if draw.random() > (0.95 if field.name in NEEDED else 0.3):
            continue
        repeats = draw.choice((1, 1, 2, 3)) if _repeated(field) else 1
        for _ in range(repeats):
            words.append(field_text(draw, field, hostility, depth))
    return " ".join(words)


def field_text(draw: random.Random, field, hostility: float, depth: int = 0) -> str:
    """A field of a message with a value, or a message of values, that may be hostile."""
    if field.message_type is not None:
        inner = _message(draw, field.message_type, hostility, depth + 1) if depth < 3 else ""
        return f"{field.name} {{ {inner} }}"
    return f"{field.name}: {_value(draw, field, hostility)}"


def _value(draw: random.Random, field, hostility: float) -> str:
    hostile = draw.random() < hostility
    if field.enum_type is not None:
        return "NO_SUCH" if hostile else draw.choice(field.enum_type.values).name
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return draw.choice(FLOATS) if hostile else draw.choice(("0.5", "1", "2"))
    if field.type == field.TYPE_BOOL:
        return draw.choice(("true", "false"))
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        known = FILLERS if field.containing_type.name == "FillerParameter" else STRINGS
        return f'"{draw.choice(STRINGS if hostile else known)}"'
    if hostile:
        return str(draw.choice(INTEGERS + LARGE))
    return str(draw.choice((0, 1, 1, 2, 3)))


def _repeated(field) -> bool:
    return getattr(field, "is_repeated", None) or getattr(field, "label", None) == getattr(field, "LABEL_REPEATED", 3)


def damaged(draw: random.Random, text: str) -> str:
    """The text with one to three pieces left out, repeated, put in, exchanged or replaced."""
    for _ in range(draw.randint(1, 3)):
        at, length = draw.randrange(len(text)), draw.choice((1, 1, 2, 5, 20))
        change = draw.randrange(5)
        if change == 0:
            text = text[:at] + text[at + length :]
        elif change == 1:
            text = text[:at] + text[at : at + length] * 2 + text[at + length :]
        elif change == 2:
            text = text[:at] + draw.choice(INSERTED) + text[at:]
        elif change == 3:
            words = text.split(" ")
            first, second = draw.randrange(len(words)), draw.randrange(len(words))
            words[first], words[second] = words[second], words[first]
            text = " ".join(words)
        else:
            text = text[:at] + text[at:].replace(
                draw.choice(("0", "1", "b0", "layer", "dim")), draw.choice(("2", "", "x")), 1
            )
        text = text or " "
    return text


def _own_parameters() -> dict[str, str]:
    """The LayerParameter field of each type, by the names: ``pooling_param`` of ``Pooling``."""
    fields = {
        name[: -len("_param")].replace("_", ""): name
        for name in caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name
        if name.endswith("_param")
    }
    shared = {
        "Deconvolution": "convolution_param",
        "Im2col": "convolution_param",
        "LSTM": "recurrent_param",
        "RNN": "recurrent_param",
        "SoftmaxWithLoss": "softmax_param",
        "DummyData": "dummy_data_param",
    }
    return {
        kind: shared.get(kind) or fields[kind.lower()] for kind in TYPES if kind in shared or kind.lower() in fields
    }


TYPES = [*LAYERS.names(), "NoSuchType", ""]
COUNTS = {kind: (LAYERS.get(kind).bottoms, LAYERS.get(kind).tops) for kind in LAYERS.names()}
OWN = _own_parameters()
CASES = [case for family in FAMILIES for case in cases(family) if not case.arrays and not case.before]
