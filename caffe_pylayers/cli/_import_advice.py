"""Advice on a caffe that cannot be imported."""

from __future__ import annotations

import re
import sys

# What the text of a failed import says, and what helps. The first match counts.
_ADVICE = (
    (
        r"No module named 'caffe'$",
        "none is installed for this Python: pip install 'caffe-pylayers[runtime]' on Python 3.10 or newer brings the "
        "runtime, `caffe-pylayers install-caffe` puts a real Caffe into a folder; with one of your own, put its python "
        "folder on PYTHONPATH",
    ),
    (
        r"No module named '(caffe\.)?_caffe'",
        "its compiled part is missing, or is built for another Python: make pycaffe with this Python's headers "
        "(PYTHON_INCLUDE in Makefile.config), or start the Python it was built for",
    ),
    (r"No module named 'skimage", "pip install scikit-image"),
    (r"No module named 'google", "pip install protobuf"),
    (
        r"No module named 'numpy\.",
        "numpy itself does not load, as it is built for another Python: start the Python that it and caffe belong to",
    ),
    (
        r"multiarray|_ARRAY_API|numpy.*(size changed|ABI|API version)|(ABI|API) version.*numpy|module '?numpy",
        "it is built against another numpy: install the numpy it was built with (numpy<2 for any Caffe built "
        "before 2024), or build pycaffe again",
    ),
    (r"No module named '(\w+)", "install the Python package it needs: {0}"),
    (r"[Dd]escriptors? can", 'its caffe_pb2.py is older than this protobuf: pip install "protobuf<3.21"'),
    (
        r"(\S+\.so\S*): cannot open shared object file",
        "the library {0} is not found: put its folder on LD_LIBRARY_PATH; ldd on caffe/_caffe*.so lists all",
    ),
    (
        r"undefined symbol|version `\S+' not found|wrong ELF class|Symbol not found",
        "it is built against other libraries, or another Python, than those found here: build pycaffe again",
    ),
)


def last_line(text: str) -> str:
    """Return the last line of an error's text, where its reason stands: numpy's text takes a page."""
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no message"])[-1]


def advice(text: str) -> str:
    """Return what to do about a caffe whose import failed with this text."""
    for pattern, help_ in _ADVICE:
        found = re.search(pattern, text)
        if found:
            return help_.format(*found.groups())
    return f"where it comes from: {sys.executable} -c 'import caffe'"
