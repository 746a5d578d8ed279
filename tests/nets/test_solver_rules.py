"""A solver's nets, their states, and what is refused, on the messages of either engine and beside real Caffe."""

import os
import subprocess
import sys

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.phases import TEST, TRAIN
from caffe_pylayers._nets import prototxt
from caffe_pylayers._nets.solver_rules import HISTORIES, problems
from caffe_pylayers._nets.solver_rules import test_nets as nets_to_test
from caffe_pylayers._nets.solver_rules import train_net as net_to_train

GOOD = 'net: "n" base_lr: 0.1 lr_policy: "fixed"'


def solver(text):
    return prototxt.parse_solver(text)


def test_histories_are_of_every_type():
    old = _engine.messages().SolverParameter.SolverType.keys()
    types = {solver(f"solver_type: {kind}").type for kind in old}
    assert types == HISTORIES.keys()


def test_nets_in_caffes_order():
    param = solver("""
        net: "generic" test_net: "a" test_net: "b" test_net_param { name: "c" }
        test_iter: [1, 2, 3, 4, 5] test_interval: 1
    """)
    assert (net_to_train(param).field, net_to_train(param).source, net_to_train(param).phase) == (
        "net",
        "generic",
        TRAIN,
    )
    found = [(net.field, getattr(net.source, "name", net.source), net.phase) for net in nets_to_test(param)]
    assert found == [
        ("test_net_param", "c", TEST),
        ("test_net", "a", TEST),
        ("test_net", "b", TEST),
        ("net", "generic", TEST),
        ("net", "generic", TEST),
    ]


@pytest.mark.parametrize(
    ("own", "solvers", "expected"),
    [
        ("", "", (TRAIN, 0, [])),
        ('level: 1 stage: "a"', "", (TRAIN, 1, ["a"])),
        ('level: 1 stage: "a"', 'level: 2 stage: "b"', (TRAIN, 2, ["a", "b"])),
        ("phase: TEST", "", (TEST, 0, [])),
        ("phase: TEST", "phase: TRAIN", (TRAIN, 0, [])),
    ],
)
def test_states(own, solvers, expected):
    param = solver(f"net_param {{ state {{ {own} }} }} train_state {{ {solvers} }}")
    state = net_to_train(param).state(param.net_param)
    assert (state.phase, state.level, list(state.stage)) == expected
    assert param.net_param.state.level == (1 if "level" in own else 0)  # left as it was


# A solver's text beside a train net, and whether Caffe makes it and takes a step.
CASES = {
    "good": (GOOD, True),
    "two nets": (f'{GOOD} train_net: "n"', False),
    "no net": ('base_lr: 0.1 lr_policy: "fixed"', False),
    "no interval": (f"{GOOD} test_iter: 1", False),
    "negative interval without tests": (f"{GOOD} test_interval: -1", True),
    "too few test_iter": (f'{GOOD} test_net: "n" test_interval: 1', False),
    "no generic net": ('train_net: "n" base_lr: 0.1 lr_policy: "fixed" test_iter: 1 test_interval: 1', False),
    "too few test_state": (f"{GOOD} test_iter: [1, 1] test_interval: 1 test_state {{}}", False),
    "no policy": ('net: "n" base_lr: 0.1', False),
    "no stepsize": ('net: "n" base_lr: 0.1 lr_policy: "step" gamma: 1', False),
    "negative gamma": ('net: "n" base_lr: 0.1 lr_policy: "exp" gamma: -1', False),
    "negative gamma, unused": ('net: "n" base_lr: 0.1 lr_policy: "poly" power: 1 max_iter: 9 gamma: -1', True),
    "unknown type": (f'{GOOD} type: "Adamax"', False),
    "AdaGrad with momentum": (f'{GOOD} type: "AdaGrad" momentum: 0.9', False),
    "RMSProp with momentum": (f'{GOOD} type: "RMSProp" momentum: 0.9', False),
    "rms_decay": (f'{GOOD} type: "RMSProp" rms_decay: 1', False),
    "average_loss": (f"{GOOD} average_loss: 0", False),
    "regularization": (f'{GOOD} weight_decay: 0.1 regularization_type: "L3"', False),
}

NET = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 2 } } }
layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 1 } loss_weight: 1 }
"""


@pytest.mark.parametrize("name", CASES)
def test_problems(name):
    text, good = CASES[name]
    assert (not problems(solver(text))) == good


@pytest.mark.caffe
@pytest.mark.parametrize("name", CASES)
def test_caffe_agrees(tmp_path, name):
    text, good = CASES[name]
    (tmp_path / "n").write_text(NET)
    (tmp_path / "s").write_text(text)
    code = "import caffe; caffe.get_solver('s').step(1)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "GLOG_minloglevel": "3"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) == good


def test_all_problems_at_once():
    assert problems(solver('lr_policy: "stp" type: "Adm" momentum: nan iter_size: 0')) == [
        "needs one of net, net_param, train_net, train_net_param; has none",
        'lr_policy must be one of fixed, step, exp, inv, multistep, poly, sigmoid; is "stp" (did you mean "step"?)',
        'type must be one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam; is "Adm" (did you mean "Adam"?)',
        "momentum must be a finite number; is nan",
        "iter_size must be at least 1; is 0",
    ]
