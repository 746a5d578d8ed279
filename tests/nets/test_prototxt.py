"""Text prototxts: what is read, and what is said of what is not."""

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets.forks.names import fork_of_field, fork_of_type
from caffe_pylayers._nets.prototxt import parse, parse_net, parse_solver, read_net, read_solver, read_unlowered

SOLVER, NET = 'net: "a.prototxt"\nbase_lr: 0.1\n', 'name: "n"\nlayer { name: "r" type: "ReLU" }\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.prototxt"


def test_reads(path):
    path.write_text(NET)
    assert [layer.type for layer in read_net(path).layer] == ["ReLU"]
    assert read_net(str(path)) == parse_net(NET)
    path.write_text(SOLVER)
    assert read_solver(path).net == "a.prototxt"
    assert read_solver(str(path)) == parse_solver(SOLVER)


def test_old_formats_are_upgraded_unless_asked_for(path):
    old = 'layers { name: "r" type: RELU }'
    path.write_text(old)
    assert [layer.type for layer in read_net(path).layer] == ["ReLU"]
    assert [layer.name for layer in parse(old, "NetParameter", "net").layers] == ["r"]


def test_text_alone_gets_no_snapshot_prefix():
    assert not parse_solver("base_lr: 1").HasField("snapshot_prefix")


# --- encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "comment", [b"\xb5\xda\xd2\xbb\xb2\xe3", b"caf\xe9", "Schicht für Schicht".encode(), b"\0\x1a"]
)
def test_comments_are_in_any_encoding(path, comment):
    path.write_bytes(b'name: "n # \\" #" # ' + comment + b"\nforce_backward: true # it's " + comment)
    net = read_net(path)
    assert net.name == 'n # " #'
    assert net.force_backward
    path.write_bytes(b'base_lr: 1 # "' + comment + b"\nnet: 'a' # " + comment)
    assert read_solver(path).net == "a"


def test_strings_are_in_utf_8(path):
    path.write_bytes("name: 'ä'\nlayer { name: '".encode() + "第".encode("gbk") + b"' }")
    message = rf"file\.prototxt:2:16: not a text prototxt, or not in UTF-8; .* iconv -f GBK -t UTF-8 {path} "
    with pytest.raises(ValueError, match=message):
        read_net(path)
    path.write_bytes("# ü\nlayer { name: '第' }".encode())
    assert read_net(path).layer[0].name == "第"


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (
            "utf-8-sig",
            r"starts with a byte order mark \(BOM\), which Caffe cannot read; .*: sed -i '1s/\^\\xEF\\xBB\\xBF//' ",
        ),
        ("utf-16", r"starts with a byte order mark \(BOM\) of UTF-16; save it as UTF-8 .*: iconv -f UTF-16 -t UTF-8 "),
        ("utf-32", r"starts with a byte order mark \(BOM\) of UTF-32; "),
    ],
)
def test_byte_order_marks_are_named(path, encoding, message):
    path.write_text(NET, encoding=encoding)
    with pytest.raises(ValueError, match=rf"file\.prototxt:1:1: {message}"):
        read_net(path)
    path.write_text(SOLVER, encoding=encoding)
    with pytest.raises(ValueError, match=message):
        read_solver(path)


@pytest.mark.parametrize(
    ("text", "where", "character"),
    [
        ("name: “n”", "1:7", "'“' (U+201C)"),
        ("# “n”\nlayer\u00a0{ }", "2:6", r"'\xa0' (U+00A0)"),
        ("name: 'ä'\nlayer { name: 'ä' type\uff1a'a' }", "2:23", "'\uff1a' (U+FF1A)"),
        ("name: 'n'\n\x1a", "2:1", r"'\x1a' (U+001A)"),
    ],
)
def test_outside_of_strings_is_ascii_alone(path, text, where, character):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"file\.prototxt") as error:
        read_net(path)
    assert str(error.value) == f"{path}:{where}: {character} outside of a string, where Caffe takes ASCII only"


# --- what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("\n  nam: 1", "2:3", 'Message type "caffe.NetParameter" has no field named "nam". Did you mean name?'),
        ("layer { nam: 'a' }", "1:9", 'type "caffe.LayerParameter" has no field named "nam". Did you mean name?'),
        ("Layer { }", "1:1", 'has no field named "Layer". Did you mean layer?'),
        ("layr { }", "1:1", 'has no field named "layr". Did you mean layer?'),
        ("layer { convolution { } }", "1:9", 'has no field named "convolution". Did you mean convolution_param?'),
        ("layer { CONCAT_PARAM { } }", "1:9", "Did you mean concat_param?"),
        ("layer {\n  num_output: 1 }", "2:3", "It belongs into one of its messages: convolution_param, embed_param, "),
        ("layer { pool: MAX }", "1:9", "It belongs into one of its messages: pooling_param"),
        ("layer { blobs_lr: 1 }", "1:9", 'has no field named "blobs_lr". layers {}, the old format, has it'),
        ("layers { phase: TEST }", "1:10", 'has no field named "phase". layer {} has it'),
        ("layer { dense_crf_param {} }", "1:9", "It is a field of hszhao/PSPNet"),
        ("layer { permute_param { order: 0 } cpm_transform_param {} }", "1:36", "It is a field of CMU-Perceptual-"),
        (
            "layer { cpm_transform_param {} bottom: 'zz: 1' nonsense: 1 } # comment: 1\n layer{ dense_crf_param {} }",
            "1:9",
            "It is a field of CMU-Perceptual-Computing-Lab/caffe_train. Nothing here reads, yet: "
            "CMU-Perceptual-Computing-Lab/caffe_train: cpm_transform_param; nonsense; "
            "hszhao/PSPNet: dense_crf_param",
        ),
        (
            "layer { cpm_transform_param {} } layer { name: 'a' type: 'DenseCRF' } layer { type: 'ReLU6' }",
            "1:9",
            "Nothing here reads, yet: CMU-Perceptual-Computing-Lab/caffe_train: cpm_transform_param; "
            'unknown layer types of hszhao/PSPNet: DenseCRF (layer "a": not yet)',
        ),
        ("layer { zzz: 1 }", "1:9", 'has no field named "zzz".'),
        (
            "layer {\n  phase: TREIN\n}",
            "2:10",
            'Enum type "caffe.Phase" has no value named TREIN. Did you mean TRAIN? It has TRAIN, TEST',
        ),
        (
            "layer { pooling_param { pool: average } }",
            "1:31",
            '"caffe.PoolingParameter.PoolMethod" has no value named average. Did you mean AVE? It has MAX, AVE, ',
        ),
        ("layer { pooling_param { pool: max } }", "1:31", "no value named max. Did you mean MAX? It has MAX, AVE, STO"),
        ("layers { type: CONVOLUTON }", "1:16", "has no value named CONVOLUTON. Did you mean CONVOLUTION? It has "),
        ("layer {", "1:7", 'Expected "}". More braces open than close: is the file whole?'),
        ("layer {\n  name: '}' # }\n  pha", "3:3", 'no field named "pha". Did you mean phase?'),
        ("layer {\n  bn_param { eps", "2:17", ': Expected ":". More braces open than close: is the file whole?'),
        ("layer { name: 'a\n}", "1:15", "String missing ending quote"),
        ("layer { name: 'ä # no\n}", "1:15", "String missing ending quote"),
        ("name: 'a'\nname: 'b'", "2", 'should not have multiple "name" fields.'),
        (SOLVER, "1:1", "This is a solver, not a net; its net is a.prototxt"),
        ('train_net: "t"', "1:1", "This is a solver, not a net; its net is t"),
        ("base_lr: 1", "1:1", "This is a solver, not a net"),
    ],
)
def test_says_where_a_net_is_wrong(path, text, where, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"file\.prototxt:") as error:
        read_net(path)
    assert str(error.value).startswith(f"{path}:{where}")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_says_where_a_solver_is_wrong(path):
    path.write_text("base_lr: 1\nbase_rl: 2")
    with pytest.raises(ValueError, match=r'file\.prototxt:2:1: .* no field named "base_rl". Did you mean base_lr\?$'):
        read_solver(path)
    path.write_text("solver_mode: CUDA")
    with pytest.raises(ValueError, match=r':1:14: Enum type "caffe.SolverParameter.SolverMode" .* It has CPU, GPU$'):
        read_solver(path)
    path.write_text(NET)
    with pytest.raises(ValueError, match=r":1:1: .* This is a net; give the solver that names it$"):
        read_solver(path)


def test_a_long_line_is_not_quoted():
    text = "layer { name: 'a' } " * 1000 + "layer { phase: TREIN }"
    with pytest.raises(ValueError, match=r'^net:1:20016: Enum type "caffe.Phase" has no value named TREIN\. ') as error:
        parse_net(text)
    assert len(str(error.value)) < 120


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
    from caffe_pylayers._nets.forks import names as forks

    messages = _engine.messages().DESCRIPTOR.message_types_by_name.values()
    fields = {field for message in messages for field in message.fields_by_name}
    assert not forks._BY_TYPE.keys() & set(_engine.caffe().layer_type_list())
    assert {name for name in forks._BY_FIELD if name.endswith("_param")}.isdisjoint(fields)
    assert fork_of_type("PriorBox") == "weiliu89/caffe, branch ssd"
    assert fork_of_type("ReLU") is fork_of_field("relu_param") is None


def test_a_caffemodel_in_place_of_a_net(path):
    model = _engine.messages().NetParameter(name="net")
    model.layer.add(name="ip", type="InnerProduct").blobs.add(data=[1.5, -2, 1e30])
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r": a caffemodel, of weights; give the prototxt of its net$"):
        read_net(path)


def test_of_a_net_and_a_solver_the_error_that_is_further_on(path):
    path.write_text('net: "a"\nbase_lr: 1\nzzz: 1\n')
    with pytest.raises(ValueError, match=r'file\.prototxt:3:1: .* "caffe.SolverParameter" has no field named "zzz"'):
        read_unlowered(path)
    path.write_text('name: "a"\nlayer { zzz: 1 }\n')
    with pytest.raises(ValueError, match=r'file\.prototxt:2:9: .* "caffe.LayerParameter" has no field named "zzz"'):
        read_unlowered(path)
