"""Write the nets and solvers of an example, ready to train.

    caffe-pylayers example lenet

Without a name, the examples are listed. The files go into DIR/prototxt/NAME/; paths in them start from DIR, so train
there. Files that are there already stay as they are.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import given_path, meant
from caffe_pylayers.cli._shipped import shipped

# By name, also of the folder: what it is, and the commands that train it.
MNIST = "caffe-pylayers mnist --output data/mnist"
EXAMPLES = {
    "detection": (
        "digits on canvases, found and told apart: Faster R-CNN in small, mean average precision",
        (MNIST, "caffe-pylayers train --solver prototxt/detection/solver.prototxt"),
    ),
    "lenet": (
        "LeNet on handwritten digits, its loss in two Python layers, and twins with Caffe's own losses",
        (MNIST, "caffe-pylayers train --solver prototxt/lenet/solver.prototxt"),
    ),
    "long_tail": (
        "digits of which some are a hundred times as frequent as others: weighed focal loss, and softmax's twin",
        (
            "caffe-pylayers mnist --output data/mnist_long_tail --imbalance 100",
            "caffe-pylayers train --solver prototxt/long_tail/solver.prototxt",
            "caffe-pylayers train --solver prototxt/long_tail/solver_softmax.prototxt --output-dir output/softmax",
        ),
    ),
    "metric_learning": (
        "digits to points on a sphere: the hardest triplets of a batch, recall among the test set",
        (MNIST, "caffe-pylayers train --solver prototxt/metric_learning/solver.prototxt"),
    ),
    "multi_label": (
        "which digits are in a picture of three: sigmoid cross entropy, F1 and average precision",
        (MNIST, "caffe-pylayers train --solver prototxt/multi_label/solver.prototxt"),
    ),
    "segmentation": (
        "digits on canvases, pixel by pixel: softmax and Dice losses, mean IoU",
        (MNIST, "caffe-pylayers train --solver prototxt/segmentation/solver.prototxt"),
    ),
}

_SNAPSHOTS = re.compile(r'^snapshot_prefix: "(.+)/', re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``example``."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the example; without it, all are listed")
    parser.add_argument("folder", nargs="?", type=given_path, default=".", metavar="DIR", help="default: this folder")


def run(args: argparse.Namespace) -> int:
    """Write the files, and print their names and what to run next; return the exit code."""
    if args.name is None:
        width = max(map(len, EXAMPLES))
        print("\n".join(f"{name:<{width}}  {what}" for name, (what, _) in EXAMPLES.items()))
        return 0
    if args.name not in EXAMPLES:
        raise UserError(f"no example {args.name!r}{meant(args.name, EXAMPLES)}; there is {', '.join(EXAMPLES)}")
    with one_line():
        _write(args.name, args.folder)
    _, commands = EXAMPLES[args.name]
    change = [] if args.folder == Path() else [f"cd {args.folder}"]
    print("train it with\n  " + "\n  ".join([*change, *commands]))
    return 0


def _write(name: str, folder: Path) -> None:
    """Write an example's files, and make the folders that its solvers write to, which the caffe program does not."""
    to = folder / "prototxt" / name
    to.mkdir(parents=True, exist_ok=True)
    for source in sorted(shipped("prototxt").joinpath(name).glob("*.prototxt")):
        text, target = source.read_text(encoding="utf-8"), to / source.name
        if target.exists() and target.read_text(encoding="utf-8") != text:
            print(f"{target}: there already, with other content; left as it is")
        else:
            target.write_text(text, encoding="utf-8")
            print(target)
        for snapshots in _SNAPSHOTS.findall(text):
            folder.joinpath(snapshots).mkdir(parents=True, exist_ok=True)
