#!/usr/bin/env python3
"""Train a net: ``caffe-pylayers train`` without an installation."""

from __future__ import annotations

import sys

import _init_paths  # noqa: F401

from caffe_pylayers import cli

if __name__ == "__main__":  # and not in the processes that it starts
    sys.exit(cli.main(verb="train"))
