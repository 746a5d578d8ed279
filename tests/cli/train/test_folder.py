"""caffe-pylayers train: a folder is one training's, and nothing of another is lost unasked."""

import json
import os
import shutil

import pytest

FORMATS = {"BINARYPROTO": "", "HDF5": ".h5"}


@pytest.fixture(params=FORMATS)
def fmt(request):
    return request.param


def iterations(project, name="log.csv"):
    return [int(row["iteration"]) for row in project.rows(project.out / name)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def at(forward, do):
    """A param_str for train_layers.At."""
    return json.dumps({"forward": forward, "do": do})


def test_a_second_training_is_refused(project):
    project.train()
    before = contents(project.out)
    message = project.error()
    assert message == (
        f"{project.out} holds tiny_iter_12.solverstate of an earlier training: --resume goes on with it, --overwrite"
        " removes it and starts anew, --output-dir DIR leaves it alone"
    )
    assert contents(project.out) == before


@pytest.mark.parametrize("name", ["tiny_iter_7.caffemodel", "tiny_iter_7.solverstate.h5", "final.caffemodel"])
def test_so_is_one_over_any_file_of_a_training(project, name):
    project.out.mkdir()
    (project.out / name).write_bytes(b"precious")
    assert f"holds {name} of an earlier training" in project.error()
    assert project.files() == [name]


def test_another_prefix_or_folder_is_not_in_the_way(project):
    project.train(output_dir="out", max_iter=1)
    (project.out / "final.caffemodel").unlink()
    project.solver(snapshot_prefix='"out/other"')
    project.train()
    project.train(output_dir="elsewhere")


def test_overwrite_removes_the_earlier_snapshots_and_keeps_its_log(project, fmt):
    project.solver(snapshot=5, snapshot_format=fmt)
    project.train()
    result = project.train(max_iter=3, overwrite=True)
    extension = FORMATS[fmt]
    assert project.files() == [
        "final.caffemodel",
        "log.1.csv",
        "log.csv",
        "solver.prototxt",
        f"tiny_iter_3.caffemodel{extension}",
        f"tiny_iter_3.solverstate{extension}",
    ]
    assert iterations(project, "log.1.csv") == [*range(13)]
    assert iterations(project) == [*range(4)]
    assert project.train(resume=True).iteration == 12
    assert iterations(project) == [*range(13)]
    assert result.snapshot.exists()


def test_overwrite_keeps_the_weights_it_starts_from(project):
    snapshot = project.train(max_iter=3).snapshot
    weights = snapshot.with_suffix(".caffemodel")
    learned = project.weights(weights)
    project.solver(base_lr=0)
    assert project.weights(project.train(weights=[weights], overwrite=True).model) == learned
    assert weights.exists()
    assert not snapshot.exists()


def test_overwrite_does_not_go_on(project):
    snapshot = project.train(max_iter=3).snapshot
    assert "give one of them" in project.error(overwrite=True, resume=True)
    assert "give one of them" in project.error(overwrite=True, snapshot=snapshot)


def test_going_back_moves_what_is_later(project, fmt, capsys):
    project.solver(snapshot=5, snapshot_format=fmt)
    project.train()
    later = project.out / f"tiny_iter_12.solverstate{FORMATS[fmt]}"
    learned = project.weights(project.out / "final.caffemodel")
    project.train(snapshot=project.out / f"tiny_iter_5.solverstate{FORMATS[fmt]}", max_iter=8)
    earlier = project.out / "earlier.1"
    told = capsys.readouterr().out
    assert f"snapshots beyond iteration 5 were moved to {earlier}\n" in told
    assert f"rows of {project.out / 'log.csv'} beyond iteration 5 were moved to {project.out / 'log.1.csv'}\n" in told
    assert not later.exists()
    assert iterations(project) == [*range(9)]
    assert iterations(project, "log.1.csv") == [*range(6, 13)]
    assert project.train(resume=True, max_iter=9).iteration == 9  # from 8, not from 12
    assert iterations(project) == [*range(10)]
    moved = project.train(snapshot=earlier / later.name, output_dir="other", max_iter=12)
    assert project.weights(moved.model) == learned  # the moved state names the moved model


def test_what_was_left_is_never_written_over(project):
    project.solver(snapshot=5)
    project.train()
    for n in (1, 2):
        project.train(snapshot=project.out / "tiny_iter_5.solverstate")
        assert {f"log.{n}.csv", f"earlier.{n}"} < set(project.files())
        assert iterations(project, f"log.{n}.csv") == [*range(6, 13)]


def test_a_log_without_snapshots_is_kept(project, capsys):
    """As a loss that is not finite leaves it."""
    project.net_with(at(4, "nan"))
    assert "iteration 4: the loss is nan" in project.error()
    project.net()
    project.train(max_iter=2)
    assert iterations(project) == [0, 1, 2]
    assert iterations(project, "log.1.csv") == [0, 1, 2, 3, 4]
    assert f"were moved to {project.out / 'log.1.csv'}\n" in capsys.readouterr().out


def test_a_log_of_untrained_weights_is_not(project):
    project.net_with(at(1, "raise"))
    project.error()
    assert iterations(project) == [0]
    project.net()
    project.train(max_iter=2)
    assert "log.1.csv" not in project.files()


def test_a_file_that_is_no_log_is_kept(project):
    mine = project.root / "mine.csv"
    mine.write_text("name,colour\nsky,blue\n")
    project.train(log_csv=mine, max_iter=1)
    assert (project.root / "mine.1.csv").read_text() == "name,colour\nsky,blue\n"


def test_what_fails_after_the_last_snapshot_is_made_good(project):
    """The final model cannot be written; then the command that is advised, and --resume."""
    blocked = project.out / "final.caffemodel"
    (project.root / "folder").mkdir()
    project.net_with(at(4, "rename folder out/final.caffemodel"))
    code, _, err = project.run()
    assert code == 1
    snapshot = project.out / "tiny_iter_12.solverstate"
    told, _, command = err.partition("; the newest whole snapshot is ")
    assert told == f"train.py: {blocked}: iteration 12 cannot be kept: is a folder; give the name of a file"
    assert command.startswith(f"{snapshot}\nonce that is mended, go on with\n")
    blocked.rmdir()
    learned = project.weights(snapshot.with_suffix(".caffemodel"))
    result = project.train(snapshot=snapshot)
    assert (result.iteration, result.model) == (12, blocked)
    assert project.weights(blocked) == learned
    blocked.unlink()
    project.train(resume=True)
    assert project.weights(blocked) == learned
    assert iterations(project) == [*range(13)]


@pytest.mark.parametrize("lacks_log", [False, True])
def test_a_final_model_of_before_is_replaced(project, fmt, lacks_log):
    """A training that was made longer ended between its last snapshot and its final model."""
    project.solver(snapshot_format=fmt)
    old = project.train(max_iter=6).model
    stale = old.read_bytes()
    project.train(resume=True)
    learned = project.weights(old)
    old.write_bytes(stale)
    os.utime(old, (1, 1))
    if lacks_log:
        (project.out / "log.csv").unlink()
    project.train(resume=True)
    assert project.weights(old) == learned


def test_nothing_left_says_what_there_is(project, capsys):
    first = project.train()
    capsys.readouterr()
    before = contents(project.out)
    again = project.train(resume=True)
    assert (again.iteration, again.snapshot, again.model) == (12, first.snapshot, first.model)
    assert capsys.readouterr().out == f"nothing left to do: {first.snapshot} is at iteration 12 of 12\n"
    assert contents(project.out) == before


def test_a_snapshot_past_max_iter(project):
    snapshot = project.train().snapshot
    for how in ({"resume": True}, {"snapshot": snapshot}):
        assert project.error(max_iter=10, **how) == (
            f"snapshot {snapshot} is at iteration 12, past max_iter 10; give a higher --max-iter, or an earlier"
            " --snapshot"
        )


def test_resume_where_nothing_is_whole(project, capsys):
    project.solver(snapshot=6)
    project.train()
    for name in ("tiny_iter_6.caffemodel", "tiny_iter_12.caffemodel"):
        (project.out / name).unlink()
    before = contents(project.out)
    assert project.error(resume=True) == f"{project.out}: none of its snapshots is whole; --overwrite starts anew"
    assert capsys.readouterr().err.count("passed over: ") == 2
    assert contents(project.out) == before
    for state in project.out.glob("*.solverstate"):
        state.unlink()
    assert "holds final.caffemodel of a training, and no solverstate to go on from" in project.error(resume=True)


def test_resume_with_another_prefix_names_what_is_there(project, capsys):
    project.solver(snapshot=6)
    project.train(max_iter=7)
    project.solver(snapshot_prefix='"out/other"')
    other = "tiny_iter_7.solverstate is of another snapshot_prefix than other"
    assert f"holds final.caffemodel of a training, and no solverstate to go on from ({other}): " in project.error(
        resume=True
    )
    (project.out / "final.caffemodel").unlink()
    project.train(resume=True)
    assert capsys.readouterr().err == (f"nothing to go on from, this training starts anew: in {project.out}, {other}\n")
    assert iterations(project) == [*range(13)]


def test_resume_without_the_library_of_its_snapshots(project, monkeypatch):
    import sys

    from caffe_pylayers._engine.libraries import MissingLibrary

    project.solver(snapshot_format="HDF5")
    project.train(max_iter=3)
    monkeypatch.setitem(sys.modules, "h5py", None)
    project.solver()
    with pytest.raises(MissingLibrary, match="needs h5py: pip install"):
        project.train(resume=True)


def test_resume_of_another_net_or_solver(project):
    project.train(max_iter=3)
    before = contents(project.out)
    project.solver(type='"Adam"')
    assert "it is of another solver type or net" in project.error(resume=True)
    project.solver()
    net = project.net()
    net.write_text(net.read_text().replace("num_output: 2", "num_output: 3"))
    assert "do not fit the net" in project.error(resume=True)
    assert contents(project.out) == before


def test_a_folder_that_is_replaced_meanwhile(project, capsys):
    """The log goes on where the training writes, whole."""
    project.net_with(at(4, "rename out moved"))
    project.solver(snapshot=6)
    project.train()
    assert iterations(project) == [*range(13)]
    assert project.weights(project.out / "final.caffemodel")
    assert {"tiny_iter_6.solverstate", "tiny_iter_12.solverstate"} < set(project.files())
    assert "moved or removed; it is written again, with all of its rows" in capsys.readouterr().err
    assert project.rows(project.root / "moved" / "log.csv") == project.rows()[:4]


def test_a_log_that_is_replaced_meanwhile(project):
    shutil.copy(project.path, project.root / "edited")
    project.net_with(at(4, "rename edited out/log.csv"))
    project.train()
    assert iterations(project) == [*range(13)]
    assert (project.out / "log.1.csv").read_text() == project.path.read_text()


def test_nets_that_change_meanwhile_do_not_matter(project):
    expected = project.weights(project.train(output_dir="expected").model)
    net = project.net_with(at(4, "rename other nets/net.prototxt"))
    (project.root / "other").write_text("nothing of a net")
    assert project.weights(project.train().model) == expected
    assert net.read_text() == "nothing of a net"
