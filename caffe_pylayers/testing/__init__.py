"""Checks for Python layers, this package's and anybody's own.

    from caffe_pylayers.testing import check_layer

    def test_my_loss():
        rng = np.random.RandomState(0)
        check_layer(MyLoss, [rng.randn(4, 3), rng.randn(4, 3)], param_str='{"margin": 0.5}')

check_layer tells all that is wrong with a layer: it compares backward with differences of forward,
in float64 and without an engine, checks what else Caffe expects of every layer, and runs the layer
in a net of the caffe that is there. check_gradient is the first of these alone; LayerRun drives a
layer by hand; layer_net makes the net. `caffe-pylayers check-layer` is check_layer from the shell.
"""

from caffe_pylayers.testing._blobs import Blob
from caffe_pylayers.testing._case import Case
from caffe_pylayers.testing._contract import check_layer
from caffe_pylayers.testing._gradient import GradientError, check_gradient
from caffe_pylayers.testing._net import layer_net
from caffe_pylayers.testing._stub import LayerRun

__all__ = ["Blob", "Case", "GradientError", "LayerRun", "check_gradient", "check_layer", "layer_net"]
