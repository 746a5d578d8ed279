"""caffe-pylayers train: layers that fail, losses that are not finite."""

import json

import numpy as np
import pytest

from caffe_pylayers.cli._training.loop import TrainingError
from caffe_pylayers.cli._training.snapshot_writer import DivergedError

ONE_HOT = """
layer {
  name: "one_hot" type: "Python" bottom: "label" bottom: "ip" top: "one_hot"
  python_param { module: "caffe_pylayers.one_hot" layer: "label2one_hot" }
}
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "one_hot" top: "loss" }
"""


def at(forward, do, phase="TRAIN"):
    """A param_str for train_layers.At."""
    return json.dumps({"forward": forward, "do": do, "phase": phase})


def test_a_layer_of_the_package(project, capsys):
    project.net(loss=ONE_HOT)
    labels = np.arange(12) % 2
    labels[7] = 12
    project.data("train", np.zeros((12, 3)), labels)
    with pytest.raises(TrainingError) as caught:
        project.train()
    assert str(caught.value).startswith("iteration 2: label2one_hot: label 12 at index 3 is outside [0, 2); the param")
    assert caught.value.snapshot == project.out / "tiny_iter_1.solverstate"
    err = capsys.readouterr().err
    assert err.count("Traceback") == 1  # printed by the layer


def test_any_layer(project, capsys):
    project.net_with(at(4, "raise"))
    with pytest.raises(TrainingError, match=r"^iteration 4: LookupError: nothing under that key$") as caught:
        project.train(plot=True)
    assert isinstance(caught.value.__cause__, LookupError)
    assert 'raise LookupError("nothing under that key")' in capsys.readouterr().err
    assert [row["iteration"] for row in project.rows()] == ["0", "1", "2", "3"]
    assert project.files() == [
        "log.csv",
        "solver.prototxt",
        "tiny_iter_3.caffemodel",
        "tiny_iter_3.solverstate",
        "train.png",
    ]


def test_weights_are_those_of_the_last_whole_iteration(project):
    project.net_with(at(4, "raise"))
    with pytest.raises(TrainingError) as caught:
        project.train()
    failed = project.weights(caught.value.snapshot.with_suffix(".caffemodel"))
    project.net_with(at(99, "raise"))
    assert failed == project.weights(project.train(max_iter=3, output_dir="other").model)


def test_exit_is_a_failure(project):
    project.net_with(at(4, "exit"))
    with pytest.raises(TrainingError, match=r"^iteration 4: SystemExit: 0$"):
        project.train()


def test_in_a_test(project):
    project.net_with(at(3, "raise", "TEST"))
    with pytest.raises(TrainingError, match=r"^iteration 5, testing: LookupError") as caught:
        project.train()
    assert caught.value.snapshot == project.out / "tiny_iter_5.solverstate"
    assert project.rows()[-1]["iteration"] == "5"


def test_in_the_first_iteration(project):
    project.net_with(at(1, "raise"))
    with pytest.raises(TrainingError) as caught:
        project.train()
    assert caught.value.snapshot is None
    assert not [name for name in project.files() if "_iter_" in name]


def test_while_the_nets_are_built(project):
    project.net_with("no json")
    with pytest.raises(TrainingError, match=r"^building the nets: JSONDecodeError: "):
        project.train()
    assert project.files() == []


def test_exit_code_and_the_command_that_goes_on(project):
    project.net_with(at(4, "raise"))
    code, _, err = project.run()
    assert code == 1
    assert "Traceback" in err
    assert "train.py: iteration 4: LookupError: nothing under that key\nonce that is mended, go on with\n" in err
    assert f"--snapshot {project.out / 'tiny_iter_3.solverstate'}\n" in err


def test_nan_loss(project):
    project.net_with(at(4, "nan"))
    project.solver(snapshot=2)
    message = (
        "^iteration 4: the loss is nan; the update spoilt the weights, so there is no snapshot of it; "
        "the last good one is .*tiny_iter_2.solverstate; a base_lr below 0.1 may help$"
    )
    with pytest.raises(DivergedError, match=message):
        project.train(plot=True)
    assert project.rows()[-1]["loss"] == "nan"
    assert [name for name in project.files() if "iter_" in name] == [
        "tiny_iter_2.caffemodel",
        "tiny_iter_2.solverstate",
    ]


def test_weights_that_overflow_are_not_saved(project):
    """The loss of the iteration is finite, and its update too large."""
    project.solver(base_lr=1e38, momentum=0, weight_decay=10, snapshot=1, test_iter=None, test_interval=None)
    with pytest.raises(DivergedError, match=r"^iteration 1: the weights of ip are no longer finite; .*there is none"):
        project.train()
    assert project.files() == ["log.csv", "solver.prototxt"]


def test_exit_code_of_divergence(project):
    project.net_with(at(1, "nan"))
    code, _, err = project.run()
    assert (code, err.count("\n")) == (1, 1), err
    assert err.startswith("train.py: iteration 1: the loss is nan; ")


def test_failure_frees_the_nets(project, monkeypatch):
    """Their threads would read files relative to a folder that is left."""
    import weakref

    from caffe_pylayers.cli._training import driver

    solvers = []
    build = driver._solver

    def watched(plan, team):
        solver = build(plan, team)
        solvers.append(weakref.ref(solver))
        return solver

    monkeypatch.setattr(driver, "_solver", watched)
    project.net_with(at(4, "raise"))
    with pytest.raises(TrainingError) as caught:
        project.train()
    assert caught.value.__cause__ is not None
    assert solvers[0]() is None
