"""Write a fork's net as one that stock Caffe runs with this package, and its weights; or a solver, and its nets.

    caffe-pylayers port ssd.prototxt ssd.caffemodel -o ported.prototxt
    caffe-pylayers port solver.prototxt -o ported_solver.prototxt

Layers of the fork's types become Python layers of this package, or the types of Caffe that they equal. What became of
what is printed; what has no equal is listed, all at once, and nothing is written. The weights go to a caffemodel beside
OUTPUT, HDF5 as it is; each net that a solver names to a file beside it, whose name begins with OUTPUT's.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import given


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
        message = self._read(path)
        if message.DESCRIPTOR.name == "SolverParameter":
            if weights is not None:
                raise UserError(f"{path}: a solver; give the weights with the net that they are of")
            self._add_solver(message)
        else:
            self._add_net(message, self._output, weights)

    def _read(self, path: str) -> Any:
        from caffe_pylayers._nets import prototxt

        self.read.add(Path(path).resolve())
        return prototxt.read_unlowered(path)

    def _add_net(self, net: Any, output: Path, weights: str | None = None) -> None:
        from caffe_pylayers._nets.forks import evaluation, lowering, ported
        from caffe_pylayers.cli._training.weights import nothing_in_common, read_whole

        model, stored = (None, None) if weights is None else read_whole(Path(weights), port=True)
        if model is not None and not {layer.name for layer in net.layer} & set(model.layers):
            raise UserError(nothing_in_common(str(weights), model))
        found = lowering.lowered(net, self._messages, None if model is None else lambda: model.layers)
        self._tell(found, [found.message], output)
        if self._precision:
            evaluation.measure(found.message, self._precision)
        self.report.append(f"{output}: {len(found.became)} of {len(net.layer)} layers were a fork's")
        self.written[output] = ported.net_text(found).encode()
        if weights is None or model is None:
            return
        self.read.add(Path(weights).resolve())
        beside = output.with_suffix(".caffemodel.h5" if model.hdf5 else ".caffemodel")
        if beside == output:
            raise UserError(f"{output}: the weights go there; name the net otherwise, {output.stem}.prototxt say")
        # HDF5 holds the layers' names and blobs, and no more.
        self.written[beside] = Path(weights).read_bytes() if stored is None else ported.weights(stored)

    def _add_solver(self, solver: Any) -> None:
        from caffe_pylayers._nets.forks import evaluation, lowering, ported

        found = lowering.lowered_solver(solver, self._messages)
        solver = found.message
        self._precision = evaluation.ap_version(solver, self._messages)
        self._tell(found, [solver.net_param, solver.train_net_param, *solver.test_net_param], self._output)
        paths: dict[str, Path] = {}
        for path in dict.fromkeys([solver.net, solver.train_net, *solver.test_net]):
            if path:
                paths[path] = self._beside(path, set(paths.values()))
                self._add_net(self._read(path), paths[path])
        for field in ("net", "train_net"):
            if solver.HasField(field):
                setattr(solver, field, str(paths[getattr(solver, field)]))
        solver.test_net[:] = [str(paths[path]) for path in solver.test_net]
        self.report.append(f"{self._output}: the solver")
        self.written[self._output] = ported.solver_text(found).encode()

    def _beside(self, path: str, taken: set[Path]) -> Path:
        """Return where a net of the solver goes, ``OUTPUT_NAME``; with a number where another one's is the same."""
        name = Path(path).name
        found = self._output.with_name(f"{self._output.stem}_{name}")
        number = 2
        while found in taken:
            found = self._output.with_name(f"{self._output.stem}_{number}_{name}")
            number += 1
        return found

    def _tell(self, found: Any, nets: list[Any], output: Path) -> None:
        from caffe_pylayers._nets.forks import lowering, ported, python_layers

        replaced = [became for net in nets for became in python_layers.replace(net)]
        self.report += [f"{name} ({kind}): {what}" for name, kind, what in (*found.became, *replaced)]
        self.report += found.doubts
        if found.left_out:
            self.report.append(f"{output}: {lowering.what_is_left_out(found)}")
        self.faults += ported.faults(found, nets)
