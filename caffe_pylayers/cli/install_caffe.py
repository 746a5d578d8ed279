"""Put a real Caffe into one folder, without root: BVLC Caffe 1.0 with Python layers.

    caffe-pylayers install-caffe .caffe

For x86-64 Linux with glibc 2.31 or newer. The Caffe is the one that Debian 11 built (Python 3.9, numpy 1.19, CPU), 118
MB of packages, each checked against a SHA-256, from the Debian mirrors that apt uses here or from those of --mirror.
The folder can be moved.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._parser import given
from caffe_pylayers.cli._shipped import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``install-caffe``."""
    parser.add_argument(
        "folder", nargs="?", default=".caffe", type=given, metavar="DIR", help="the folder (default: .caffe)"
    )
    parser.add_argument("--mirror", action="append", default=[], metavar="URL", help="a Debian mirror; repeatable")


def run(args: argparse.Namespace) -> int:
    """Run the script; its exit code."""
    bash = shutil.which("bash")
    if bash is None:
        raise UserError("needs bash, and a Linux on x86-64")
    mirrors = [word for url in args.mirror for word in ("--mirror", url)]
    command = [bash, str(shipped("scripts") / "install_caffe.sh"), *mirrors, args.folder]
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own script
    if code == 0:
        print(f"layers and command line for it: {args.folder}/bin/python -m pip install caffe-pylayers")
    return code
