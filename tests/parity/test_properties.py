"""Random parameters for the layers with the trickiest shapes: both engines compute the same, or both refuse."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.parity.case import TEST, TRAIN, Case, normal
from tests.parity.compare import check
from tests.parity.replay import replay

examples = settings(max_examples=40, derandomize=True, deadline=None, database=None)
few = st.integers(1, 3)
phases = st.sampled_from([TRAIN, TEST])


# What Caffe says where a blob is empty: not that the layer cannot compute, but that nothing was allocated.
EMPTY = {"Check failed: data_ ", "Check failed: diff_ "}


def agree(oracle, case):
    recording = oracle.record(case)
    assume(recording.refused not in EMPTY)
    if recording.refused is None:
        check(case, recording)
        return
    try:
        replay(case)
    except LayerError:
        return
    pytest.fail(f"real Caffe refuses this: {recording.refused}", pytrace=False)


def fields(**values):
    """Prototxt of some fields; a list is a repeated field, None is left out."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return " ".join(f"{name}: {_text(x)}" for name, value in lists.items() for x in value if x is not None)


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def shapes(axes_from, axes_to, size_to=5):
    return st.lists(st.integers(1, size_to), min_size=axes_from, max_size=axes_to)


def maybe(strategy):
    return st.none() | strategy


rarely = st.integers(0, 9).map(lambda n: n == 9)


def whole_name(name):
    """Of the field for all axes of a spatial parameter."""
    return "kernel_size" if name == "kernel" else name


@st.composite
def pair(draw, name, sizes):
    """A spatial parameter given for both axes at once, for each of them, or not at all; rarely badly."""
    both = {whole_name(name): draw(maybe(sizes) if name != "kernel" else sizes)}
    each = {f"{name}_h": draw(sizes), f"{name}_w": draw(sizes)}
    if draw(rarely):
        return draw(st.sampled_from([{**both, **each}, {f"{name}_w": 1}, {}, {whole_name(name): 0}]))
    return both if draw(st.booleans()) else each


@st.composite
def poolings(draw):
    method = draw(st.sampled_from(["MAX", "AVE"]))
    shape = [*draw(shapes(2, 2, 2)), *draw(shapes(2, 2, 7))]
    param = {"pool": method, "round_mode": draw(maybe(st.sampled_from(["CEIL", "FLOOR"])))}
    whole = draw(st.integers(0, 7)) == 0
    if whole:
        param["global_pooling"] = True
    else:
        param.update(draw(pair("kernel", st.integers(1, 4))))
    if not whole or draw(st.booleans()):
        param.update(draw(pair("stride", few)))
    if not whole and draw(st.booleans()):
        smallest = max(1, min((size for name, size in param.items() if name.startswith("kernel")), default=1))
        param.update(draw(pair("pad", st.integers(0, smallest if draw(st.booleans()) else smallest - 1))))
    assume(param.get("stride") != 0)  # Caffe divides by it
    # Where the last window lies outside the map, Caffe's backward writes where it should not.
    down = [] if any(_outside(param, shape, axis) for axis in "hw") else None
    tops = draw(st.sampled_from([1, 1, 2])) if method == "MAX" else 1
    text = f"pooling_param {{ {fields(**param)} }}"
    return Case("Pooling", text, [normal(*shape)], tops=tops, phase=draw(phases), down=down)


def _outside(param, shape, axis):
    kernel = param.get(f"kernel_{axis}") or param.get("kernel_size")
    if not kernel or param["round_mode"] == "FLOOR":
        return False
    size, stride = shape[-2 if axis == "h" else -1], param.get(f"stride_{axis}") or param.get("stride") or 1
    pads = [param.get(name) or 0 for name in ("pad", "pad_h", "pad_w")]
    windows = -((kernel - size) // stride) + 1
    return not any(pads) and (windows - 1) * stride >= size


@st.composite
def convolutions(draw, kind):
    spatial = draw(st.sampled_from([1, 2, 2, 2, 3]))
    channels, group = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (2, 2), (4, 2), (3, 2)]))
    shape = [draw(few), channels, *draw(shapes(spatial, spatial, 6 if spatial < 3 else 4))]
    param = {"num_output": group * draw(st.integers(1, 2)), "group": draw(st.sampled_from([group, group or None]))}
    param["bias_term"] = draw(maybe(st.booleans()))
    for name, sizes in ("kernel", few), ("stride", few), ("pad", st.integers(0, 2)):
        if spatial == 2 and draw(st.booleans()):
            param.update(draw(pair(name, sizes)))
        else:
            counts = st.sampled_from([1, spatial] if name == "kernel" else [0, 1, spatial])
            param[whole_name(name)] = [draw(sizes) for _ in range(draw(counts))]
    param["dilation"] = [draw(st.integers(1, 2)) for _ in range(draw(st.sampled_from([0, 0, 1, spatial])))]
    param["axis"] = draw(st.sampled_from([None, 1, -1 - spatial, 2 if spatial > 1 and group == 1 else 1]))
    param["force_nd_im2col"] = draw(maybe(st.booleans()))
    fillers = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "uniform" min: -1 max: 1 }'
    bottoms = [normal(*shape, seed=i) for i in range(draw(st.sampled_from([1, 1, 1, 2])))]
    text = f"convolution_param {{ {fields(**param)} {fillers} }}"
    return Case(kind, text, bottoms, tops=len(bottoms), rtol=2e-4, atol=2e-5)


@st.composite
def crops(draw):
    shape = draw(shapes(1, 5))
    first = draw(st.integers(0, len(shape) - 1))
    sizes = [*draw(shapes(first, first)), *(draw(st.integers(1, size)) for size in shape[first:])]
    spare = [size - cropped for size, cropped in zip(shape[first:], sizes[first:])]
    offsets = draw(
        st.sampled_from([[], [draw(st.integers(0, min(spare)))], [draw(st.integers(0, n)) for n in spare], [1, 0]])
    )
    axis = first - draw(st.sampled_from([0, len(shape)]))
    if draw(rarely):
        axis = draw(st.sampled_from([None, len(shape), -len(shape) - 1]))
    text = f"crop_param {{ {fields(axis=axis, offset=offsets)} }}"
    return Case("Crop", text, [normal(*shape), normal(*sizes)], down=[0], exact=True)


@st.composite
def reshapes(draw):
    shape = draw(shapes(0, 4, 4))
    first = draw(st.integers(0, len(shape)))
    last = draw(st.integers(first, len(shape)))
    dims = list(draw(st.permutations(shape[first:last])))
    for i, dim in enumerate(dims):
        if first + i < last and dim == shape[first + i] and draw(st.booleans()):
            dims[i] = 0
    if len(dims) > 1 and 0 not in dims[-2:] and draw(st.booleans()):
        dims[-2:] = [math.prod(dims[-2:])]
    if dims and draw(st.booleans()):
        dims[draw(st.integers(0, len(dims) - 1))] = -1
    if draw(st.integers(0, 4)) == 0:
        dims.insert(draw(st.integers(0, len(dims))), draw(st.sampled_from([-1, 0, 1, 2])))
    axis = first - draw(st.sampled_from([0, len(shape) + 1]))
    num_axes = last - first if last < len(shape) or draw(st.booleans()) else draw(st.sampled_from([-1, None]))
    wanted = f"shape {{ {fields(dim=dims)} }}"
    text = f"reshape_param {{ {wanted} {fields(axis=axis, num_axes=num_axes)} }}"
    return Case("Reshape", text, [normal(*shape)], exact=True)


@st.composite
def slices(draw):
    shape = draw(shapes(1, 4, 6))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    tops = draw(st.integers(1, min(size, 4)))
    points = sorted(draw(st.sets(st.integers(1, max(1, size - 1)), min_size=tops - 1, max_size=tops - 1)))
    if draw(st.booleans()):
        points = draw(st.sampled_from([[], points[::-1], points[1:]]))
    legacy = axis >= 0 and draw(st.booleans())
    text = f"slice_param {{ {fields(slice_point=points, **{'slice_dim' if legacy else 'axis': axis})} }}"
    return Case("Slice", text, [normal(*shape)], tops=tops, exact=True)


@st.composite
def pyramids(draw):
    shape = [*draw(shapes(2, 2, 3)), draw(st.integers(3, 11)), draw(st.integers(3, 11))]
    pool = draw(maybe(st.sampled_from(["MAX", "AVE"])))
    text = f"spp_param {{ {fields(pyramid_height=draw(few), pool=pool)} }}"
    return Case("SPP", text, [normal(*shape)])


@st.composite
def reductions(draw):
    shape = draw(shapes(0, 4))
    operation = draw(maybe(st.sampled_from(["SUM", "ASUM", "SUMSQ", "MEAN"])))
    axis = draw(maybe(st.integers(-len(shape) - 1, len(shape))))
    coeff = draw(maybe(st.sampled_from([0.5, -2.0, 0.0])))
    text = f"reduction_param {{ {fields(operation=operation, axis=axis, coeff=coeff)} }}"
    return Case("Reduction", text, [normal(*shape)])


@examples
@given(case=poolings())
def test_pooling(oracle, case):
    agree(oracle, case)


@examples
@given(case=convolutions("Convolution"))
def test_convolution(oracle, case):
    agree(oracle, case)


@examples
@given(case=convolutions("Deconvolution"))
def test_deconvolution(oracle, case):
    agree(oracle, case)


@examples
@given(case=crops())
def test_crop(oracle, case):
    agree(oracle, case)


@examples
@given(case=reshapes())
def test_reshape(oracle, case):
    agree(oracle, case)


@examples
@given(case=slices())
def test_slice(oracle, case):
    agree(oracle, case)


@examples
@given(case=pyramids())
def test_spp(oracle, case):
    agree(oracle, case)


@examples
@given(case=reductions())
def test_reduction(oracle, case):
    agree(oracle, case)
