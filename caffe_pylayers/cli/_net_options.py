"""What the verbs that run a net share: the caffe program's options for it, and the net made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from caffe_pylayers.cli import UserError, add_engine_argument

PHASES = {"TRAIN": 0, "TEST": 1}


def add_net_arguments(parser: argparse.ArgumentParser, phase: str, weights: bool, iterations: int | None) -> None:
    """Declare --model, --weights, --phase, --level, --stage, --iterations, --gpu, in one or two dashes, and --engine.

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
    add("gpu", type=gpu_number, metavar="N", help="run on this GPU (default: on the CPU)")
    add_engine_argument(parser)


def gpu_number(text: str) -> int:
    """The number of a GPU, for argparse; the caffe program's "all" and "0,1" are told apart from nonsense."""
    if text == "all" or "," in text:
        raise argparse.ArgumentTypeError(f"one GPU, by its number; several do not work together here, got {text}")
    return int(text)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def make_net(args: argparse.Namespace) -> Any:
    """The net that the arguments ask for, on the engine that is there.

    UserError for what is wrong with it, its weights or the GPU: found before real Caffe would end the process.
    """
    from caffe_pylayers.cli._training.mode import gpu_problem, quiet

    quiet()
    from caffe_pylayers import _engine
    from caffe_pylayers.cli._training.weights import check_model, read_model

    caffe = _engine.caffe()
    stages = args.stage.split(",") if args.stage else []
    _check(args, stages)
    models = {path: read_model(path) for path in map(Path, args.weights.split(",") if args.weights else [])}
    if args.gpu is not None:
        problem = gpu_problem(args.gpu)
        if problem:
            raise UserError(problem)
        caffe.set_device(args.gpu)
        caffe.set_mode_gpu()
    net = caffe.Net(args.model, PHASES[args.phase], level=args.level, stages=stages)
    for path, model in models.items():
        check_model(path, model, net)
        net.copy_from(str(path))
    return net


def _check(args: argparse.Namespace, stages: list[str]) -> None:
    from caffe_pylayers._nets import check, prototxt

    message = prototxt.read_net(args.model)
    problems = check.problems(message, args.model, [PHASES[args.phase]], args.level, stages)
    if problems:
        raise UserError("\n  ".join(problems))
