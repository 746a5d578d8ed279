"""Write a fork's net as one that stock Caffe runs with this package, and its weights; or a solver, and its nets.

    caffe-pylayers port ssd.prototxt ssd.caffemodel -o ported.prototxt
    caffe-pylayers port solver.prototxt -o ported_solver.prototxt

Layers of the fork's types become Python layers of this package, or the types of Caffe that they equal. What became of
what is printed; what has no equal is listed, all at once, and nothing is written. The weights go to a caffemodel beside
OUTPUT, HDF5 as it is; each net, and each file of weights, that a solver names to a file beside it, whose name begins
with OUTPUT's.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import given

if TYPE_CHECKING:
    from caffe_pylayers._nets.stored import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``port``."""
    parser.add_argument("model", type=given, metavar="NET", help="the fork's net, or its solver")
    parser.add_argument("weights", nargs="?", type=given, metavar="WEIGHTS", help="the net's caffemodel")
    parser.add_argument("--output", "-o", type=given, required=True, metavar="OUTPUT", help="the file for stock Caffe")


def run(args: argparse.Namespace) -> int:
    """Port; return the exit code."""
    output = Path(args.output)
    with one_line():
        port = _Port(output)
        port.add(args.model, args.weights)
        if port.faults:
            lines = "".join(f"\n  {fault}" for fault in port.faults)
            raise UserError(f"{args.model}: cannot be ported, and nothing is written:{lines}")
        for path in port.written:
            if path.resolve() in port.read:
                raise UserError(f"{path}: what is read would be written over; give OUTPUT another name")
        with contextlib.ExitStack() as written:
            for path, content in port.written.items():
                written.enter_context(files.whole(path)).write_bytes(content)
    print("\n".join(port.report))
    return 0


class _Port:
    """What is written for a file, and for the files that it names, by path; and what is said of them."""

    def __init__(self, output: Path) -> None:
        from caffe_pylayers import _engine

        self._messages = _engine.messages()
        self._output = output
        self._precision = ""
        self.read: set[Path] = set()
        self.written: dict[Path, bytes] = {}
        self.report: list[str] = []
        self.faults: list[str] = []

    def add(self, path: str, weights: str | None) -> None:
        """Add a file, of a net or a solver."""
        from caffe_pylayers.cli._training.weights import nothing_in_common, read_whole

        message = self._read(path)
        if message.DESCRIPTOR.name == "SolverParameter":
            if weights is not None:
                raise UserError(f"{path}: a solver; give the weights with the net that they are of")
            self._add_solver(message)
            return
        if weights is None:
            self._add_net(message, self._output, [])
            return
        model, stored = read_whole(Path(weights), port=True)
        if not {layer.name for layer in message.layer} & set(model.layers):
            raise UserError(nothing_in_common(str(weights), model))
        self._add_net(message, self._output, [model])
        beside = self._output.with_suffix(".caffemodel.h5" if model.hdf5 else ".caffemodel")
        if beside == self._output:
            raise UserError(f"{beside}: the weights go there; name the net otherwise, {beside.stem}.prototxt say")
        self._add_weights(weights, stored, beside)

    def _read(self, path: str) -> Any:
        from caffe_pylayers._nets import prototxt

        self.read.add(Path(path).resolve())
        return prototxt.read_unlowered(path)

    def _add_net(self, net: Any, output: Path, models: Sequence[Model]) -> None:
        """Add a net; models: its weights, which tell types that forks spell alike."""
        from caffe_pylayers._nets import stored
        from caffe_pylayers._nets.forks import evaluation, lowering, ported

        found = lowering.lowered(net, self._messages, stored.of_all([model.blobs for model in models]))
        of_forks = self._tell(found, [found.message], output)
        if self._precision:
            evaluation.measure(found.message, self._precision)
        self.report.append(f"{output}: {of_forks} of {len(net.layer)} layers were a fork's")
        self.written[output] = ported.net_text(found).encode()

    def _add_weights(self, path: str, stored: Any, output: Path) -> None:
        """Add a file of weights; stored: the NetParameter in it, None for HDF5: names and blobs alone, as they are."""
        from caffe_pylayers._nets.forks import ported

        self.read.add(Path(path).resolve())
        self.written[output] = Path(path).read_bytes() if stored is None else ported.weights(stored)

    def _add_solver(self, solver: Any) -> None:
        from caffe_pylayers._nets import solver_rules
        from caffe_pylayers._nets.forks import evaluation, lowering, ported
        from caffe_pylayers.cli._training.weights import read_whole

        found = lowering.lowered_solver(solver, self._messages)
        solver = found.message
        self._precision = evaluation.ap_version(solver, self._messages)
        self._tell(found, [solver.net_param, solver.train_net_param, *solver.test_net_param], self._output)
        weights = list(dict.fromkeys(solver_rules.weight_files(solver)))
        wholes = {path: read_whole(Path(path), port=True) for path in weights if Path(path).is_file()}
        models = [model for model, _ in wholes.values()]
        self.report += [
            f"{path}: not there, so left as it is; what it may tell of the nets' layers does not count"
            for path in weights
            if path not in wholes
        ]
        paths: dict[str, Path] = {}
        for path in dict.fromkeys([solver.net, solver.train_net, *solver.test_net]):
            if path:
                paths[path] = self._beside(path, set(paths.values()))
                self._add_net(self._read(path), paths[path], models)
        for path, (_, stored) in wholes.items():
            paths[path] = self._beside(path, set(paths.values()))
            self._add_weights(path, stored, paths[path])
            self.report.append(f"{paths[path]}: the weights")
        if weights:
            solver.weights[:] = [",".join(str(paths.get(path, path)) for path in solver_rules.weight_files(solver))]
        for field in ("net", "train_net"):
            if solver.HasField(field):
                setattr(solver, field, str(paths[getattr(solver, field)]))
        solver.test_net[:] = [str(paths[path]) for path in solver.test_net]
        self.report.append(f"{self._output}: the solver")
        self.written[self._output] = ported.solver_text(found).encode()

    def _beside(self, path: str, taken: set[Path]) -> Path:
        """Return where a file of the solver goes, ``OUTPUT_NAME``; with a number where another one's is the same."""
        name = Path(path).name
        found = self._output.with_name(f"{self._output.stem}_{name}")
        number = 2
        while found in taken:
            found = self._output.with_name(f"{self._output.stem}_{number}_{name}")
            number += 1
        return found

    def _tell(self, found: Any, nets: list[Any], output: Path) -> int:
        """Say what became of a file and the nets in it; return of how many layers."""
        from caffe_pylayers._nets.forks import lowering, ported, python_layers

        became = list(found.became)
        for net in nets:
            replaced, faults = python_layers.replace(net)
            became += replaced
            self.faults += faults
        self.report += [f"{name} ({kind}): {what}" for name, kind, what in became]
        self.report += found.doubts
        if found.left_out:
            self.report.append(f"{output}: {lowering.what_is_left_out(found)}")
        self.faults += ported.faults(found, nets)
        return len(became)
