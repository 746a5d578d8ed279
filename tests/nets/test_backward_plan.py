"""The backward plan against what real Caffe does, layer by layer and bottom by bottom."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._nets import prototxt
from caffe_pylayers._nets.backward_plan import backward_plan, plan_layers, wired_layers
from caffe_pylayers._nets.include_rules import State
from tests.nets.backward_nets import NETS, RANDOM, REFUSED, STAGED, STATES

pytestmark = pytest.mark.caffe

TRAINING = State(TRAIN)

# These types use a bottom's diff for their own ends when they are not asked for it.
WRITE_ANYWAY = ("BatchNorm", "LSTM", "RNN", "Scale")


def parsed(text):
    return prototxt.parse_net(text)


def planned(text, state=TRAINING):
    net = parsed(text)
    layers = wired_layers(net, state)
    learned = [int(layer.python_param.param_str.split()[1]) if layer.type == "Python" else None for layer in layers]
    return plan_layers(layers, net.force_backward, learned)


def observe(cases):
    """What Caffe does with (text, state) pairs, from a process of its own, and how that ended."""
    given = [(text, {"phase": s.phase, "level": s.level, "stages": list(s.stages)}) for text, s in cases]
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("real_plan.py"))],
        input=json.dumps(given),
        env={**os.environ, "GLOG_minloglevel": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def observed(cases):
    done = observe(cases)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == len(cases)
    return results


def assert_agrees(text, state, real):
    plans = planned(text, state)
    unforced = planned(text.replace("force_backward: true", ""), state)  # Caffe logs before it forces
    assert [[plan.layer.name, bool(plan.backward)] for plan in unforced] == real["layers"]
    called = [plan for plan in plans if plan.backward and plan.layer.type == "Python"]
    assert {plan.layer.name: [bool(flag) for flag in plan.propagate_down] for plan in called} == real["told"]
    in_place = {blob for plan in plans for blob in plan.layer.top if blob in plan.layer.bottom}
    for plan in plans:
        for blob, flag in zip(plan.layer.bottom, plan.propagate_down):
            if plan.backward and flag:
                assert real["written"][blob], (plan.layer.name, blob)
            elif plan.layer.type not in WRITE_ANYWAY and blob not in in_place:
                assert not real["written"][blob], (plan.layer.name, blob)


@pytest.fixture(scope="module")
def real():
    return dict(zip(NETS, observed([(text, TRAINING) for text in NETS.values()])))


@pytest.mark.parametrize("name", NETS)
def test_agrees_with_caffe(name, real):
    assert_agrees(NETS[name], TRAINING, real[name])


def test_agrees_with_caffe_on_random_nets():
    for text, result in zip(RANDOM, observed([(text, TRAINING) for text in RANDOM])):
        assert_agrees(text, TRAINING, result)


def test_agrees_with_caffe_in_every_state():
    results = observed([(STAGED, state) for state in STATES])
    assert len({str(result["layers"]) for result in results}) > 4
    for state, result in zip(STATES, results):
        assert_agrees(STAGED, state, result)


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_caffe_refuses(text, message):
    with pytest.raises(ValueError, match="layer") as error:
        planned(text)
    assert str(error.value) == message
    assert observe([(text, TRAINING)]).returncode != 0


def test_a_loss_weight_moves_to_the_split():
    weights = {plan.layer.name: list(plan.layer.loss_weight) for plan in planned(NETS["weighted loss read by Silence"])}
    assert weights["loss"] == []
    assert weights["loss_loss_0_split"] == [1, 0]


def test_stages_in_the_net_itself_count():
    net = parsed(STAGED + 'state { stage: "s" }')
    names = [plan.layer.name for plan in backward_plan(net, State(TRAIN, stages=("t",)))]
    assert "staged" in names


def flags(name, layer):
    plan = next(plan for plan in planned(NETS[name]) if plan.layer.name == layer)
    return [str(plan.backward), *(f"{blob} {flag}" for blob, flag in zip(plan.bottoms, plan.propagate_down))]


REASONS = {
    ("one-hot label", "loss"): [
        "True: b <- InnerProduct b learns (lr_mult 1, 1)",
        "b True: b <- InnerProduct b learns (lr_mult 1, 1)",
        "t True: t <- one_hot <- b <- InnerProduct b learns (lr_mult 1, 1)",
    ],
    ("in-place", "drop"): [
        "True: b <- relu <- b <- InnerProduct b learns (lr_mult 1, 1)",
        "b True: b <- relu <- b <- InnerProduct b learns (lr_mult 1, 1)",
    ],
    ("all frozen", "b"): ["False: nothing in it or before it learns", "a False: nothing before it learns"],
    ("dead branch", "c"): ["False: no loss depends on it", "a False: no loss depends on it"],
    ("stopped further up", "b"): [
        "True: InnerProduct b learns (lr_mult 1, 1)",
        "p False: propagate_down: false says so",
    ],
    ("stopped further up", "a"): [
        "False: propagate_down: false says so in b",
        "x False: nothing before it learns",
    ],
    ("force_backward", "loss"): [
        "True: b <- InnerProduct b learns (lr_mult 1, 1)",
        "b True: b <- InnerProduct b learns (lr_mult 1, 1)",
        "label False: nothing before it learns, and SoftmaxWithLoss refuses force_backward here",
    ],
    ("force_backward", "a"): ["True: force_backward", "x True: force_backward"],
    ("loss read by Silence", "b"): [
        'False: the top "loss" of loss is read by a layer that no loss depends on',
        "x False: nothing before it learns",
    ],
    ("BatchNorm, no param", "bn"): [
        "True: BatchNorm bn counts as learning (it lacks param { lr_mult: 0 } three times)",
        "x False: nothing before it learns",
    ],
}


@pytest.mark.parametrize(("net", "layer"), REASONS, ids="/".join)
def test_gives_the_reason(net, layer):
    assert flags(net, layer) == REASONS[net, layer]


def test_python_layers_have_as_many_learned_blobs_as_param_blocks_unless_told():
    text = NETS["learned Python layer"]
    plans = {plan.layer.name: bool(plan.backward) for plan in backward_plan(parsed(text), TRAINING)}
    assert plans == {"in": False, "a": False, "b": False, "loss": False}
    assert all(plan.backward for plan in planned(text) if plan.layer.name != "in")
