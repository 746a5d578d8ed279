"""NewLayer keeps Caffe's contract, and gives the values it should."""

import numpy as np
import pytest
from new_layer import NewLayer

from caffe_pylayers.testing import LayerRun, check_layer

rng = np.random.RandomState(0)


@pytest.mark.parametrize("param_str", ["", '{"scale": 2}'])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5, 5)])
def test_contract(shape, param_str):
    check_layer(NewLayer, [rng.standard_normal(shape)], param_str=param_str)


def test_values():
    run = LayerRun(NewLayer, [[0.0, 100.0]], param_str='{"scale": 2}')
    np.testing.assert_allclose(run.forward()[0], [0, 2])
    np.testing.assert_allclose(run.backward([[1, 1]])[0], [2, 0])


def test_refused():
    with pytest.raises(ValueError, match="NewLayer: parameter scale must be a number > 0"):
        LayerRun(NewLayer, [[0.0]], param_str='{"scale": 0}')
