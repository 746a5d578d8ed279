"""The shapes of a net without its values."""

import pytest
from google.protobuf import text_format

torch = pytest.importorskip("torch")

from caffe_pylayers import pycaffe  # noqa: E402
from caffe_pylayers._nets.include_rules import State  # noqa: E402
from caffe_pylayers.runtime.layers.layer import LayerError  # noqa: E402
from caffe_pylayers.runtime.net.shapes import LearnedShape, shapes_of  # noqa: E402
from caffe_pylayers.runtime.proto.caffe_pb2 import NetParameter  # noqa: E402

INPUT = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }'


def shapes(text, phase=pycaffe.TRAIN):
    return shapes_of(text_format.Parse(text, NetParameter()), State(phase))


def inner_product(name, bottom, outputs, more="", filler='type: "xavier"'):
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {more} '
        f"inner_product_param {{ num_output: {outputs} weight_filler {{ {filler} }} }} }}"
    )


def test_shapes_of_a_net():
    text = INPUT + inner_product("one", "data", 3) + inner_product("two", "data", 3, 'param { name: "w" }')
    text += inner_product("three", "two", 3) + inner_product("four", "data", 3, 'param { name: "w" }')
    found = {layer.name: layer for layer in shapes(text)}
    assert list(found) == ["in", "data_in_0_split", "one", "two", "three", "four"]
    assert (found["in"].type, found["in"].bottoms, found["in"].tops) == ("Input", [], [("data", (2, 4))])
    assert found["three"].bottoms == [("two", (2, 3))]
    assert found["three"].tops == [("three", (2, 3))]
    assert found["two"].learned == [LearnedShape((3, 4), None), LearnedShape((3,), None)]
    assert found["four"].learned == [LearnedShape((3, 4), 3), LearnedShape((3,), None)]


def test_blobs_of_gigabytes_need_no_memory():
    text = INPUT + inner_product("large", "data", 99_999_999)
    text += """layer { name: "dummy" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2000000000 } } }
        layer { name: "loss" type: "Reduction" bottom: "large" bottom: "d" top: "l" loss_weight: 1 }"""
    text = text.replace(' bottom: "d"', "")
    with torch.profiler.profile(profile_memory=True) as profile:
        found = shapes(text)
    assert found[1].learned[0].shape == (99_999_999, 4)
    assert sum(max(event.self_cpu_memory_usage, 0) for event in profile.key_averages()) < 1 << 20


def test_no_random_number_is_drawn():
    text = INPUT + inner_product("ip", "data", 5)

    def weights(before):
        pycaffe.set_random_seed(3)
        before()
        net = pycaffe.Net(text_format.Parse(text, NetParameter()), pycaffe.TRAIN)
        return net.params["ip"][0].data.tolist()

    assert weights(lambda: shapes(text)) == weights(lambda: None)


def test_the_message_is_left_as_it_is():
    net = text_format.Parse(INPUT + inner_product("ip", "data", 5), NetParameter())
    before = net.SerializeToString()
    shapes_of(net, State(pycaffe.TRAIN))
    assert net.SerializeToString() == before


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (inner_product("ip", "data", 3, filler='type: "uniform" min: 2 max: 1'), r'"ip".*min must not exceed max'),
        (inner_product("ip", "data", 3, filler='type: "bilinear"'), r'"ip".*must have 4 axes'),
        (
            'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } '
            'data_filler { type: "gaussian" std: 0 } } } ',
            None,  # found at the first forward, as in a net
        ),
        ('layer { name: "flat" type: "Flatten" bottom: "data" top: "f" flatten_param { axis: 7 } }', '"flat".*axis'),
    ],
)
def test_what_building_refuses_is_refused(layer, message):
    if message is None:
        shapes(INPUT + layer)
        return
    with pytest.raises(LayerError, match=message):
        shapes(INPUT + layer)
