"""Activations of optical flow nets beside PyTorch's."""

import numpy as np
import pytest

from caffe_pylayers.flow_activations import ExpMax, NegReLU, NegSquare
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(11)
X, D = rng.standard_normal((2, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("cls", "text", "definition"),
    [
        (NegReLU, "", lambda torch, x: -torch.relu(-x)),
        (NegReLU, "{negative_slope: 0.2}", lambda torch, x: -torch.nn.functional.leaky_relu(-x, 0.2)),
        (NegSquare, "", lambda torch, x: -(x**2)),
        (ExpMax, "{scale: 2, shift: 0.5}", lambda torch, x: torch.exp(2 * (x - x.amax(1, keepdim=True)) + 0.5)),
    ],
)
def test_beside_torch(cls, text, definition):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    wanted = definition(torch, x)
    wanted.backward(torch.tensor(D))
    run = LayerRun(cls, [X], param_str=text)
    np.testing.assert_allclose(run.forward()[0], wanted.detach(), rtol=1e-12)
    np.testing.assert_allclose(run.backward([D])[0], x.grad, rtol=1e-9, atol=1e-12)


def test_the_two_gradients_are_one_below_a_softmax():
    """With s the sum of y the gradient of y / s has no part along y, and so none at the maximum."""
    (y,) = LayerRun(ExpMax, [X]).forward()
    shares = y / y.sum(1, keepdims=True)
    d_y = (D - (D * shares).sum(1, keepdims=True)) / y.sum(1, keepdims=True)
    found = []
    for legacy in ("true", "false"):
        run = LayerRun(ExpMax, [X], param_str=f"{{legacy_gradient: {legacy}}}")
        run.forward()
        found.append(run.backward([d_y])[0])
    np.testing.assert_allclose(*found, atol=1e-12)
