"""caffe-pylayers train --snapshot and --weights: going on, starting from, and files that do not fit."""

import os

import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError

FORMATS = {"BINARYPROTO": "", "HDF5": ".h5"}


@pytest.fixture(params=FORMATS)
def fmt(request):
    return request.param


def state(project, iteration, fmt="BINARYPROTO"):
    return project.out / f"tiny_iter_{iteration}.solverstate{FORMATS[fmt]}"


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_equals_a_run_without_a_break(project, fmt, kind):
    # Caffe's data layers start anew on resuming: 6 iterations are two epochs, and tests take whole epochs.
    project.solver(type=f'"{kind}"', snapshot=6, snapshot_format=fmt, lr_policy='"inv"', gamma=0.1, power=0.75)
    whole = project.train()
    expected, log = project.weights(whole.model), rows(project)
    project.train(max_iter=6, overwrite=True)
    result = project.train(snapshot=state(project, 6, fmt))
    assert project.weights(result.model) == expected
    assert rows(project) == log


def rows(project):
    """The log but for the time, and the 6th row's test: the last iteration of a run always has one."""
    return [
        {name: value for name, value in row.items() if name != "seconds" and row["iteration"] != "6"}
        for row in project.rows()
    ]


def test_caffe_itself_restores_from_anywhere(project, fmt, tmp_path_factory, monkeypatch):
    import caffe

    project.solver(snapshot=6, snapshot_format=fmt, test_iter=None, test_interval=None)
    weights = project.weights(project.train().model)
    net = project.root / "nets" / "net.prototxt"
    net.write_text(net.read_text().replace("data/train.txt", str(project.root / "data" / "train.txt")))
    (project.root / "data" / "train.txt").write_text(f"{project.root}/data/train.h5\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    project.solver("plain", net=f'"{net}"', snapshot_prefix='"plain"', test_iter=None, test_interval=None)
    plain = caffe.get_solver(str(project.path))
    plain.restore(str(state(project, 6, fmt)))
    assert plain.iter == 6
    plain.step(6)
    assert [value for blob in plain.net.params["ip"] for value in blob.data.ravel().tolist()] == weights["ip"]


def test_goes_on_from_caffes_own_snapshot(project, fmt, tmp_path_factory, monkeypatch):
    """Whose state names its model from the folder that Caffe ran in."""
    import caffe

    project.solver(snapshot_format=fmt, test_iter=None, test_interval=None)
    weights = project.weights(project.train(output_dir="whole").model)
    project.out.mkdir()
    plain = caffe.get_solver(str(project.path))
    plain.step(6)
    plain.snapshot()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert project.weights(project.train(snapshot=state(project, 6, fmt)).model) == weights


def test_hdf5_state_is_as_caffe_writes_it(project):
    import h5py

    project.solver(snapshot_format="HDF5", max_iter=3)
    result = project.train()
    assert result.snapshot == state(project, 3, "HDF5")
    with h5py.File(result.snapshot, "r") as file:
        name = file["learned_net"]
        kind = name.id.get_type()
        assert name[()] == os.fsencode(project.out / "tiny_iter_3.caffemodel.h5")
        assert (name.shape, kind.is_variable_str(), kind.get_strpad()) == ((), False, h5py.h5t.STR_NULLTERM)
        assert kind.get_size() == len(name[()]) + 1
        assert sorted(file) == ["current_step", "history", "iter", "learned_net"]


def test_nothing_left_to_do(project, capsys):
    snapshot = project.train().snapshot
    before = {path: path.stat().st_mtime_ns for path in project.out.iterdir()}
    result = project.train(snapshot=snapshot)
    assert result.iteration == 12
    assert f"nothing left to do: {snapshot} is at iteration 12 of 12" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in project.out.iterdir()} == before


def test_model_is_missing(project):
    snapshot = project.train(max_iter=3).snapshot
    model = project.out / "tiny_iter_3.caffemodel"
    model.unlink()
    message = project.error(snapshot=snapshot)
    assert message == f"snapshot {snapshot}: its weights {model} are not there; it needs both files"


@pytest.mark.parametrize("name", ["solverstate", "caffemodel"])
def test_files_that_are_cut_short(project, fmt, name):
    project.solver(snapshot_format=fmt, max_iter=3)
    snapshot = project.train().snapshot
    broken = project.out / f"tiny_iter_3.{name}{FORMATS[fmt]}"
    broken.write_bytes(broken.read_bytes()[:-20])
    message = project.error(snapshot=snapshot, max_iter=6)
    assert str(broken) in message
    assert "not a whole one" in message


def test_files_that_are_something_else(project):
    result = project.train(max_iter=3)
    assert project.error(snapshot=result.model, max_iter=6).endswith("no solverstate, or not a whole one")
    assert project.error(weights=[result.snapshot]).endswith("no caffemodel, or not a whole one")
    assert project.error(weights=[project.path]).endswith("no caffemodel, or not a whole one")
    assert project.error(snapshot=project.root / "none.solverstate").endswith("none.solverstate: no such file")
    assert project.error(weights=[project.root / "none"]).endswith("none: No such file or directory")
    assert project.error(weights=[project.out]).endswith("out: Is a directory")
    empty = project.root / "empty"
    empty.write_bytes(b"")
    assert project.error(weights=[empty]).endswith("empty: empty")
    assert project.error(snapshot=empty).endswith("no solverstate, or not a whole one")


def test_weights_that_are_no_numbers(project):
    weights = project.train(max_iter=1).model
    model = _engine.messages().NetParameter.FromString(weights.read_bytes())
    layer = next(each for each in model.layer if each.blobs)
    layer.blobs[0].data[1] = float("nan")
    spoilt = project.root / "spoilt.caffemodel"
    spoilt.write_bytes(model.SerializeToString())
    found = (
        f'weights {spoilt}: layer "{layer.name}", blob 0: nan at index 1; 1 of its {len(layer.blobs[0].data)} values'
    )
    assert project.error(weights=[spoilt], overwrite=True) == f"{found} are no numbers"
    if _engine.on_runtime():  # real Caffe ends the process
        del layer.blobs[0].data[1:]
        spoilt.write_bytes(model.SerializeToString())
        assert project.error(weights=[spoilt], overwrite=True).endswith(" values, got 1")


def test_state_of_another_solver_type_or_net(project):
    snapshot = project.train(max_iter=3).snapshot
    project.solver(type='"Adam"')
    assert "holds 2 history blobs where Adam on this net has 4" in project.error(snapshot=snapshot)
    project.solver()
    net = project.net()
    net.write_text(net.read_text().replace("num_output: 2", "num_output: 3"))
    assert 'layer "ip", blob 0 has shape (2, 3), the net\'s (3, 3)' in project.error(snapshot=snapshot)


def test_weights_and_snapshot_together(project):
    result = project.train(max_iter=3)
    assert "give one of them" in project.error(snapshot=result.snapshot, weights=[result.model])


@pytest.mark.parametrize("extension", FORMATS.values())
def test_starts_from_weights(project, capsys, extension):
    fmt = {extension: name for name, extension in FORMATS.items()}[extension]
    project.solver(snapshot_format=fmt)
    first = project.train(max_iter=3, output_dir="first")
    model = project.root / "first" / f"tiny_iter_3.caffemodel{extension}"
    project.solver(base_lr=0, random_seed=7)
    result = project.train(weights=[model])
    assert project.weights(result.model) == project.weights(first.model)
    assert f"weights {model}: " in capsys.readouterr().out


def test_weights_in_the_solver_file(project):
    model = project.train(max_iter=3, output_dir="first").model
    project.solver(base_lr=0, random_seed=7, weights='"first/final.caffemodel"')
    result = project.train()
    assert project.weights(result.model) == project.weights(model)
    assert f'weights: "{model}"' in result.solver.read_text()
    other = project.train(output_dir="other", weights=[result.model], max_iter=1)  # goes before the file's
    assert f'weights: "{result.model}"' in other.solver.read_text()
    assert "weights:" not in project.train(snapshot=other.snapshot).solver.read_text()


def test_weights_that_do_not_fit(project):
    model = project.train(max_iter=3, output_dir="first").model
    net = project.net()
    whole = net.read_text()
    net.write_text(whole.replace("num_output: 2", "num_output: 3"))
    message = project.error(weights=[model])
    assert message.startswith(f"weights {model} do not fit the net; to learn a layer anew, give it another name:\n")
    assert message.endswith('\n  layer "ip", blob 0 has shape (2, 3), the net\'s (3, 3)')
    net.write_text(whole.replace("num_output: 2", "num_output: 2 bias_term: false"))
    assert 'layer "ip" has 2 blobs, the net\'s 1' in project.error(weights=[model])
    net.write_text(whole.replace('name: "ip"', 'name: "new"'))
    assert "none of its layers is in the net; it has accuracy" not in project.error(weights=[model])
    assert "none of its layers is in the net" in project.error(weights=[model])
    assert not project.out.joinpath("log.csv").exists()


def test_weights_of_old_files(project):
    """Before Caffe knew shapes, blobs had four axes."""
    from caffe.proto import caffe_pb2

    old = caffe_pb2.NetParameter()
    layer = old.layers.add(name="ip", type=caffe_pb2.V1LayerParameter.INNER_PRODUCT)
    layer.blobs.add(num=1, channels=1, height=2, width=3, data=range(6))
    layer.blobs.add(num=1, channels=1, height=1, width=2, data=[6, 7])
    path = project.root / "old.caffemodel"
    path.write_bytes(old.SerializeToString())
    project.solver(base_lr=0)
    assert project.weights(project.train(weights=[path]).model) == {"ip": list(range(8))}
    layer.blobs[0].height, layer.blobs[0].width = 3, 2
    path.write_bytes(old.SerializeToString())
    message = project.error(weights=[path], overwrite=True)
    assert 'layer "ip", blob 0 has shape (1, 1, 3, 2), the net\'s (2, 3)' in message


SHARED = """
layer {{ name: "a" type: "InnerProduct" bottom: "data" top: "a" {param} inner_product_param {{ num_output: 3 }} }}
layer {{ name: "b" type: "InnerProduct" bottom: "a" top: "b" {param} inner_product_param {{ num_output: 3 }} }}
"""


def test_shared_weights(project, fmt):
    """HDF5 files hold a shared blob once."""
    project.net(SHARED.format(param='param { name: "w" }'), bottom="b")
    project.solver(snapshot_format=fmt)
    project.train(max_iter=3)
    project.train(max_iter=6, snapshot=state(project, 3, fmt))
    project.train(weights=[project.out / f"tiny_iter_3.caffemodel{FORMATS[fmt]}"], overwrite=True)


def test_command_line_takes_a_list(project, capsys):
    from caffe_pylayers.cli import main

    project.train(max_iter=3, output_dir="first")
    arguments = ["--solver", str(project.path), "--weights", "first/final.caffemodel,none"]
    assert main(arguments, verb="train") == 1
    assert capsys.readouterr().err.endswith(f"weights {project.root / 'none'}: No such file or directory\n")


def test_errors_are_user_errors(project):
    with pytest.raises(UserError):
        project.train(weights=["none"])


def test_resume_takes_the_newest_whole_snapshot(project, fmt, capsys):
    project.solver(snapshot=2, snapshot_format=fmt)
    whole = project.weights(project.train().model)
    state(project, 10, fmt).write_bytes(state(project, 10, fmt).read_bytes()[:50])
    (project.out / f"tiny_iter_8.caffemodel{FORMATS[fmt]}").unlink()
    (project.out / "tiny_iter_12.solverstate.h5.old").touch()
    state(project, 12, fmt).unlink()
    capsys.readouterr()
    result = project.train(resume=True)
    told = capsys.readouterr()
    assert "from iteration 6 on" in told.out
    assert [line.split(": ")[:2] for line in told.err.splitlines() if line.startswith("passed over")] == [
        ["passed over", f"snapshot {state(project, 10, fmt)}"],
        ["passed over", f"snapshot {state(project, 8, fmt)}"],
    ]
    assert project.weights(result.model)["ip"] == pytest.approx(whole["ip"])


def test_resume_without_a_snapshot_starts(project):
    assert project.train(resume=True).iteration == 12
    assert "give one of them" in project.error(resume=True, weights=["x"])
