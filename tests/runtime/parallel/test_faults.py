"""What the others do when one of several processes fails, wherever it is, and what they refuse at the start."""

import os
import re
import signal
import socket
import time
from datetime import timedelta

import h5py
import numpy as np
import pytest
import torch
import torch.distributed as dist

from caffe_pylayers import pycaffe as caffe
from caffe_pylayers.runtime.parallel import agreement, group, meeting, presence, speakers, stalls
from caffe_pylayers.runtime.parallel.group import Group
from caffe_pylayers.runtime.parallel.presence import Presence
from tests.runtime.parallel.forked import FORK, die, outcomes

PROCESS = rf"\(process \d+ on machine {re.escape(socket.gethostname())}\)"
NET = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "data.txt" batch_size: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 5
  weight_filler { type: "xavier" } } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 3
  weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 random_seed: 1 snapshot_prefix: "x" max_iter: 9
snapshot: 4 test_iter: 20 test_interval: 3 test_initialization: false snapshot_after_train: false
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = np.random.RandomState(0).standard_normal((12, 4)).astype(np.float32)
        file["label"] = (np.arange(12) % 3).astype(np.float32)
    (tmp_path / "data.txt").write_text("data.h5\n")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(uid, rank, count, when=None, fault=None, path="solver.prototxt", who=1):
    """Train, and have a fault happen in the solver ``who``, at what a name in POINTS says."""
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)
    solver = caffe.get_solver(path[rank] if isinstance(path, tuple) else path)
    if rank == who:
        POINTS.get(when, lambda solver, fault: None)(solver, fault)
    nccl = caffe.NCCL(solver, uid)
    if rank == who and when == "bcast":
        fault()
    nccl.bcast()
    solver.add_callback(nccl)
    solver.net.after_backward(nccl)
    solver.solve()
    return [float(np.abs(blob.data).sum()) for blob in solver.net.params["ip1"]]


def at(hook, times):
    def install(solver, fault):
        seen = []
        getattr(solver.net, hook)(lambda layer: (seen.append(layer), len(seen) > times and fault()))

    return install


def between_send_and_update(solver, fault):
    solver.add_callback(lambda: None, lambda: solver.iter == 2 and fault())


def in_the_others_test(solver, fault):
    solver.add_callback(lambda: solver.iter == 3 and fault(), lambda: None)


POINTS = {
    "forward": at("before_forward", 7),
    "backward": at("after_backward", 6),
    "update": between_send_and_update,
    "test": in_the_others_test,
}


def said(found, kind):
    return [line for line in found if str(line).startswith(f"{kind}: ")]


@pytest.mark.parametrize("when", ["bcast", "backward", "update", "test"])
def test_one_that_is_killed_is_named_once(folder, when):
    found = outcomes(3, train, 3, when, die)
    (aloud,), (quiet,) = said(found, "GroupError"), said(found, "GroupError (quiet)")
    assert found[1] == -9
    assert re.fullmatch(f"solver 1 of 3 {PROCESS} has ended", aloud.partition(": ")[2])
    assert quiet.partition(": ")[2] == aloud.partition(": ")[2]


@pytest.mark.parametrize("who", [0, 1])
def test_a_process_of_two_that_is_killed_in_its_snapshot_is_named(folder, who):
    def work(uid, rank):
        POINTS["snapshot"] = lambda solver, fault: setattr(solver, "snapshot", fault)
        return train(uid, rank, 2, "snapshot", die, who=0)

    found = outcomes(2, work)
    assert found[0] == -9
    assert re.fullmatch(f"GroupError: solver 0 of 2 {PROCESS} has ended", found[1])


@pytest.mark.parametrize("wait", [lambda met: met.sums([1]), lambda met: met.first("word", "")])
def test_one_that_is_killed_is_named_though_the_store_does_not_answer(wait):
    def keep(uids):
        uids.put(caffe.NCCL.new_uid())
        signal.pause()

    def work(uid, rank):
        met = Group(uid, rank, 3)
        met.sums([1])
        if rank == 2:
            os.kill(keeper.pid, signal.SIGSTOP)
            die()
        while True:
            wait(met)

    uids = FORK.SimpleQueue()
    keeper = FORK.Process(target=keep, args=[uids], daemon=True)
    keeper.start()
    try:
        found = outcomes(3, work, uid=uids.get())
    finally:
        keeper.kill()
    assert found[2] == -9
    for line in found[:2]:
        assert re.fullmatch(rf"GroupError( \(quiet\))?: solver 2 of 3 {PROCESS} has ended", line)


def fail():
    raise OSError("no such image\nx.png")


def test_what_fails_in_one_is_said_by_it_alone(folder):
    found = outcomes(3, train, 3, "forward", fail)
    assert found[1] == "OSError: no such image\nx.png"
    for line in (found[0], found[2]):
        assert re.fullmatch(rf"GroupError \(quiet\): solver 1 of 3 {PROCESS}: OSError: no such image", line)


def layer(name, outputs, inputs):
    return f"layer {name} of {outputs} x {inputs} with lr_mult 1, {outputs} with lr_mult 1"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("net", "num_output: 5", "num_output: 6", f"net than solver 0: {layer('ip1', 6, 4)}, not {layer('ip1', 5, 4)}"),
        (
            "solver",
            "momentum: 0.9",
            'momentum: 0.9 type: "Nesterov"',
            "solver than solver 0: type Nesterov, not type SGD",
        ),
    ],
)
def test_solvers_that_differ_are_refused(folder, file, old, new, message):
    (folder / "other.net").write_text(NET.replace(old, new))
    solver = SOLVER.replace("net.prototxt", "other.net") if file == "net" else SOLVER.replace(old, new)
    (folder / "other.prototxt").write_text(solver)
    found = outcomes(2, train, 2, None, None, ("solver.prototxt", "other.prototxt"))
    assert re.fullmatch(f"GroupError: solver 1 of 2 {PROCESS} has another {re.escape(message)}", found[1])
    assert found[0] == found[1].replace("GroupError", "GroupError (quiet)")


def test_what_nets_are_compared_by(tmp_path):
    def lines(batch, folder):
        net = (
            f'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: {batch} dim: 1 }} }} }}'
            f'layer {{ name: "out" type: "HDF5Output" bottom: "x" bottom: "x" '
            f'  hdf5_output_param {{ file_name: "{folder}.h5" }} }}'
        )
        (tmp_path / "net.prototxt").write_text(net)
        return agreement.layers(caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST))

    assert lines(2, tmp_path / "a") == lines(2, tmp_path / "b")
    assert set(lines(2, tmp_path).splitlines()) - set(lines(3, tmp_path).splitlines()) == {"layer in with dim: 2"}


def test_solvers_that_go_on_from_different_iterations_are_refused(folder):
    def work(uid, rank):
        caffe.set_solver_count(2)
        caffe.set_solver_rank(rank)
        solver = caffe.get_solver("solver.prototxt")
        if rank == 1:
            solver.step(1)
        nccl = caffe.NCCL(solver, uid)
        nccl.bcast()
        solver.add_callback(nccl)
        solver.step(1)

    assert "has another iteration than solver 0: 1, not 0" in outcomes(2, work)[1]


# --- meeting ---------------------------------------------------------------------------------------


def meet(uid, rank, count=2):
    Group(uid, rank, count).sums([1])


def test_one_that_does_not_come_is_named(monkeypatch):
    monkeypatch.setattr(presence, "MEETING", 2.0)
    found = outcomes(3, meet, 3, ranks=[0, 2])
    assert [line.replace(" (quiet)", "") for line in found] == ["GroupError: solver 1 of 3 has not come"] * 2


def test_one_that_is_killed_while_the_others_meet_is_named(tmp_path):
    killed = tmp_path / "killed"

    def work(uid, rank):
        if rank == 1:
            Presence.wait_for = die_when_here
        while rank == 2 and not killed.exists():
            time.sleep(0.1)
        meet(uid, rank, 3)

    def die_when_here(*_):
        killed.touch()
        die()

    found = outcomes(3, work)
    (aloud,), (quiet,) = said(found, "GroupError"), said(found, "GroupError (quiet)")
    assert re.fullmatch(f"GroupError: solver 1 of 3 {PROCESS} has ended", aloud)
    assert quiet.partition(": ")[2] == aloud.partition(": ")[2]


def test_two_of_one_rank_are_refused():
    found = outcomes(3, meet, 3, ranks=[0, 1, 1])
    twice = "solver 1 is there twice: process .* on machine .* and process .* on machine .*"
    assert len([line for line in found if re.fullmatch(rf"GroupError( \(quiet\))?: {twice}", line)]) == 3


def test_other_counts_are_refused():
    found = outcomes(2, lambda uid, rank: meet(uid, rank, 2 + rank))
    assert all("solver_count" in line for line in found)


def test_a_uid_whose_process_has_ended_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (said,) = outcomes(1, meet, uid=f"127.0.0.1:{port}")
    assert said.startswith(f"GroupError: nothing answers at 127.0.0.1:{port}, where the solvers of this uid meet")


@pytest.fixture
def by_hand(monkeypatch):
    """Variables as a user sets them, of a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    return port


def test_processes_started_by_hand_meet(by_hand):
    assert outcomes(2, meet, uid="env://") == [None, None]


def test_a_host_that_nobody_knows_is_refused_at_once(by_hand, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "no.such.invalid")
    for line in outcomes(2, meet, uid="env://"):
        assert line.startswith(
            "GroupError: no.such.invalid, where the solvers meet, is no host that this machine knows"
        )


def test_those_who_do_not_come_by_hand_are_named_and_people_told(by_hand, monkeypatch, capfd):
    monkeypatch.setattr(presence, "MEETING", 1.0)
    monkeypatch.setattr(meeting, "MEETING", 1.0)
    monkeypatch.setattr(speakers, "PATIENCE", 0.0)
    assert outcomes(2, meet, uid="env://", ranks=[0]) == ["GroupError: solver 1 of 2 has not come"]
    (line,) = outcomes(2, meet, uid="env://", ranks=[1])
    assert line.endswith("solver 0 has not come, or this machine does not reach it")
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("waiting ")]
    assert told == [
        f"waiting at 127.0.0.1:{by_hand}: solver 1 of 2 has not come",
        f"waiting for an answer at 127.0.0.1:{by_hand}, where solver 0 of 2 is to be",
    ]


def test_one_of_a_machine_tells_for_all_whom_they_wait_for(monkeypatch, capfd):
    monkeypatch.setattr(presence, "MEETING", 1.0)
    monkeypatch.setattr(speakers, "PATIENCE", 0.5)
    uid = caffe.NCCL.new_uid()
    found = outcomes(3, lambda uid, rank: meet(uid, rank, 5), uid=uid, ranks=[0, 2, 4])
    assert {line.partition(": ")[2] for line in found} == {"solvers 1 and 3 of 5 have not come"}
    assert capfd.readouterr().err.count(f"waiting at {uid}: solvers 1 and 3 of 5 have not come\n") == 1


def test_two_first_processes_of_a_machine_are_refused(by_hand):
    found = outcomes(2, meet, uid="env://", ranks=[0, 0])
    twice = f"GroupError: solver 0 is there twice: {PROCESS[2:-2]} and {PROCESS[2:-2]}; each process has a RANK of its"
    assert [re.match(twice, line) is not None for line in found] == [True, True]


@pytest.fixture
def another_program(by_hand):
    """A program that closes each connection at the port."""

    def serve():
        while True:
            server.accept()[0].close()

    with socket.create_server(("127.0.0.1", by_hand)) as server:
        program = FORK.Process(target=serve, daemon=True)
        program.start()
        yield by_hand
        program.kill()


def test_a_port_of_another_program_is_named(another_program, monkeypatch):
    monkeypatch.setattr(meeting, "REACH", 3.0)
    first, second = outcomes(2, meet, uid="env://")
    assert first.startswith(f"GroupError: port {another_program} of this machine is in use by another program: set ")
    assert second.startswith(f"GroupError: what answers at 127.0.0.1:{another_program} is no meeting place of solvers")


def test_a_rank_beyond_the_count_is_refused():
    with pytest.raises(ValueError, match=r"solver_rank 2 is outside \[0, 2\)"):
        Group("localhost:1", 2, 2)


def test_an_interface_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nope")
    (said,) = outcomes(1, lambda uid, rank: meet(uid, rank, 1))
    assert "GLOO_SOCKET_IFNAME says 'nope', which is no network interface of this machine" in said


def test_processes_that_are_started_again_meet_whatever_their_launchers_counted(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    uid = caffe.NCCL.new_uid()

    def work(uid, rank):
        os.environ["TORCHELASTIC_RESTART_COUNT"] = str(rank)
        return Group(uid, rank, 2).sums([1])

    assert outcomes(2, meet, uid=uid) == [None, None]
    assert outcomes(2, work, uid=uid) == [[2.0], [2.0]]


def test_those_who_are_not_started_again_are_named(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    met, uid = caffe.NCCL.new_uid(), caffe.NCCL.new_uid()
    assert outcomes(3, lambda uid, rank: meet(uid, rank, 3), uid=met) == [None] * 3
    monkeypatch.setattr(meeting, "MEETING", 1.0)
    for each in (met, uid):
        found = outcomes(2, lambda uid, rank: meet(uid, rank, 3), uid=each, ranks=[0, 2])
        assert found == ["GroupError: solver 1 of 3 has not come"] * 2


@pytest.mark.parametrize(("dead", "speaks"), [([2], True), ([0, 2], False)])
def test_who_finds_out_knows_whether_the_leader_speaks(dead, speaks):
    def work(uid, rank):
        met = Group(uid, rank, 3)
        met.sums([1])
        if rank in dead:
            die()
        with pytest.raises(presence.GroupError, match=r"solver 2 of 3 .* has ended") as caught:
            met.sums([1])
        return caught.value.quiet, rank and met.leader_speaks

    found = outcomes(3, work)
    assert found[1] == (False, speaks)
    assert found[0] == (-9 if 0 in dead else (True, 0))


def test_a_scripts_own_group_stays():
    def work(uid, rank):
        host, port = uid.split(":")
        store = dist.TCPStore(host, int(port), is_master=False)
        dist.init_process_group("gloo", store=dist.PrefixStore("script", store), rank=rank, world_size=2)
        for _ in range(2):
            met = Group(uid, rank, 2)
            met.sums([1])
            met.close()
        tensor = torch.ones(1)
        dist.all_reduce(tensor)
        return tensor.item()

    assert outcomes(2, work) == [2, 2]


def test_a_process_in_which_a_training_has_broken_off_refuses_the_next():
    def work(uid, rank, next_uid):
        met = Group(uid, rank, 2)
        if rank:
            die()
        with pytest.raises(presence.GroupError, match="has ended"):
            met.sums([1])
        met.close()
        Group(next_uid, 0, 1)

    found = outcomes(2, work, caffe.NCCL.new_uid())
    assert found[0].startswith("GroupError: a training by several processes has broken off in this one: start a new")


@pytest.mark.parametrize(("there", "backend"), [(True, "cpu:gloo,cuda:nccl"), (False, "gloo")])
def test_gpus_use_nccl_in_whichever_mode_the_processes_meet(monkeypatch, there, backend):
    joined = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)

    def join(backend, **_):
        joined.append((backend, os.environ[group.NCCL_WATCH]))

    monkeypatch.setattr(dist, "init_process_group", join)
    monkeypatch.setattr(group, "_users", 0)
    group._join(None, 0, 1, "127.0.0.1")
    assert joined == [(backend, "0")]


# --- one that hangs --------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(group, "LOOK", timedelta(seconds=0.1))
    monkeypatch.setattr(stalls, "SHOW", 0.2)
    monkeypatch.setattr(stalls, "QUIET", 0.6)
    monkeypatch.setattr(stalls, "SIGN", 0.1)
    monkeypatch.setenv(stalls.VARIABLE, "1.6")


@pytest.mark.parametrize("wait", [lambda met: met.sums([1]), lambda met: met.check_equal("net", "")])
def test_one_that_hangs_is_named_and_ends_all_at_last(impatient, capfd, wait):
    def work(uid, rank):
        met = Group(uid, rank, 3)
        met.stalls.where = lambda: "iteration 8"
        wait(met)
        if rank == 1:
            time.sleep(2.6)
        wait(met)

    found = outcomes(3, work)
    late = rf"solver 1 of 3 {PROCESS} has not come to iteration 8 for "
    for line in found:
        assert re.fullmatch(rf"GroupError( \(quiet\))?: {late}\d s, as CAFFE_PYLAYERS_TIMEOUT allows", line)
    assert (
        len(re.findall(rf"^{late}\d s; the others wait until 2 s are over$", capfd.readouterr().err, re.MULTILINE)) == 1
    )


def test_one_that_works_without_the_others_does_not_hang(impatient, capfd):
    def work(uid, rank):
        met = Group(uid, rank, 2)
        last = time.monotonic() + 2.2
        while rank == 0 and time.monotonic() < last:  # as in a test
            met.check()
            time.sleep(0.1)
        return met.sums([1])

    assert outcomes(2, work) == [[2.0], [2.0]]
    assert "has not come" not in capfd.readouterr().err


def test_a_timeout_that_is_no_time(monkeypatch):
    monkeypatch.setenv(stalls.VARIABLE, "soon")
    with pytest.raises(presence.GroupError, match="CAFFE_PYLAYERS_TIMEOUT=soon is no number of seconds above 0"):
        Group("localhost:1", 0, 2)
