"""Learned values that a prototxt gives, in shapes of today and of old files: real Caffe takes them, or neither does."""

import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.parity.case import Case, integers, normal
from tests.parity.compare import check
from tests.parity.replay import replay

ROWS, LINES, IMAGES = normal(2, 3), normal(2, 3, 4), normal(2, 3, 4, 4)
FLAT = normal(1, 1, 1, 5)  # of four axes itself


def today(*shape, first=1):
    """A BlobProto in a prototxt: consecutive numbers."""
    return f"blobs {{ shape {{ {' '.join(f'dim: {n}' for n in shape)} }} {_values(shape, first)} }} "


def old(*shape, first=1):
    """The same as files before ``shape`` have it: four axes, ones in front."""
    axes = zip(("num", "channels", "height", "width"), (1,) * (4 - len(shape)) + shape)
    return f"blobs {{ {' '.join(f'{name}: {n}' for name, n in axes)} {_values(shape, first)} }} "


def _values(shape, first):
    count = 1
    for n in shape:
        count *= n
    return " ".join(f"data: {first + i}" for i in range(count))


WINDOW = "convolution_param { num_output: 2 kernel_size: 1 }"
INNER = "inner_product_param { num_output: 2 }"
EMBED = "embed_param { num_output: 2 input_dim: 5 }"
BIASED = "scale_param { bias_term: true }"
WHOLE = "scale_param { axis: 0 bias_term: true }"
STATISTICS = "batch_norm_param { use_global_stats: true }"
THREE = "parameter_param { shape { dim: 3 } }"

TAKEN = [
    ("Convolution", WINDOW + old(2, 3, 1, 1) + today(2), [IMAGES]),
    ("Deconvolution", WINDOW + old(3, 2, 1, 1) + today(2), [IMAGES]),
    ("Scale", today(3), [IMAGES]),
    ("Scale", today(3, 4), [IMAGES]),
    ("Scale", today(), [IMAGES]),
    ("Scale", "scale_param { axis: 0 }" + old(1, 1, 1, 5), [FLAT]),
    ("Scale", WHOLE + old(1, 1, 1, 5) + old(1, 1, 1, 5), [FLAT]),
    ("Scale", BIASED + today(3) + today(3, 4, first=10), [IMAGES]),
    ("Scale", BIASED + today(3, 4) + today(first=10), [IMAGES]),
    ("Scale", BIASED + today(3, 4), [IMAGES, normal(3)]),
    ("Bias", today(3, 4), [IMAGES]),
    ("Bias", today(), [IMAGES]),
    ("Bias", "bias_param { axis: 0 }" + old(1, 1, 1, 5), [FLAT]),
    ("InnerProduct", INNER + old(2, 3) + old(2), [ROWS]),
    ("InnerProduct", INNER + today(1, 1, 2, 3) + today(1, 1, 1, 2), [ROWS]),
    ("Embed", EMBED + old(5, 2) + old(2), [integers(4, high=5)]),
    ("PReLU", old(3), [LINES]),
    ("BatchNorm", STATISTICS + old(3) + old(3) + old(1), [LINES]),
    ("Parameter", THREE + old(3), []),
]

REFUSED = [
    ("Convolution", WINDOW + old(2, 3, 1, 1) + old(2), [IMAGES]),
    ("Convolution", WINDOW + today(2, 3, 1, 1) + today(1, 1, 1, 2), [IMAGES]),
    ("Convolution", WINDOW + old(2, 3, 1) + today(2), [LINES]),
    ("Deconvolution", WINDOW + old(3, 2, 1, 1) + old(2), [IMAGES]),
    ("Scale", old(3), [IMAGES]),
    ("Scale", today(4), [IMAGES]),
    ("Scale", BIASED + today(3) + old(3), [IMAGES]),
    ("Scale", BIASED + old(3), [IMAGES, normal(3)]),
    ("Bias", old(3), [IMAGES]),
    ("Bias", "bias_param { axis: 0 num_axes: 0 }" + old(1), [IMAGES]),
    ("Parameter", THREE + today(4), []),
]


def case(kind, param, bottoms):
    return Case(kind, param, bottoms, down=[] if kind == "Embed" else None)


@pytest.mark.parametrize(("kind", "param", "bottoms"), TAKEN)
def test_taken(oracle, kind, param, bottoms):
    given = case(kind, param, bottoms)
    check(given, oracle.record(given))


@pytest.mark.parametrize(("before", "now"), [((3,), (3, 4)), ((3, 4), (3,))])
def test_a_scale_of_another_shape_keeps_its_bias(oracle, before, now):
    images, param = IMAGES[:, :, 0], "scale_param { bias_term: true bias_filler { value: 2 } }"
    given = Case("Scale", param, [images, normal(*now)], before=[images, normal(*before)])
    check(given, oracle.record(given))


@pytest.mark.parametrize(("kind", "param", "bottoms"), REFUSED)
def test_refused(oracle, kind, param, bottoms):
    given = case(kind, param, bottoms)
    assert oracle.record(given).refused
    with pytest.raises(LayerError, match=r"learned blobs must have shapes|blobs\[\d\] must have shape"):
        replay(given)
