"""Runs cases one by one: reads ``KIND SEED`` from stdin, answers with the outcome as JSON on stdout.

A process of its own, so that a crash, a hang or a full memory is one case's and not the run's.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import torch

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
        cases = _cases(whole)
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            kind, seed = line.split()
            answers.write(json.dumps(cases[kind](random.Random(f"{kind} {seed}"))) + "\n")
            answers.flush()


def _cases(whole: Path):
    from caffe_pylayers import pycaffe
    from caffe_pylayers._layer.parameter import declared, read_parameters
    from caffe_pylayers.one_hot import label2one_hot
    from caffe_pylayers.pyloss import EuclideanLossLayer
    from tests.fuzz.files import Damage, use
    from tests.fuzz.nets import hostile_net
    from tests.fuzz.outcome import outcome
    from tests.fuzz.param_strs import param_str

    damage = Damage(whole)

    def net(draw):
        text = hostile_net(draw)
        Path("fuzz.prototxt").write_text(text, encoding="utf-8")

        def run():
            made = pycaffe.Net("fuzz.prototxt", draw.choice((pycaffe.TRAIN, pycaffe.TEST)))
            for blob in made.blobs.values():
                if blob.count < 1 << 20:
                    blob.data[...] = 0.5
            made.forward()
            if "force_backward: true" in text:
                made.backward()

        return outcome(run, ('layer "', "fuzz.prototxt"))

    def text(draw):
        given, cls = param_str(draw), draw.choice((label2one_hot, EuclideanLossLayer))
        return outcome(lambda: read_parameters(declared(cls), given), ("param",))

    def file(draw):
        name = damage.place(draw)
        return outcome(lambda: use(name), (name, Path(name).parent.name or name, "data.h5"))

    return {"net": net, "param_str": text, "file": file}


if __name__ == "__main__":
    main()
