"""caffe-pylayers train: the CSV log."""

import pytest

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._curves.log import Log, read_log


def test_contents(project):
    project.solver(lr_policy='"step"', stepsize=6, gamma=0.5)
    project.train()
    text = (project.out / "log.csv").read_text()
    assert text.startswith("iteration,seconds,lr,loss,test/accuracy,test/loss\n0,")
    assert "\r" not in text
    rows = project.rows()
    assert [row["iteration"] for row in rows] == [str(i) for i in range(13)]
    assert [row["lr"] for row in rows] == ["", *["0.1"] * 6, *["0.05"] * 6]
    assert all(float(row["loss"]) >= 0 for row in rows[1:])
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert rows[1]["test/accuracy"] == ""


def test_resuming_drops_what_came_after_the_snapshot(project):
    project.solver(snapshot=5)
    project.train()
    before = project.rows()
    project.train(snapshot=project.out / "tiny_iter_5.solverstate", max_iter=8)
    after = project.rows()
    assert [row["iteration"] for row in after] == [str(i) for i in range(9)]
    assert after[:5] == before[:5]
    assert {**after[5], "seconds": ""} == {**before[5], "seconds": ""}


def test_resuming_without_a_log_starts_one(project):
    snapshot = project.train(max_iter=5).snapshot
    project.train(snapshot=snapshot, log_csv="new.csv")
    assert [row["iteration"] for row in project.rows("new.csv")] == [str(i) for i in range(5, 13)]


def test_resuming_with_a_foreign_log_is_an_error(project):
    snapshot = project.train(max_iter=5).snapshot
    foreign = project.root / "foreign.csv"
    foreign.write_text("a,b\n1,2\n")
    message = f'{foreign}: no column "iteration"; it has a, b; give another --log-csv'
    assert project.error(snapshot=snapshot, log_csv=foreign) == message
    assert foreign.read_text() == "a,b\n1,2\n"


def test_a_training_that_cannot_start_leaves_the_old_log(project):
    project.train()
    old = (project.out / "log.csv").read_text()
    project.error(weights=["none"], overwrite=True)
    net = project.net()
    net.write_text(net.read_text().replace('name: "ip"', 'name: "new"'))
    project.error(weights=[project.out / "final.caffemodel"], overwrite=True)
    assert (project.out / "log.csv").read_text() == old
    project.train(max_iter=1, overwrite=True)
    assert len(project.rows()) == 2


def test_rows_are_on_disk_at_once(tmp_path):
    log = Log(tmp_path / "log.csv", ["test/a"], iteration=0, resume=False)
    log.write({"iteration": 1, "lr": 0.1, "loss": 0.30000001192092896})
    assert (tmp_path / "log.csv").read_text().splitlines()[1].split(",")[2:] == ["0.1", "0.3", ""]
    log.close()


def test_a_row_cut_short_is_left_out(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("iteration,seconds,lr,loss\n1,0.1,0.1,0.5\n2,0.2,0.")
    assert [row["iteration"] for row in read_log(path)[1]] == ["1"]
    log = Log(path, [], iteration=2, resume=True)
    log.write({"iteration": 2, "loss": 0.25})
    log.close()
    assert [row["loss"] for row in read_log(path)[1]] == ["0.5", "0.25"]
    with pytest.raises(UserError):
        Log(path, ["test/a"], iteration=2, resume=True)
