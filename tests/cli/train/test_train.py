"""caffe-pylayers train: what a training leaves behind, and that it is Caffe's training."""

import os
from pathlib import Path

import numpy as np
import pytest

from caffe_pylayers import _engine

SOLVER_FIELDS = {
    "SGD": {},
    "Nesterov": {},
    "AdaGrad": {"momentum": None},
    "RMSProp": {"momentum": None, "rms_decay": 0.9},
    "AdaDelta": {"momentum": 0.95, "delta": 1e-6},
    "Adam": {"base_lr": 0.01, "momentum2": 0.99},
}


def test_leaves_its_files_and_no_others(project):
    result = project.train(plot=True)
    assert result.iteration == 12
    assert project.files() == [
        "final.caffemodel",
        "log.csv",
        "solver.prototxt",
        "tiny_iter_12.caffemodel",
        "tiny_iter_12.solverstate",
        "train.png",
    ]
    assert result.model == project.out / "final.caffemodel"
    assert result.snapshot == project.out / "tiny_iter_12.solverstate"
    assert result.log == project.out / "log.csv"
    assert result.plot == project.out / "train.png"
    assert result.solver == project.out / "solver.prototxt"
    assert result.stopped_by is None
    assert result.tests["test/accuracy"] >= 0.75
    assert project.weights(result.model) == project.weights(project.out / "tiny_iter_12.caffemodel")


@pytest.mark.parametrize("kind", SOLVER_FIELDS)
def test_equals_caffe_for_each_solver_type(project, kind):
    import caffe

    project.solver(type=f'"{kind}"', iter_size=2, weight_decay=0.01, **SOLVER_FIELDS[kind])
    model = project.train().model
    project.solver("plain", type=f'"{kind}"', iter_size=2, weight_decay=0.01, **SOLVER_FIELDS[kind])
    project.out.joinpath("plain").mkdir()
    plain = caffe.get_solver(str(project.path))
    plain.solve()
    expected = [value for blob in plain.net.params["ip"] for value in blob.data.ravel().tolist()]
    assert project.weights(model) == {"ip": expected}


def test_weights_tell_what_a_layer_of_a_fork_is(project):
    """A BN without fields is PSPNet's; its two blobs are SegNet's."""
    messages = _engine.messages()
    project.net(middle='layer { name: "bn" type: "BN" bottom: "data" top: "bn" }', bottom="bn")
    model = messages.NetParameter()
    bn = model.layer.add(name="bn", type="BN")
    for value in (2, 1):
        bn.blobs.add(data=[value] * 3).shape.dim.extend((1, 3))
    weights = project.root / "fork.caffemodel"
    weights.write_bytes(model.SerializeToString())
    if not _engine.on_runtime():
        assert "unknown layer types of alexgkendall/caffe-segnet" in project.error(weights=[weights])
        return
    project.solver(max_iter=6, snapshot=3)  # an epoch
    result = project.train(weights=[weights])
    assert len(project.weights(result.model)["bn"]) == 6
    written = messages.NetParameter.FromString(result.model.read_bytes())
    assert [layer.type for layer in written.layer if layer.name == "bn"] == ["BN"]
    again = project.train(snapshot=project.out / "tiny_iter_3.solverstate", output_dir="again")
    assert project.weights(again.model) == project.weights(result.model)
    other = project.root / "other.caffemodel"  # whose layers tell nothing of the net's
    other.write_bytes(messages.NetParameter(layer=[{"name": "data"}]).SerializeToString())
    project.solver("mine", weights=f'"{other}, {weights}"', snapshot_prefix=f'"{project.root}/mine"')
    solver = _engine.caffe().get_solver(str(project.path))
    assert len(solver.net.params["bn"]) == 2
    project.solver("mine")
    with pytest.raises(
        ValueError, match=r"of history, this solver .*; weights may have told which BN the net has: name"
    ):
        _engine.caffe().get_solver(str(project.path)).restore(str(project.out / "tiny_iter_3.solverstate"))


def test_old_solver_type(project):
    fields = SOLVER_FIELDS["Adam"]
    project.solver(solver_type="ADAM", **fields)
    old = project.weights(project.train(output_dir="old").model)
    project.solver(type='"Adam"', **fields)
    assert old == project.weights(project.train().model)


@pytest.mark.parametrize("folder", ["nets", "elsewhere"])
def test_from_another_folder(project, tmp_path_factory, monkeypatch, folder):
    elsewhere = project.root / "nets" if folder == "nets" else tmp_path_factory.mktemp(folder)
    monkeypatch.chdir(elsewhere)
    result = project.train(output_dir="mine", log_csv="my.csv")
    assert result.output_dir == elsewhere / "mine"
    assert result.log == elsewhere / "my.csv"
    assert Path.cwd() == elsewhere
    assert project.train().output_dir == project.out


def test_working_directory_goes_first(project, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    for folder in ("nets", "data"):
        (other / folder).mkdir()
        for file in (project.root / folder).iterdir():
            (other / folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(other)
    assert project.train().output_dir == other / "out"


def test_max_iter_goes_before_the_file(project):
    project.solver(lr_policy='"poly"', power=1)
    assert project.train(max_iter=4).iteration == 4
    assert [row["lr"] for row in project.rows()[1:]] == ["0.1", "0.075", "0.05", "0.025"]


def test_seed_makes_runs_equal(project):
    project.net_with("", layer="Noise")
    project.solver(random_seed=None)
    first, second, other = (
        project.weights(project.train(seed=seed, output_dir=f"out{i}").model) for i, seed in enumerate([3, 3, 4])
    )
    assert first == second != other


def test_the_files_seed_is_for_python_layers_too(project):
    project.net_with("", layer="Noise")
    assert project.weights(project.train(output_dir="1").model) == project.weights(project.train(output_dir="2").model)


def test_loss_is_the_mean_over_iter_size(project):
    project.solver(base_lr=0, iter_size=3, max_iter=2)
    project.train()
    whole = [row["loss"] for row in project.rows()[1:]]
    project.solver(base_lr=0, max_iter=3)
    project.train(overwrite=True)
    single = [float(row["loss"]) for row in project.rows()[1:]]
    assert whole[0] == whole[1]  # an epoch each
    assert float(whole[0]) == pytest.approx(np.mean(single), rel=1e-6)


def test_loss_is_weighted(project):
    project.net(loss='layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" loss_weight: 2.5 }')
    project.solver(base_lr=0, max_iter=1)
    project.train()
    weighted = float(project.rows()[1]["loss"])
    project.net()
    project.train(overwrite=True)
    assert weighted == pytest.approx(2.5 * float(project.rows()[1]["loss"]), rel=1e-6)


def test_no_loss_is_an_error(project):
    project.net(loss='layer { name: "loss" type: "Softmax" bottom: "ip" top: "p" include { phase: TRAIN } }')
    project.solver(test_iter=None, test_interval=None)
    assert "no blob of its train net has a loss weight" in project.error()


def test_solver_as_it_ran_runs_again(project):
    result = project.train(max_iter=7, seed=5, weights=(), cpu=True)
    text = result.solver.read_text()
    assert text.startswith("# Written by caffe-pylayers train: ")
    assert f"# Relative paths start from {project.root}.\n" in text
    for line in ("max_iter: 7", "random_seed: 5", "test_interval: 5", 'net: "nets/net.prototxt"', "base_lr: 0.1"):
        assert f"{line}\n" in text
    weights = project.weights(result.model)
    project.path = result.solver
    assert project.weights(project.train(overwrite=True).model) == weights
    assert result.solver.read_text().replace(str(result.solver), "") != ""


def test_never_overwrites_the_users_solver(project):
    mine = project.solver(snapshot_prefix='"nets/tiny"').read_text()
    result = project.train()
    assert result.output_dir == project.root / "nets"
    assert result.solver == project.root / "nets" / "solver.effective.prototxt"
    assert project.path.read_text() == mine


def test_prefix_that_is_missing_or_a_folder(project):
    project.solver(snapshot_prefix=None)
    assert project.train().snapshot == project.root / "nets" / "solver_iter_12.solverstate"
    project.out.mkdir()
    project.solver(snapshot_prefix='"out"')
    assert project.train().snapshot == project.out / "solver_iter_12.solverstate"


def test_train_net_and_inline_net(project):
    project.solver(net=None, train_net='"nets/net.prototxt"', test_iter=None, test_interval=None)
    named = project.weights(project.train().model)
    project.solver(net=None, net_param=None)
    inline = f"net_param {{ {project.root.joinpath('nets', 'net.prototxt').read_text()} }}\n"
    project.path.write_text(project.path.read_text() + inline)
    assert project.weights(project.train(overwrite=True).model) == named


def test_level_and_stages_of_the_train_net(project):
    from caffe_pylayers.cli import main

    net = project.net()
    text = net.read_text().replace('name: "loss"', 'name: "loss" include { min_level: 2 stage: "s" }')
    net.write_text(text.replace("{ phase: TRAIN }", '{ phase: TRAIN stage: "t" }'))
    project.solver(test_iter=None, test_interval=None)
    assert "would be learned" in project.error(level=1, stages=["s", "t"])
    assert main(["-solver", str(project.path), "-level", "2", "-stage", "s,t"], verb="train") == 0
    assert (project.out / "final.caffemodel").exists()


def test_command_line(project, capsys):
    from caffe_pylayers.cli import main

    arguments = ["--solver", str(project.path), "--max-iter", "3", "--cpu", "--seed", "2", "--log-csv", "mine.csv"]
    assert main(arguments, verb="train") == 0
    assert len(project.rows("mine.csv")) == 4
    assert f"model {project.out / 'final.caffemodel'}" in capsys.readouterr().out


def test_script_needs_no_installation(project, tmp_path_factory):
    code, out, err = project.run("--max-iter", 2, cwd=str(tmp_path_factory.mktemp("elsewhere")))
    assert (code, err) == (0, ""), err
    assert "iteration 2/2  loss" in out
    assert os.listdir(project.out)
