"""caffe-pylayers train: snapshots."""

import pytest


def snapshots(project):
    return [name for name in project.files() if "_iter_" in name]


def both(*iterations, extension=""):
    return sorted(f"tiny_iter_{i}.{kind}{extension}" for i in iterations for kind in ("caffemodel", "solverstate"))


def test_at_every_interval_and_the_end(project, capsys):
    project.solver(snapshot=5)
    project.train()
    assert snapshots(project) == both(5, 10, 12)
    assert capsys.readouterr().out.count("\nsnapshot ") == 3


def test_end_on_an_interval(project, capsys):
    project.solver(snapshot=6)
    project.train()
    assert snapshots(project) == both(6, 12)
    assert capsys.readouterr().out.count("\nsnapshot ") == 2


def test_none_after_training(project):
    project.solver(snapshot=5, snapshot_after_train=False)
    project.train()
    assert snapshots(project) == both(5, 10)
    assert "final.caffemodel" in project.files()


def test_hdf5(project):
    project.solver(snapshot=6, snapshot_format="HDF5")
    project.train()
    assert snapshots(project) == both(6, 12, extension=".h5")


def test_hdf5_cannot_hold_some_names(project):
    net = project.net()
    whole = net.read_text()
    project.solver(snapshot_format="HDF5")
    for name in ("a/b", "", "loss"):
        net.write_text(whole.replace('name: "ip"', f'name: "{name}"'))
        message = project.error()
        assert "snapshot_format HDF5 cannot hold layers that have a slash, no name or another's name" in message
        assert f': "{name}";' in message
    net.write_text(whole.replace('name: "ip"', 'name: "a/b"'))
    project.solver()
    project.train()


def test_snapshot_diff(project):
    from caffe.proto import caffe_pb2

    project.solver(snapshot_diff=True)
    project.train()
    model = (project.out / "tiny_iter_12.caffemodel").read_bytes()
    net = caffe_pb2.NetParameter.FromString(model)
    assert any(blob.diff for layer in net.layer for blob in layer.blobs)


@pytest.mark.parametrize("moved", [0, 1])
def test_failure_in_the_middle_leaves_no_half(project, monkeypatch, moved):
    """The disk fails as the model, or as the state gets its name."""
    from caffe_pylayers._disk import files

    names = []
    move = files.move

    def failing_move(source, path):
        if path.parent == project.out and "_iter_" in path.name:
            if len(names) >= moved:
                raise OSError(28, "No space left on device")
            names.append(path.name)
        move(source, path)

    monkeypatch.setattr(files, "move", failing_move)
    project.solver(snapshot=5)
    message = project.error()
    assert message == (f"{project.out}: iteration 5 cannot be kept: No space left on device; there is no snapshot yet")
    assert snapshots(project) == names == ["tiny_iter_5.caffemodel"][:moved]
    assert not [name for name in project.files() if "part" in name]


def test_what_a_killed_run_left_does_no_harm(project):
    left = project.out / ".snapshot.part"
    left.mkdir(parents=True)
    (left / "tiny_iter_5.caffemodel").write_bytes(b"half")
    project.train()
    assert not left.exists()
