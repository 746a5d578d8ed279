"""Reading prototxts."""

import pytest

from caffe_pylayers._nets.prototxt import read_net, read_solver

pytestmark = pytest.mark.caffe

SOLVER, NET = 'net: "a.prototxt"\nbase_lr: 0.1\n', 'name: "n"\nlayer { name: "r" type: "ReLU" }\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.prototxt"


def test_reads(path):
    path.write_text(NET)
    assert [layer.type for layer in read_net(path).layer] == ["ReLU"]
    path.write_text(SOLVER)
    assert read_solver(str(path)).net == "a.prototxt"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("\n  nam: 1", "2:3", 'Message type "caffe.NetParameter" has no field named "nam".'),
        ("layer {\n  phase: TREIN\n}", "2:10", 'Enum type "caffe.Phase" has no value named TREIN.'),
        ("layer { name: 'a\n}", "1:15", "String missing ending quote"),
        ("layer { name: 'a' name: 'b' }", "1", 'should not have multiple "name" fields.'),
        (SOLVER, "1:1", "This is a solver, not a net; its net is a.prototxt"),
        ('train_net: "t"', "1:1", "This is a solver, not a net; its net is t"),
        ("base_lr: 1", "1:1", "This is a solver, not a net"),
    ],
)
def test_says_where_a_net_is_wrong(path, text, where, message):
    path.write_text(text)
    with pytest.raises(ValueError, match=r"file\.prototxt:") as error:
        read_net(path)
    assert str(error.value).startswith(f"{path}:{where}:")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_says_that_a_solver_is_a_net(path):
    path.write_text(NET)
    with pytest.raises(ValueError, match=r":1:1: .* This is a net; give the solver that names it$"):
        read_solver(path)


def test_binary_files(path):
    path.write_bytes(b'name: "n"\n# \xff')
    with pytest.raises(ValueError, match=r":2:3: not a text prototxt, or not in UTF-8$"):
        read_net(path)


def test_missing_files_are_the_callers(path):
    with pytest.raises(FileNotFoundError):
        read_net(path)
