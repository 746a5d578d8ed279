"""The uses of nets by scripts give the arrays that they give on real Caffe."""

import numpy as np
import pytest

from tests.parity import uses

runtime = pytest.importorskip("caffe_pylayers.runtime")


@pytest.fixture(scope="module")
def recorded(record):
    return record(uses)


@pytest.mark.parametrize("use", uses.USES, ids=lambda use: use.__name__)
def test_as_on_real_caffe(recorded, use):
    found = use(runtime)
    wanted = {name.split("/", 1)[1]: x for name, x in recorded.items() if name.startswith(f"{use.__name__}/")}
    assert sorted(found) == sorted(wanted)
    for name, values in wanted.items():
        assert np.shape(found[name]) == values.shape, name
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
