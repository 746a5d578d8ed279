"""DeformableConvolution: a composition of PyTorch's functions and autograd, its own convolution, values by hand."""

import numpy as np
import pytest

from caffe_pylayers.deformable import DeformableConvolution, window_places
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(5)
X = rng.standard_normal((2, 4, 7, 6))


def deformable(x, offset, text=""):
    return LayerRun(DeformableConvolution, [x, offset], param_str=f"{{num_output: 6, bias: 0.5, {text}}}")


def test_places_of_windows():
    y, x = window_places((1, 2), (2, 1), (3, 3), (1, 0), (2, 1))
    assert y.tolist() == [[-1, -1], [1, 1]]
    assert x.tolist() == [[0, 3], [0, 3]]


def by_gathering(torch, x, offset, weights, bias, stride, pad, dilation, groups, deformable_groups):
    """The layer's definition, from values gathered one by one; its gradients are autograd's."""
    count, _, height, width = x.shape
    *_, rows, columns = offset.shape
    kernel = weights.shape[2:]
    of_image = torch.arange(count)[:, None, None, None]
    sampled = []
    for k in range(kernel[0] * kernel[1]):
        i, j = divmod(k, kernel[1])
        parts = []
        for group, part in enumerate(x.chunk(deformable_groups, 1)):
            down, right = (offset[:, 2 * (group * kernel[0] * kernel[1] + k) + axis] for axis in range(2))
            y = torch.arange(rows)[:, None] * stride[0] - pad[0] + i * dilation[0] + down
            z = torch.arange(columns) * stride[1] - pad[1] + j * dilation[1] + right
            inside = ((y >= 0) & (y < height) & (z >= 0) & (z < width))[:, None]
            y, z = y.clamp(0, height - 1)[:, None], z.clamp(0, width - 1)[:, None]
            low, left = y.detach().floor().long(), z.detach().floor().long()
            channel = torch.arange(part.shape[1])[:, None, None]
            value = 0
            for a in range(2):
                for b in range(2):
                    at = part[of_image, channel, (low + a).clamp(max=height - 1), (left + b).clamp(max=width - 1)]
                    value = value + at * (1 - (y - low - a).abs()) * (1 - (z - left - b).abs())
            parts.append(value * inside)
        sampled.append(torch.cat(parts, 1))
    columns_of = torch.stack(sampled, 2)  # (N, C, K, H', W')
    found = [
        torch.einsum("ock,nckhw->nohw", of.flatten(2), part)
        for of, part in zip(weights.chunk(groups), columns_of.chunk(groups, 1))
    ]
    return torch.cat(found, 1) + bias[:, None, None]


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation", "groups", "deformable_groups"),
    [
        ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
        ((3, 3), (1, 1), (2, 2), (2, 2), 1, 4),
        ((2, 3), (2, 1), (0, 1), (1, 2), 2, 2),
    ],
)
@pytest.mark.parametrize("tensors", [False, True])
def test_as_gathered(kernel, stride, pad, dilation, groups, deformable_groups, tensors):
    torch = pytest.importorskip("torch")
    size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(X.shape[2:], kernel, stride, pad, dilation)]
    offset = 2 * rng.standard_normal((2, 2 * kernel[0] * kernel[1] * deformable_groups, *size))
    text = f"kernel_size: {list(kernel)}, stride: {list(stride)}, pad: {list(pad)}, dilation: {list(dilation)}, "
    text += f"groups: {groups}, deformable_groups: {deformable_groups}, filler: gaussian, filler_value: 1"
    given = [torch.tensor(values, requires_grad=True) for values in (X, offset)]
    run = deformable(*([g.detach().clone() for g in given] if tensors else (X, offset)), text)
    learned = [torch.tensor(np.asarray(blob.data), requires_grad=True) for blob in run.layer.blobs]
    expected = by_gathering(torch, *given, *learned, stride, pad, dilation, groups, deformable_groups)
    d_top = rng.standard_normal(expected.shape)
    expected.backward(torch.tensor(d_top))
    np.testing.assert_allclose(np.asarray(run.forward()[0]), expected.detach(), rtol=1e-12, atol=1e-12)
    diffs = run.backward([torch.tensor(d_top) if tensors else d_top])
    for found, of in zip((*diffs, *(blob.diff for blob in run.layer.blobs)), (*given, *learned)):
        np.testing.assert_allclose(np.asarray(found), of.grad, rtol=1e-11, atol=1e-11)


def test_without_offsets_it_is_convolution():
    torch = pytest.importorskip("torch")
    text = "kernel_size: [3], stride: [2], pad: [1], groups: 2, filler: gaussian, filler_value: 1"
    run = deformable(X, np.zeros((2, 18, 4, 3)), text)
    weights, bias = (torch.tensor(blob.data) for blob in run.layer.blobs)
    expected = torch.conv2d(torch.tensor(X), weights, bias, stride=2, padding=1, groups=2)
    np.testing.assert_allclose(run.forward()[0], expected, rtol=1e-12, atol=1e-12)


def test_offsets_of_no_number_are_outside():
    run = deformable(X[:, :, :1, :2], np.full((2, 2, 1, 2), np.nan), "kernel_size: [1]")
    assert (run.forward()[0] == 0.5).all()


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        (
            (2, 18, 7, 6),
            "kernel_size: [3]",
            r"\(offset\) must have shape \(2, 18, 5, 4\), got \(2, 18, 7, 6\)",
        ),
        (
            (2, 8, 6, 5),
            "kernel_size: [2], groups: 3",
            r"a multiple of groups channels, got shape \(2, 4, 7, 6\)",
        ),
        ((2, 8, 6, 5), "kernel_size: [2], groups: 4", r"num_output 6 must be a multiple of groups 4"),
        (
            (2, 2, 1, 1),
            "kernel_size: [2, 3], dilation: [1, 5], pad: [0, 2]",
            r"windows of \(2, 11\) cells, kernel_size \(2, 3\) with dilation \(1, 5\), need as many in "
            r"bottom\[0\] \(x\) with pad, got \(7, 6\) with pad \(0, 2\)",
        ),
    ],
)
def test_refused(shape, text, message):
    with pytest.raises(ValueError, match=f"DeformableConvolution: .*{message}"):
        deformable(X, np.zeros(shape), text)
