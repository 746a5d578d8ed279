"""Maps read by PyTorch's kernel, and by rows of pixels: the same of both, at the pixels' centres too."""

import numpy as np
import pytest

from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.map_sampler import MapSampler

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("size", [(5, 7), (4, 8), (1, 3), (300, 1)])
@pytest.mark.parametrize("padding", ["zeros", "border", "inside"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernel_computes_the_same(size, padding, dtype, monkeypatch):
    height, width = size
    rng = np.random.RandomState(5)
    maps, d_sampled = (torch.tensor(rng.standard_normal((2, 3, *n)), dtype=dtype) for n in (size, (90,)))
    centres = [rng.randint(-2, n + 2, (2, 40)) for n in (width, height)]
    between = [rng.uniform(-2, n + 1, (2, 50)) for n in (width, height)]
    x, y = (torch.tensor(np.concatenate(places, 1), dtype=dtype) for places in zip(centres, between))
    x[:, 80:84] = torch.tensor([np.nan, np.inf, -np.inf, 1e30], dtype=dtype)
    found = []
    for kernel in (True, False):
        monkeypatch.setattr(fused, "has_grid_sampler", lambda xp, kernel=kernel: kernel)
        sampler = MapSampler(torch, maps, maps.shape, x.shape[1], padding, 7.0)
        sampled, d_maps = torch.empty_like(d_sampled), torch.empty_like(maps)
        sampler.forward(maps, x, y, sampled)
        found.append((sampled, sampler.backward(d_sampled, d_maps, True), d_maps))
        assert sampler.backward(d_sampled, None, False) is None
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(*found, rtol=64 * eps, atol=(256 + 2 * max(size)) * eps)
