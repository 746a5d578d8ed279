"""Hostile solver files: one that trains, with values changed, fields added, or its text damaged."""

import random

from caffe_pylayers.runtime.proto import caffe_pb2
from tests.fuzz.nets import damaged, field_text

NET = """
  layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2
    weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
"""
BASE = {
    "type": '"SGD"',
    "base_lr": "0.1",
    "lr_policy": '"fixed"',
    "momentum": "0.9",
    "weight_decay": "0.01",
    "gamma": "0.5",
    "stepsize": "2",
    "max_iter": "10",
    "snapshot_prefix": '"s"',
    "test_interval": "2",
}
TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")
# They say how much work there is: any amount is right, and much of it takes long.
LEFT_ALONE = ("iter_size", "test_iter", "average_loss")


def hostile_solver(draw: random.Random) -> str:
    """The text of a solver with its net in it."""
    values = dict(BASE, type=f'"{draw.choice(TYPES)}"', lr_policy=f'"{draw.choice(POLICIES)}"')
    if values["type"] in ('"AdaGrad"', '"RMSProp"'):
        del values["momentum"]
    lines = [f"{name}: {value}" for name, value in values.items()]
    kind = draw.randrange(3)
    if kind:
        chosen = draw.sample(FIELDS, draw.choice((1, 1, 2, 3)))
        lines = [line for line in lines if line.partition(":")[0] not in [field.name for field in chosen]]
        lines += [field_text(draw, field, hostility=0.7) for field in chosen]
    net = draw.choice(("net_param", "net_param", "net_param", "train_net_param"))
    text = "\n".join([*lines, f"{net} {{ {NET} }}"]) + "\n"
    return damaged(draw, text) if kind == 2 else text


FIELDS = [
    field
    for field in caffe_pb2.SolverParameter.DESCRIPTOR.fields
    if field.message_type is None and field.name not in LEFT_ALONE
]
