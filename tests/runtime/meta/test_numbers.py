"""Where a layer computes otherwise on a device, not to wait for it, its numbers are those of the host.

The host's tensors pass for those of a device here.
"""

import numpy as np
import pytest

from caffe_pylayers._layer import arrays
from tests.layers.cases import CASES, NEEDS
from tests.parity.replay import Run
from tests.runtime.meta.test_layers import PYTHON_CASES, once
from tests.runtime.meta.waits import PYTHON


@pytest.mark.parametrize("name", [name for name in PYTHON_CASES if name not in PYTHON])
def test_as_on_the_host(name, monkeypatch):
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library)
    for case in repeatable(name):
        wanted = results(case)
        with monkeypatch.context() as patch:
            patch.setattr(arrays, "on_device", arrays.is_tensor)
            found = results(case)
        for key, values in wanted.items():
            digits = 1e-5 * np.abs(values[np.isfinite(values)]).max(initial=0)
            np.testing.assert_allclose(found[key], values, 1e-5, 1e-30 + digits, err_msg=key)


def repeatable(name):
    """The cases that give the same twice, and more than once in any way."""
    rows = [row for row in CASES[name] if row["bottoms"]]
    return once([case for case, row in zip(PYTHON_CASES[name], rows) if row.get("repeatable", True)])


def results(case):
    """What a pass of a case leaves behind; two of a layer with learned blobs, which may go on from the one before."""
    run = Run(case, ())
    first = run.arrays(case.bottoms)
    again = run.arrays(case.bottoms) if run.layer.blobs else {}
    return {**{f"first {key}": values for key, values in first.items()}, **again}
