"""What the verbs that run a net share: the caffe program's options for it, and the net made of them."""

from __future__ import annotations

import argparse
import os
from typing import Any

from caffe_pylayers.cli import UserError

PHASES = {"TRAIN": 0, "TEST": 1}


def add_net_arguments(parser: argparse.ArgumentParser, phase: str, weights: bool, iterations: int | None) -> None:
    """Declare --model, --weights, --phase, --level, --stage, --iterations and --gpu, in one or two dashes.

    phase: the default. weights: whether they are required. iterations: the default; None for no such option.
    """

    def add(name: str, **options: Any) -> None:
        parser.add_argument(f"--{name}", f"-{name}", **options)

    add("model", required=True, metavar="NET.prototxt", help="the net")
    add("weights", required=weights, metavar="FILE[,FILE...]", help="its trained weights, caffemodels")
    add("phase", type=str.upper, choices=PHASES, default=phase, help=f"the net's phase (default: {phase})")
    add("level", type=int, default=0, metavar="N", help="the net's level (default: 0)")
    add("stage", default="", metavar="S[,S...]", help="the net's stages")
    if iterations is not None:
        add("iterations", type=_positive, default=iterations, metavar="N", help=f"how often (default: {iterations})")
    add("gpu", type=int, metavar="N", help="run on this GPU (default: on the CPU)")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def make_net(args: argparse.Namespace) -> Any:
    """The net that the arguments ask for, on the engine that is there; UserError for what it refuses."""
    from caffe_pylayers import _engine

    caffe = _engine.caffe()
    files = args.weights.split(",") if args.weights else []
    for path in (args.model, *files):
        if not os.path.exists(path):  # Caffe ends the process for some of them
            raise UserError(f"{path}: no such file")
    try:
        if args.gpu is not None:
            caffe.set_device(args.gpu)
            caffe.set_mode_gpu()
        stages = args.stage.split(",") if args.stage else []
        net = caffe.Net(args.model, PHASES[args.phase], level=args.level, stages=stages)
        for path in files:
            net.copy_from(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(str(error)) from error
    return net
