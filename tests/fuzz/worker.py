"""Runs cases one by one: reads ``KIND SEED`` from stdin, answers with the outcome as JSON on stdout.

A process of its own, so that a crash, a hang or a full memory is one case's and not the run's.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from caffe_pylayers._disk.files import working_directory
from caffe_pylayers.runtime.memory.allocator import return_pages
from tests.fuzz.run import ROOT

MEMORY = 4 << 30  # bytes of addresses


def main() -> None:
    """Answer until stdin ends; argv[1] is the folder with the whole files."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")  # what the cases print goes nowhere
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    whole = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        shutil.copytree(ROOT / "tests" / "parity" / "files", "tests/parity/files")  # that data layers of nets read
        cases = _cases(whole)
        gc.collect()
        gc.freeze()
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            kind, seed = line.split()
            answers.write(json.dumps(cases[kind](random.Random(f"{kind} {seed}"))) + "\n")
            answers.flush()
            gc.collect()  # the case's blobs: the next one has the memory that it would have alone
            return_pages()


def _cases(whole: Path):
    from caffe_pylayers import pycaffe
    from caffe_pylayers._layer.parameter import declared, read_parameters
    from caffe_pylayers.one_hot import label2one_hot
    from caffe_pylayers.pyloss import EuclideanLossLayer
    from tests.fuzz import files, layers, python_layers
    from tests.fuzz.nets import hostile_net
    from tests.fuzz.outcome import outcome
    from tests.fuzz.param_strs import EveryKind, param_str
    from tests.fuzz.solvers import hostile_solver

    damage = files.Damage(whole)

    def net(draw):
        text = hostile_net(draw)
        Path("fuzz.prototxt").write_text(text, encoding="utf-8")

        def run():
            made = pycaffe.Net("fuzz.prototxt", draw.choice((pycaffe.TRAIN, pycaffe.TEST)))
            for blob in made.blobs.values():
                if 0 < blob.count < 1 << 20:
                    blob.data[...] = 0.5
            made.forward()
            if "force_backward: true" in text:
                made.backward()

        return outcome(run, ('layer "', 'blob "', "fuzz.prototxt"))

    def text(draw):
        given, cls = param_str(draw), draw.choice((label2one_hot, EuclideanLossLayer, EveryKind, EveryKind))
        return outcome(lambda: read_parameters(declared(cls), given), ("param_str", "parameter "))

    def file(draw):
        with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder, working_directory(Path(folder)):
            kind = damage.place(draw)
            return outcome(lambda: files.use(kind), files.KINDS[kind])

    def layer(draw):
        case = layers.hostile_layer(draw)
        return outcome(lambda: layers.use(*case), ('layer "l" (',))

    def solver(draw):
        Path("fuzz_solver.prototxt").write_text(hostile_solver(draw), encoding="utf-8")
        return outcome(lambda: pycaffe.get_solver("fuzz_solver.prototxt").step(2), ('layer "', "fuzz_solver.prototxt"))

    def python_layer(draw):
        name, case = python_layers.hostile_case(draw)
        state, told = outcome(lambda: python_layers.use(name, **case), (f"{name.partition('.')[2]}: ", "pip install"))
        shown = {**case, "bottoms": [x.shape for x in case["bottoms"]]}
        return state, f"{told}  {name} {shown}" if state == "obscure" else told

    return {
        "net": net,
        "param_str": text,
        "file": file,
        "layer": layer,
        "python_layer": python_layer,
        "solver": solver,
    }


if __name__ == "__main__":
    main()
