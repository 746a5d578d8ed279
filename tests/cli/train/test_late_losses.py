"""caffe-pylayers train, on the runtime: losses on a GPU are read seldom, and nothing that is told of them differs.

Here they are tensors of the host.
"""

import json

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli._training import loop
from caffe_pylayers.cli._training.loop import TrainingError
from caffe_pylayers.cli._training.snapshot_writer import DivergedError


@pytest.fixture
def reads(monkeypatch):
    """Have losses be tensors; gives how many were read each time."""
    torch = pytest.importorskip("torch")
    if not _engine.on_runtime():
        pytest.skip("real Caffe has no tensors")
    from caffe_pylayers.runtime.memory import scalars

    counts, numbers = [], scalars.numbers

    def counted(found):
        if found:
            counts.append(len(found))
        return numbers(found)

    monkeypatch.setattr(scalars, "total", lambda blob: torch.tensor(blob.data.sum()))
    monkeypatch.setattr(scalars, "numbers", counted)
    monkeypatch.setattr(loop, "LONGEST_UNREAD", 3600)
    return counts


def at_once(project, monkeypatch):
    """Train in another folder with losses that are numbers; the log's rows."""
    from caffe_pylayers.runtime.memory import scalars

    monkeypatch.setattr(scalars, "total", lambda blob: blob.data.sum())
    project.train(output_dir=project.root / "other")
    return project.rows(project.root / "other" / "log.csv")


def at(forward, do):
    return json.dumps({"forward": forward, "do": do, "phase": "TRAIN"})


def seldom(project, **fields):
    """A solver that shows, tests and stores little."""
    project.solver(**{"max_iter": 30, "display": 100, "test_interval": 100, "test_initialization": False, **fields})


def test_the_log_is_the_same(project, reads, monkeypatch, capsys):
    seldom(project, display=7, snapshot=11, test_interval=13, average_loss=4)
    project.train()
    late, said = project.rows(), capsys.readouterr().out
    # The first one, those shown, tested and stored, and the last.
    assert reads == [1, 6, 4, 2, 1, 7, 1, 4, 2, 2]
    rows = at_once(project, monkeypatch)
    for row in late + rows:
        row.pop("seconds")
    assert late == rows
    assert shown(said) == shown(capsys.readouterr().out)
    assert [line[1] for line in shown(said)] == ["7/30", "14/30", "21/30", "28/30", "30/30"]


def shown(said):
    """The words of the lines of iterations, up to the rate and the speed."""
    return [line.split()[:4] for line in said.splitlines() if "/30  loss " in line]


def test_rows_have_the_time_of_their_iteration(project, reads):
    seldom(project)
    project.train()
    seconds = [float(row["seconds"]) for row in project.rows()]
    assert seconds == sorted(seconds)
    assert len(set(seconds)) > 2


def test_they_are_read_each_second(project, reads, monkeypatch):
    monkeypatch.setattr(loop, "LONGEST_UNREAD", 0)
    seldom(project, max_iter=5)
    project.train()
    assert reads == [1] * 5


@pytest.mark.parametrize("later", [99, 9])
def test_a_loss_that_is_not_finite_ends_the_training_of_its_iteration(project, reads, later):
    """Also where a layer fails before it was read: there is no snapshot of weights that it has spoilt."""
    seldom(project)
    data = np.zeros((12, 3))
    data[11] = np.nan  # in every third batch
    project.net_with(at(later, "raise"))
    project.data("train", data, np.arange(12) % 2)
    with pytest.raises(DivergedError, match=r"^iteration 3: the loss is nan; .* there is none before it"):
        project.train()
    assert [row["iteration"] for row in project.rows()] == ["1", "2", "3"]
    assert not [name for name in project.files() if name.endswith("state")]


def test_a_layer_that_fails_leaves_the_rows_before_it(project, reads):
    seldom(project)
    project.net_with(at(6, "raise"))
    with pytest.raises(TrainingError, match=r"^iteration 6: LookupError") as caught:
        project.train()
    assert caught.value.snapshot == project.out / "tiny_iter_5.solverstate"
    assert [row["iteration"] for row in project.rows()] == ["1", "2", "3", "4", "5"]
    assert all(row["loss"] for row in project.rows())


def test_iterations_of_several_batches(project, reads, monkeypatch):
    seldom(project, iter_size=2, max_iter=6)
    project.train()
    late = [row["loss"] for row in project.rows()]
    assert reads == [2, 10]
    assert late == [row["loss"] for row in at_once(project, monkeypatch)]
