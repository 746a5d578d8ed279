"""The options that the verbs on a net share, as the caffe program has them, and the net that they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Sequence

from caffe_pylayers._layer.phases import PHASES
from caffe_pylayers._nets.include_rules import State
from caffe_pylayers._nets.titles import naming
from caffe_pylayers.cli import UserError, add_engine_arguments, translate_old_code
from caffe_pylayers.cli._parser import given, given_paths

if TYPE_CHECKING:
    from caffe_pylayers.cli._training.weights import ModelFile


class Positional(argparse.Action):
    """Stores a positional argument whose place something else may have filled, and refuses a second value."""

    def __call__(
        self, parser: argparse.ArgumentParser, args: argparse.Namespace, value: Any, option: Any = None
    ) -> None:
        if getattr(args, self.dest) is not None:
            parser.error(f"{self.metavar} is given twice: {getattr(args, self.dest)} and {value}")
        setattr(args, self.dest, value)


def add_model_argument(parser: argparse.ArgumentParser, metavar: str = "NET.prototxt", help: str = "the net") -> None:
    """Declare ``args.model``, given by position or by --model; None where it is not given, see ``need_model``."""
    options: dict[str, Any] = {"type": given, "metavar": metavar}
    # Without the SUPPRESS, an absent positional would write its default over what --model gave.
    parser.add_argument("model", nargs="?", action=Positional, default=argparse.SUPPRESS, help=help, **options)
    parser.add_argument("--model", "-model", help=f"the same as {metavar} by position", **options)


def need_model(args: argparse.Namespace) -> None:
    """UserError where no net is given."""
    if args.model is None:
        raise UserError("which net? give NET.prototxt, or --model NET.prototxt")


def add_net_arguments(parser: argparse.ArgumentParser, phase: str, weights: bool, iterations: int | None) -> None:
    """Declare the net, its options in one or two dashes (--weights, --phase, --gpu, ...), --engine and --compat.

    phase: the default. weights: whether they are required. iterations: the default; None for no such option.
    """

    def add(name: str, **options: Any) -> None:
        parser.add_argument(f"--{name}", f"-{name}", **options)

    add_model_argument(parser)
    files: dict[str, Any] = {"type": given_paths, "default": (), "metavar": "FILE[,FILE...]"}
    add("weights", required=weights, help="its trained weights, caffemodels", **files)
    add("phase", type=str.upper, choices=PHASES, default=phase, help=f"the net's phase (default: {phase})")
    add("level", type=int, default=0, metavar="N", help="the net's level (default: 0)")
    add("stage", default="", metavar="S[,S...]", help="the net's stages")
    if iterations is not None:
        add("iterations", type=_positive, default=iterations, metavar="N", help=f"how often (default: {iterations})")
    add("gpu", type=gpu_number, metavar="N", help="run on this GPU (default: on the CPU)")
    add_engine_arguments(parser)


def gpu_number(text: str) -> int:
    """Return the number of a GPU, for argparse; several, which the caffe program takes, have an error of their own."""
    if text == "all" or "," in text:
        raise argparse.ArgumentTypeError(f"one GPU, by its number; several do not work together here, got {text}")
    return int(text)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def read_net(args: argparse.Namespace, models: Sequence[ModelFile] | None = None) -> tuple[Any, State]:
    """Read the NetParameter that the arguments ask for, and the state they ask for; UserError for what is wrong.

    models: the weights that they ask for, whose blobs tell types that forks spell alike.
    """
    need_model(args)
    from caffe_pylayers.cli._device import quiet

    quiet()  # before the engine is loaded
    translate_old_code(args)
    from caffe_pylayers._nets import check, prototxt, stored

    if models is None:
        models = model_files(args)
    state = State(PHASES[args.phase], args.level, tuple(args.stage.split(",")) if args.stage else ())
    net = prototxt.read_net(args.model, blobs=stored.of_all([each.blobs for each in models]))
    problems = check.problems(net, args.model, [state.phase], state.level, state.stages)
    if problems:
        raise UserError("\n  ".join(problems))
    return net, state


def model_files(args: argparse.Namespace) -> list[ModelFile]:
    """Return the files of weights that the arguments ask for, none of them read yet."""
    from caffe_pylayers.cli._training.weights import ModelFile

    return [ModelFile(path) for path in args.weights]


def make_net(args: argparse.Namespace, ap_version: str = "") -> Any:
    """Build the net that the arguments ask for, on the engine that is there.

    ap_version: where given, DetectionEvaluate of SSD's fork gives an mAP of this kind.
    UserError for what is wrong with it, its weights or the GPU: found before real Caffe would end the process.
    """
    from caffe_pylayers import _engine
    from caffe_pylayers._nets.forks import evaluation
    from caffe_pylayers.cli._device import gpu_problem
    from caffe_pylayers.cli._training.weights import check_model
    from caffe_pylayers.cli._trial import refusal

    models = model_files(args)
    message, state = read_net(args, models)
    if ap_version:
        evaluation.measure(message, ap_version)
    caffe = _engine.caffe()
    refused = refusal(message, state)
    if refused:
        raise UserError(f"{args.model}: {refused}")
    checked = [(each.path, each.model) for each in models]
    if args.gpu is not None:
        problem = gpu_problem(args.gpu)
        if problem:
            raise UserError(problem)
        caffe.set_device(args.gpu)
        caffe.set_mode_gpu()
    # The runtime may have told a fork's layers by the weights; real Caffe takes files alone.
    source = message if _engine.on_runtime() else args.model
    with naming(args.model):
        net = caffe.Net(source, state.phase, level=state.level, stages=list(state.stages))
    for path, model in checked:
        check_model(path, model, net)
        net.copy_from(str(path))
    return net


def need_data(net: Any, path: str) -> None:
    """UserError for a net with Input layers, which hold nothing until a script fills them."""
    inputs = ", ".join(net.inputs)
    if inputs:
        raise UserError(
            f"{path}: no data for {inputs}: Input layers are filled by a script. Give a net with data layers, such as "
            f"the train_test.prototxt that goes with this one"
        )


def reuse_memory(net: Any, backward: bool) -> None:
    """Have the runtime's net give back what no layer of it reads any more; a real Caffe's keeps all its blobs.

    backward: whether a backward follows each forward.
    """
    from caffe_pylayers import _engine

    if _engine.on_runtime():
        net.reuse_memory(backward)
