"""Checks for Python layers, this package's and anybody's own.

    from caffe_pylayers.testing import check_layer

    def test_my_loss():
        rng = np.random.RandomState(0)
        check_layer(MyLoss, [rng.randn(4, 3), rng.randn(4, 3)], param_str='{"margin": 0.5}')

check_gradient compares backward with differences of forward, in float64 and without an engine;
check_layer adds what Caffe expects of every layer, and runs the layer in a net of the caffe
that is there.
"""

from caffe_pylayers.testing._contract import check_layer
from caffe_pylayers.testing._gradient import GradientError, check_gradient
from caffe_pylayers.testing._net import layer_net
from caffe_pylayers.testing._stub import Blob, LayerRun

__all__ = ["Blob", "GradientError", "LayerRun", "check_gradient", "check_layer", "layer_net"]
