"""What calling a Python layer costs: nets of 100 of them, on the runtime beside real Caffe, taking turns.

Microseconds a layer, forward and backward as a solver calls them; the least of the rounds, for
what disturbs a call only adds to it. A ratio is real Caffe's over the runtime's.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from engines import Engine, answer

from caffe_pylayers import _engine

LAYERS = 100
ROUNDS = 9
SECONDS = 0.1  # of one engine in one round
KINDS = {"empty": "Empty", "copying 64 x 10": "Copy"}


def write(folder, name):
    """A net of that many layers, one after the other."""
    text = (
        'force_backward: true\nlayer { name: "in" type: "Input" top: "0" input_param { shape { dim: 64 dim: 10 } } }\n'
    )
    for i in range(LAYERS):
        python = f'python_param {{ module: "straightforward" layer: "{name}" }}'
        text += f'layer {{ name: "layer{i}" type: "Python" bottom: "{i}" top: "{i + 1}" {python} }}\n'
    Path(folder, f"{name}.prototxt").write_text(text)


def serve(folder):
    """In an engine's process: microseconds a layer, forward and backward, for each kind asked for."""
    caffe, nets = _engine.caffe(), {}
    for line in sys.stdin:
        name = line.strip()
        if name not in nets:
            nets[name] = caffe.Net(str(Path(folder, f"{name}.prototxt")), caffe.TRAIN)
        net, last = nets[name], len(nets[name].layers) - 1
        answer(_time(net._forward, 0, last), _time(net._backward, last, 0))


def _time(call, *layers):
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call(*layers)
        calls += 1
    return (time.perf_counter() - start) / calls / LAYERS * 1e6


def main():
    with tempfile.TemporaryDirectory() as folder:
        engines = [Engine(name, __file__, "serve", folder) for name in ("caffe", "runtime")]
        print(f"\nPython layers, {LAYERS} in a net: us a layer")
        print(f"  {'':18}{'Caffe':>10}{'runtime':>10}{'ratio':>8}{'Caffe':>14}{'runtime':>10}{'ratio':>8}")
        for title, name in KINDS.items():
            write(folder, name)
            rounds = [[engine.ask(name) for engine in engines] for _ in range(ROUNDS)]
            row = f"  {title:18}"
            for way, width in ((0, 10), (1, 14)):
                theirs, ours = (min(found[i][way] for found in rounds) for i in (0, 1))
                row += f"{theirs:{width}.2f}{ours:10.2f}{theirs / ours:7.2f}x"
            print(row)
        for engine in engines:
            engine.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()
