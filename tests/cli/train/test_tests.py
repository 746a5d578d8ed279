"""caffe-pylayers train: the test passes."""

import numpy as np
import pytest


def iterations_tested(project, column="test/accuracy"):
    """The iterations that have a value in a column of the log."""
    return [int(row["iteration"]) for row in project.rows() if row[column]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0, 5, 10, 12]),
        ({"test_initialization": False}, [5, 10, 12]),
        ({"test_interval": 6}, [0, 6, 12]),  # the last once
        ({"test_interval": 1000, "test_initialization": False}, [12]),
    ],
)
def test_when(project, fields, expected):
    project.solver(**fields)
    project.train()
    assert iterations_tested(project) == expected


def test_results_are_means_over_test_iter(project):
    import caffe

    result = project.train()
    last = project.rows()[-1]
    assert last == {**last, **{name: str(np.float32(value)) for name, value in result.tests.items()}}
    net = caffe.Net(str(project.root / "nets" / "net.prototxt"), caffe.TEST, weights=str(result.model))
    outputs = [{name: float(value) for name, value in net.forward().items()} for _ in range(2)]
    for name in ("accuracy", "loss"):
        assert result.tests[f"test/{name}"] == pytest.approx(np.mean([output[name] for output in outputs]), rel=1e-6)


def test_uses_the_weights_of_now(project):
    result = project.train(max_iter=4)
    assert result.tests["test/loss"] != float(project.rows()[0]["test/loss"])


def test_without_test_nets(project):
    project.solver(test_iter=None, test_interval=None)
    assert project.train().tests == {}
    assert list(project.rows()[0]) == ["iteration", "seconds", "lr", "loss"]
    assert [row["iteration"] for row in project.rows()] == [str(i) for i in range(1, 13)]


def test_test_iter_0_leaves_a_net_out(project):
    project.solver(test_iter=0)
    assert project.train().tests == {}


def test_several_test_nets(project, capsys):
    project.net(name="other")
    project.solver(test_net='"nets/other.prototxt"', test_iter=[1, 2])
    result = project.train()
    assert list(result.tests) == ["test0/accuracy", "test0/loss", "test1/accuracy", "test1/loss"]
    out = capsys.readouterr().out
    assert "\niteration 5  test net #0: accuracy " in out
    assert "\niteration 5  test net #1: accuracy " in out


def test_outputs_of_several_values(project):
    per_class = project.net().read_text().replace('top: "accuracy"', 'top: "accuracy" top: "by_class"')
    silent = 'layer { name: "many" type: "DummyData" top: "many" dummy_data_param { shape { dim: 101 } } }'
    (project.root / "nets" / "net.prototxt").write_text(per_class + silent)
    result = project.train()
    names = ["test/accuracy", "test/by_class[0]", "test/by_class[1]", "test/loss", "test/many"]
    assert sorted(result.tests) == names
    mean = (result.tests["test/by_class[0]"] + result.tests["test/by_class[1]"]) / 2
    assert mean == pytest.approx(result.tests["test/accuracy"])


def test_total_loss(project):
    project.net(loss='layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l" loss_weight: 3 }')
    project.solver(test_compute_loss=True)
    tests = project.train().tests
    assert tests["test/total_loss"] == pytest.approx(3 * tests["test/l"])
