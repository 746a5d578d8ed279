"""Text prototxts: what is read, and what is said of what is not."""

import pytest

from caffe_pylayers._nets.forks import fork_of_field, fork_of_type
from caffe_pylayers.runtime.files.prototxt import parse_net, parse_solver, read_net, read_solver
from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.proto.caffe_pb2 import DESCRIPTOR

NET = 'name: "n"\nlayer { name: "r" type: "ReLU" }\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.prototxt"


def test_reads(path):
    path.write_text(NET)
    assert [layer.type for layer in read_net(path).layer] == ["ReLU"]
    assert read_net(str(path)) == parse_net(NET)
    path.write_text('net: "a.prototxt"')
    assert read_solver(path).net == "a.prototxt"
    assert parse_solver('net: "a.prototxt"').net == "a.prototxt"


def test_text_alone_gets_no_snapshot_prefix():
    assert not parse_solver("base_lr: 1").HasField("snapshot_prefix")


@pytest.mark.parametrize("comment", [b"\xb5\xda\xd2\xbb\xb2\xe3", b"caf\xe9", "Schicht für Schicht".encode()])
def test_comments_are_in_any_encoding(path, comment):
    path.write_bytes(b'name: "n # \\" #" # ' + comment + b"\nforce_backward: true # it's " + comment)
    net = read_net(path)
    assert net.name == 'n # " #'
    assert net.force_backward


def test_strings_are_in_utf_8(path):
    path.write_bytes(b"# \xff\nname: 'n'\nlayer { name: '\xb5\xda' }")
    with pytest.raises(ValueError, match=r"file\.prototxt:3:16: not a text prototxt, or not in UTF-8$"):
        read_net(path)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (
            "layer { nam: 'a' }",
            "1:9",
            'Message type "caffe.LayerParameter" has no field named "nam". Did you mean name?',
        ),
        ("layer {\n  num_output: 1 }", "2:3", "It belongs into one of its messages: convolution_param, embed_param, "),
        ("layer { pool: MAX }", "1:9", "It belongs into one of its messages: pooling_param"),
        ("layer { blobs_lr: 1 }", "1:9", 'has no field named "blobs_lr". layers {}, the old format, has it'),
        ("layers { phase: TEST }", "1:10", 'has no field named "phase". layer {} has it'),
        ("layer { roi_pooling_param {} }", "1:9", "It is a field of rbgirshick/caffe-fast-rcnn"),
        ("layer { permute_param { order: 0 } }", "1:9", "It is a field of weiliu89/caffe, branch ssd"),
        ("layer { dropout_param { scale_train: 1 } }", "1:25", "It is a field of rbgirshick/caffe-fast-rcnn"),
        ("layer { zzz: 1 }", "1:9", 'has no field named "zzz".'),
        ("layer { phase: TREIN }", "1:16", 'Enum type "caffe.Phase" has no value named TREIN.'),
        ("layer {", "1:7", 'Expected "}"'),
        ("name: 'a'\nname: 'b'", "2", 'should not have multiple "name" fields.'),
        ('net: "a"', "1:1", "This is a solver, not a net; its net is a"),
    ],
)
def test_says_where_a_net_is_wrong(path, text, where, message):
    path.write_text(text)
    with pytest.raises(ValueError, match=r"file\.prototxt:") as error:
        read_net(path)
    assert str(error.value).startswith(f"{path}:{where}")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_says_where_a_solver_is_wrong(path):
    path.write_text("base_lr: 1\nbase_rl: 2")
    with pytest.raises(ValueError, match=r'file\.prototxt:2:1: .* no field named "base_rl". Did you mean base_lr\?$'):
        read_solver(path)
    path.write_text(NET)
    with pytest.raises(ValueError, match=r"This is a net; give the solver that names it$"):
        read_solver(path)


def test_text_has_a_name_in_errors():
    with pytest.raises(ValueError, match=r"^net:1:1: "):
        parse_net("nam: 1")
    with pytest.raises(ValueError, match=r"^mine:2:1: "):
        parse_solver("base_lr: 1\nx: 1", "mine")


def test_missing_files_are_the_callers(path):
    with pytest.raises(FileNotFoundError):
        read_net(path)
    with pytest.raises(FileNotFoundError):
        read_solver(path)


def test_forks_have_what_caffe_has_not():
    from caffe_pylayers._nets import forks

    fields = {field for message in DESCRIPTOR.message_types_by_name.values() for field in message.fields_by_name}
    assert not forks._BY_TYPE.keys() & set(LAYERS.names())
    assert {name for name in forks._BY_FIELD if name.endswith("_param")}.isdisjoint(fields)
    assert fork_of_type("PriorBox") == "weiliu89/caffe, branch ssd"
    assert fork_of_type("ReLU") is fork_of_field("relu_param") is None
