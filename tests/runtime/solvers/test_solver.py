"""The training loop: order of events, what is logged, test nets, and what is refused."""

import copy
import logging
import re

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from caffe_pylayers.runtime import process
from caffe_pylayers.runtime.proto import caffe_pb2
from caffe_pylayers.runtime.solvers import Action, AdamSolver, SGDSolver, Solver, get_solver
from caffe_pylayers.runtime.solvers.report import SmoothedLoss
from tests.runtime.solvers.nets import NET, feed, weights

RATES = 'base_lr: 0.1 lr_policy: "fixed"'


@pytest.fixture
def log(caplog):
    """The lines that were logged."""
    caplog.set_level(logging.INFO, "caffe_pylayers.runtime")
    return lambda start="": [r.getMessage() for r in caplog.records if r.getMessage().startswith(start)]


def solver_of(text="", **kwargs):
    solver = get_solver(NET.solver(f"{RATES} {text}", **kwargs))
    feed(solver.net)
    return solver


# --- which solver ------------------------------------------------------------------------------------


def test_type_decides():
    assert isinstance(get_solver(NET.solver('type: "Adam"')), AdamSolver)
    assert isinstance(get_solver(NET.solver("")), SGDSolver)
    assert isinstance(get_solver(NET.solver("solver_type: ADAM")), AdamSolver)


def test_a_class_used_directly_ignores_the_type():
    assert SGDSolver(NET.solver('type: "Adam"')).type == "SGD"


def test_repr_and_what_cannot_be_done():
    solver = get_solver(NET.solver(f'{RATES} type: "Adam" max_iter: 9'))
    assert re.fullmatch(r'<AdamSolver SolverParameter: iteration 0 of 9, <Net ".*": TRAIN, .*>>', repr(solver))
    with pytest.raises(RuntimeError, match=r"^SolverParameter: a solver cannot be copied or pickled: "):
        copy.copy(solver)
    with pytest.raises(AttributeError):
        solver.net = solver.net


def test_a_subclass_with_a_rule_of_its_own():
    """It is called whatever SGD would fuse."""

    class Halves(SGDSolver):
        def compute_update(self, group, rate):
            for update, values in zip(group.diff, group.data):
                torch.mul(values, 0.5, out=update)

    solver = Halves(NET.solver(f"{RATES} momentum: 0.9"))
    feed(solver.net)
    before = weights(solver.net)
    solver.step(1)
    np.testing.assert_allclose(weights(solver.net), before / 2, rtol=1e-6)


def test_the_old_enum_in_a_file(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(f"net_param {{ {NET.text()} }} solver_type: ADAM")
    assert get_solver(str(path)).type == "Adam"


def test_old_nets_in_a_solver():
    old = """
    net_param {
      input: "x" input_dim: 4 input_dim: 1 input_dim: 1 input_dim: 3
      layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "y" inner_product_param { num_output: 2 } blobs_lr: 3 }
    }
    """
    solver = SGDSolver(text_format.Parse(f"{old} {RATES} test_iter: 1 test_interval: 1", caffe_pb2.SolverParameter()))
    for net in (solver.net, *solver.test_nets):
        assert net.blobs["x"].shape == (4, 1, 1, 3)
        assert (list(net._layer_names), net.lr_mults) == (["input", "ip"], [3, 1])


def test_unknown_type(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(f'net_param {{ {NET.text()} }} type: "Adm"')
    message = r'unknown solver type "Adm" \(did you mean Adam\?\) in .*solver.prototxt; known: AdaDelta, AdaGrad, '
    with pytest.raises(ValueError, match=message):
        get_solver(path)


@pytest.mark.parametrize(("weights", "reason"), [("none", ""), ("/", ": Is a directory"), ("\\000", "")])
def test_weights_that_cannot_be_read(tmp_path, weights, reason):
    path = tmp_path / "solver.prototxt"
    path.write_text(f'net_param {{ {NET.text()} }} {RATES} weights: "{weights}"')
    shown = weights.replace("\\000", r"\\x00")
    with pytest.raises(RuntimeError, match=rf"^Could not open file {shown}, weights of {path}{reason}$"):
        get_solver(path)


def test_missing_files(tmp_path):
    with pytest.raises(RuntimeError, match=r"Could not open file nowhere.prototxt"):
        get_solver("nowhere.prototxt")
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "nowhere.prototxt"')
    with pytest.raises(RuntimeError, match=r"Could not open file nowhere.prototxt"):
        SGDSolver(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("average_loss: 0", "solver.prototxt: average_loss must be at least 1; is 0"),
        ("iter_size: 0", "solver.prototxt: iter_size must be at least 1; is 0"),
        ('net: "a"', "needs one of net, net_param, train_net, train_net_param; has net and net_param"),
        ("test_state {} test_state {} test_iter: 1", "needs a test_state for each test_iter, or none: has 2 for 1"),
        ("test_iter: 1", "has a test_iter, so it needs a test_interval above 0; is 0"),
        ('test_net: "a"', "needs a test_iter for each test net: has 0 for 1"),
    ],
)
def test_refuses(tmp_path, text, message):
    path = tmp_path / "solver.prototxt"
    path.write_text(f"net_param {{ {NET.text()} }} {text}")
    with pytest.raises(ValueError, match=message):
        get_solver(path)


def test_no_net():
    with pytest.raises(ValueError, match=r"^SolverParameter: needs one of .*; has none$"):
        SGDSolver(caffe_pb2.SolverParameter())


def test_a_train_net_has_no_generic_test_nets():
    param = NET.solver("test_iter: 1 test_interval: 1")
    param.train_net_param.CopyFrom(param.net_param)
    param.ClearField("net_param")
    with pytest.raises(ValueError, match=r"has 1 for 0$"):
        SGDSolver(param)


def test_errors_of_the_policy_name_the_file(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(f'net_param {{ {NET.text()} }} lr_policy: "stp"')
    with pytest.raises(ValueError, match=r'solver.prototxt: lr_policy must be one of .*; is "stp"'):
        get_solver(path).step(1)


# --- training ----------------------------------------------------------------------------------------


def test_iter_and_param():
    solver = solver_of("max_iter: 7 snapshot_after_train: false")
    assert (solver.iter, solver.param.max_iter, solver.lr) == (0, 7, pytest.approx(0.1))
    solver.step(3)
    assert solver.iter == 3
    solver.solve()
    assert solver.iter == 7
    with pytest.raises(AttributeError):
        solver.iter = 1


def test_gradients_of_iter_size_batches_are_averaged():
    start = solver_of("random_seed: 1")
    twice = solver_of("random_seed: 1 iter_size: 2")
    np.testing.assert_array_equal(weights(start.net), weights(twice.net))
    gradients = []
    for batch in range(2):
        feed(start.net, batch)
        start.net.clear_param_diffs()
        start.net.forward_loss()
        start.net.backward_all()
        gradients.append(np.array(start.net.learnable[0].diff))
    before = np.array(twice.net.learnable[0].data)
    twice.step(1)
    np.testing.assert_allclose(before - twice.net.learnable[0].data, 0.05 * sum(gradients), rtol=1e-4, atol=1e-6)


def test_random_seed_repeats():
    first, second, other = (weights(solver_of(f"random_seed: {seed}").net) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_callbacks_come_around_the_gradients():
    solver = solver_of()
    seen = []
    diff = lambda: float(np.abs(solver.net.learnable[0].diff).sum())  # noqa: E731
    solver.add_callback(lambda: seen.append(("start", diff())), lambda: seen.append(("ready", diff())))
    solver.step(2)
    assert [name for name, _ in seen] == ["start", "ready"] * 2
    assert [value > 0 for _, value in seen] == [False, True] * 2


def test_a_callback_may_change_the_gradients():
    solver = solver_of()
    before = weights(solver.net)
    solver.add_callback(lambda: None, solver.net.clear_param_diffs)
    solver.step(1)
    np.testing.assert_array_equal(weights(solver.net), before)


def test_held_arrays_show_the_update():
    solver = solver_of()
    blob = solver.net.learnable[0]
    data, diff, before = blob.data, blob.diff, np.array(blob.data)
    solver.step(1)
    np.testing.assert_allclose(before - diff, data, atol=1e-6)
    assert diff.any()


def test_share_weights():
    solver, other = solver_of(), solver_of()
    solver.share_weights(other.net)
    solver.step(1)
    np.testing.assert_array_equal(weights(other.net), weights(solver.net))


@pytest.mark.parametrize(("answers", "iterations"), [([0, 0, 1], 3), ([0] * 9, 5)])
def test_stop(tmp_path, log, answers, iterations):
    solver = solver_of(f'max_iter: 5 snapshot_prefix: "{tmp_path}/s"')
    requests = iter(answers)
    solver.set_action_function(lambda: next(requests))
    solver.solve()
    assert solver.iter == iterations
    assert log("Optimization") == ["Optimization stopped early." if iterations == 3 else "Optimization Done."]
    assert (tmp_path / f"s_iter_{iterations}.caffemodel").exists()


def test_snapshot_on_request(tmp_path):
    solver = solver_of(f'snapshot_prefix: "{tmp_path}/s"')
    requests = iter([Action.NONE, Action.SNAPSHOT, Action.NONE])
    solver.set_action_function(lambda: next(requests))
    solver.step(3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s_iter_2.caffemodel", "s_iter_2.solverstate"]


def test_a_rule_of_ones_own():
    class SignSolver(Solver):
        type = "Sign"

        def compute_update(self, group, rate):
            for diff in group.diff:
                diff.sign_().mul_(rate)

    solver = SignSolver(NET.solver(RATES))
    blob = solver.net.learnable[0]
    blob.diff[...] = -5
    before = np.array(blob.data)
    solver.apply_update()
    np.testing.assert_allclose(blob.data, before + 0.1, rtol=1e-5)


# --- log ---------------------------------------------------------------------------------------------


def losses(solver, count):
    """The losses of a solver's iterations, seen from outside."""
    found = []
    solver.add_callback(lambda: None, lambda: found.append(2 * float(solver.net.blobs["loss"].data)))
    solver.step(count)
    return found


def test_display(log):
    solver = solver_of("display: 2")
    found = losses(solver, 3)
    shown = log("Iteration")
    assert [re.sub(r"\(.*\)", "(..)", line) for line in shown] == [
        f"Iteration 0 (..), loss = {found[0]:g}",
        "Iteration 0, lr = 0.1",
        f"Iteration 2 (..), loss = {found[2]:g}",
        "Iteration 2, lr = 0.1",
    ]
    assert re.fullmatch(r"Iteration 2 \(\S+ iter/s, \S+s/2 iters\), loss = \S+", shown[2])
    first = f"    Train net output #0: loss = {found[0] / 2:g} (* 2 = {found[0]:g} loss)"
    assert log("    Train")[0] == first


def test_average_loss(log):
    solver = solver_of("display: 1 average_loss: 3")
    found = losses(solver, 5)
    shown = [float(line.split()[-1]) for line in log("Iteration") if "loss" in line]
    assert shown == pytest.approx([np.mean(found[max(0, i - 2) : i + 1]) for i in range(5)], rel=1e-4)


def test_a_loss_that_is_not_finite_stays_in_the_mean():
    smoothed = SmoothedLoss(2)
    assert smoothed.value == 0
    for loss in (1.0, 3.0, 5.0):
        smoothed.add(loss)
    assert smoothed.value == 4
    for loss in (np.inf, 1.0, 1.0, 1.0):
        smoothed.add(loss)
    assert np.isnan(smoothed.value)


def test_debug_info(log):
    solver = solver_of("display: 1 debug_info: true")
    seen = []
    solver.add_callback(
        lambda: None,
        lambda: seen.extend(
            (np.abs(x).sum(), np.linalg.norm(x))
            for x in (weights(solver.net), np.concatenate([b.diff.ravel() for b in solver.net.learnable]))
        ),
    )
    solver.step(1)
    numbers = [float(number) for number in re.findall(r"\d[\d.e+-]*(?=[,)])", log("    [Backward] All")[0])]
    (l1_data, l2_data), (l1_diff, l2_diff) = seen
    assert numbers == pytest.approx([l1_data, l1_diff, l2_data, l2_diff], rel=1e-4)


def test_multistep_and_clipping_are_told(log):
    solver = get_solver(NET.solver('base_lr: 1 lr_policy: "multistep" gamma: 0.1 stepvalue: 1 clip_gradients: 1e-3'))
    feed(solver.net)
    solver.step(2)
    assert log("MultiStep") == ["MultiStep Status: Iteration 1, step = 1"]
    assert re.fullmatch(
        r"Gradient clipping: scaling down gradients \(L2 norm \S+ > 0.001\) by scale factor \S+", log("Gradient")[0]
    )


def test_only_the_first_solver_logs_and_snapshots(log, tmp_path):
    process.set_solver_rank(1)
    try:
        solver = solver_of(f'display: 1 snapshot: 1 snapshot_prefix: "{tmp_path}/s"')
        solver.step(2)
    finally:
        process.set_solver_rank(0)
    assert log("Iteration") == []
    assert not list(tmp_path.iterdir())


# --- test nets ---------------------------------------------------------------------------------------

SOMETIMES = """
layer { name: "deep" type: "InnerProduct" bottom: "data" top: "deep" include { %s }
        inner_product_param { num_output: 1 weight_filler { type: "constant" value: 1 } } }
"""


def test_generic_test_nets(log):
    solver = solver_of("test_iter: 3 test_iter: 1 test_interval: 2 display: 0 max_iter: 4 snapshot_after_train: false")
    for net in solver.test_nets:
        feed(net)
    solver.solve()
    assert len(solver.test_nets) == 2
    assert [net.phase for net in (solver.net, *solver.test_nets)] == [0, 1, 1]
    assert log("Iteration") == [f"Iteration {i}, Testing net (#{n})" for i in (0, 2, 4) for n in (0, 1)]


def test_outputs_are_averaged(log):
    solver = solver_of("test_iter: 3 test_interval: 5 test_compute_loss: true")
    (net,) = solver.test_nets
    feed(net)
    found = []
    net.after_forward(lambda layer: found.append(float(net.blobs["loss"].data)) if layer == 2 else None)
    solver.step(1)
    mean = np.mean(found)
    assert len(found) == 3
    number = r"(\S+)"
    pattern = rf"    Test net output #0: loss = {number} \(\* 2 = {number} loss\)"
    shown = re.fullmatch(pattern, log("    Test")[0]).groups()
    assert [float(x) for x in shown] == pytest.approx([mean, 2 * mean], rel=1e-4)
    assert float(log("Test loss: ")[0].split()[-1]) == pytest.approx(2 * mean, rel=1e-4)


@pytest.mark.parametrize(("text", "first"), [("", 0), ("test_initialization: false", 2)])
def test_test_initialization(log, text, first):
    solver = solver_of(f"test_iter: 1 test_interval: 2 {text}")
    solver.step(3)
    assert log("Iteration") == [f"Iteration {i}, Testing net (#0)" for i in range(first, 3, 2)]


def test_test_nets_share_weights_from_the_first_test_on():
    solver = solver_of("test_iter: 1 test_interval: 1")
    (net,) = solver.test_nets
    assert not np.array_equal(weights(net), weights(solver.net))
    solver.step(2)
    np.testing.assert_array_equal(weights(net), weights(solver.net))


@pytest.mark.parametrize("form", ["net", "test_net", "test_net_param"])
def test_sources_of_test_nets(tmp_path, form):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.text())
    param = caffe_pb2.SolverParameter(test_iter=[1, 1], test_interval=1)
    if form == "net":
        param.net = str(path)
    else:
        param.train_net = str(path)
        for _ in range(2):
            if form == "test_net":
                param.test_net.append(str(path))
            else:
                param.test_net_param.add().CopyFrom(NET.solver("").net_param)
    assert len(SGDSolver(param).test_nets) == 2


@pytest.mark.parametrize(
    ("rule", "text", "train", "test"),
    [
        ("phase: TRAIN", "", True, False),
        ("phase: TEST", "", False, True),
        ("min_level: 2", "train_state { level: 2 }", True, False),
        ('stage: "deep"', 'test_state { stage: "deep" }', False, True),
        ('stage: "deep" stage: "wide"', 'train_state { stage: "deep" }', False, False),
        ("phase: TEST", "train_state { phase: TEST }", True, True),
    ],
)
def test_states(rule, text, train, test):
    param = NET.solver(f"test_iter: 1 test_interval: 1 {text}")
    text_format.Parse(SOMETIMES % rule, param.net_param)
    solver = SGDSolver(param)
    assert ["deep" in net.layer_dict for net in (solver.net, *solver.test_nets)] == [train, test]


def test_the_nets_own_state_counts_less_than_the_solvers():
    param = NET.solver('train_state { level: 3 stage: "b" }')
    param.net_param.state.level = 1
    param.net_param.state.stage.append("a")
    text_format.Parse(SOMETIMES % 'min_level: 3 max_level: 3 stage: "a" stage: "b"', param.net_param)
    net = SGDSolver(param).net
    assert net.phase == 0
    assert "deep" in net.layer_dict


def test_weights_to_start_from(tmp_path):
    first = solver_of("random_seed: 1")
    first.net.save(tmp_path / "a.caffemodel")
    second = solver_of("random_seed: 2")
    assert not np.array_equal(weights(first.net), weights(second.net))
    for names in (
        f'weights: "{tmp_path}/a.caffemodel"',
        f'weights: "{tmp_path}/a.caffemodel, {tmp_path}/a.caffemodel"',
    ):
        third = solver_of(f"random_seed: 2 test_iter: 1 test_interval: 1 {names}")
        for net in (third.net, *third.test_nets):
            np.testing.assert_array_equal(weights(net), weights(first.net))
