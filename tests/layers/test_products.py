"""Products and bilinear pooling: PyTorch's numbers, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.bilinear import BilinearPooling, CompactBilinear, SignedSqrt, sketch_bins
from caffe_pylayers.products import Axpy, InnerProductBlob, MatMul, OuterProduct
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(1)


def normal(*shape):
    return rng.standard_normal(shape)


def check(layer, bottoms, function, param_str=""):
    """Compare the top and all gradients with those of a function of torch."""
    torch = pytest.importorskip("torch")
    ours = LayerRun(layer, bottoms, param_str=param_str)
    given = [torch.tensor(x, requires_grad=True) for x in bottoms]
    expected = function(torch, *given)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    np.testing.assert_allclose(ours.forward()[0], expected.detach(), rtol=1e-11, atol=1e-11)
    for ours_d, theirs in zip(ours.backward([d_top.numpy()]), given):
        np.testing.assert_allclose(ours_d, theirs.grad, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 4), (4, 3)), ((5, 2, 4), (5, 4, 3)), ((5, 2, 4), (4, 3)), ((2, 4), (5, 4, 3)), ((5, 1, 2, 4), (6, 4, 3))],
)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_matmul(a, b, transpose_a, transpose_b):
    a, b = normal(*a), normal(*b)

    def product(torch, a, b):
        return (a.mT if transpose_a else a) @ (b.mT if transpose_b else b)

    a, b = a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    param_str = f'{{"transpose_a": {str(transpose_a).lower()}, "transpose_b": {str(transpose_b).lower()}}}'
    check(MatMul, [np.ascontiguousarray(a), np.ascontiguousarray(b)], product, param_str)


def test_matmul_of_given_sizes():
    check(
        MatMul,
        [normal(1, 6), normal(1, 1, 4, 3)],
        lambda torch, a, b: a.reshape(2, 3) @ b.reshape(4, 3).T,
        "{sizes: [2, 3, 4], transpose_b: true}",
    )
    with pytest.raises(ValueError, match=r"^MatMul: bottom\[1\] of shape \(2, 4\) has not the 12 values of"):
        LayerRun(MatMul, [normal(6), normal(2, 4)], param_str="{sizes: [2, 3, 4]}")


def test_inner_products_of_samples():
    check(
        InnerProductBlob,
        [normal(3, 2, 2), normal(5, 4)],
        lambda torch, a, b: (a.reshape(3, 4) @ b.T)[:, :, None, None],
    )
    check(InnerProductBlob, [normal(3, 4), normal(5, 4)], lambda torch, a, b: a @ b.T, "spatial_axes: false")
    with pytest.raises(ValueError, match=r"bottom\[0\] \(3, 4\) has 4 values a sample, bottom\[1\] \(2, 5\) 5"):
        LayerRun(InnerProductBlob, [normal(3, 4), normal(2, 5)])


@pytest.mark.parametrize("positions", [(), (3, 2)])
def test_axpy(positions):
    shape = (2, 3, *positions)
    check(
        Axpy,
        [normal(2, 3, 1, 1), normal(*shape), normal(*shape)],
        lambda torch, a, x, y: a.reshape(2, 3, *(1 for _ in positions)) * x + y,
    )


@pytest.mark.parametrize("shapes", [[(2, 4), (2, 3, 5), (2, 3, 5)], [(2, 3, 5), (2, 3, 5), (2, 3, 5)]])
def test_axpy_refuses_factors_of_other_channels(shapes):
    with pytest.raises(ValueError, match=r"^Axpy: bottom\[0\] must have the shape \(N, C\) of bottom\[1\]"):
        LayerRun(Axpy, [normal(*shape) for shape in shapes])


@pytest.mark.parametrize("positions", [(), (3, 2)])
@pytest.mark.parametrize("flatten", [False, True])
def test_outer(positions, flatten):
    def outer(torch, a, b):
        product = torch.einsum("ni...,nj...->nij...", a, b)
        return product.flatten(1, 2) if flatten else product

    bottoms = [normal(4, 2, *positions), normal(4, 5, *positions)]
    check(OuterProduct, bottoms, outer, f"flatten: {str(flatten).lower()}")


def test_outer_as_a_map():
    bottoms = [normal(4, 2), normal(4, 5)]
    check(OuterProduct, bottoms, lambda torch, a, b: a[:, None, :, None] * b[:, None, None], "as_map: true")


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("two", [False, True])
def test_bilinear(mean, two):
    def bilinear(torch, a, b=None):
        product = torch.einsum("nchw,ndhw->ncd", a, a if b is None else b)
        return product.flatten(1) / (6 if mean else 1)

    param_str = f"mean_over_positions: {str(mean).lower()}"
    check(BilinearPooling, [normal(4, 3, 3, 2), normal(4, 5, 3, 2)][: 1 + two], bilinear, param_str)


@pytest.mark.parametrize("two", [False, True])
def test_compact_bilinear_is_the_convolution_of_count_sketches(two):
    """As its paper computes it: by fast Fourier transforms, at every position."""
    size, seed = 11, 3
    bottoms = [normal(4, 3, 3, 2), normal(4, 5, 3, 2)][: 1 + two]
    draw = np.random.RandomState(seed)
    hashes = [(draw.randint(0, size, c), 2 * draw.randint(0, 2, c) - 1) for c in (3, 5 if two else 3)]

    def compact(torch, a, b=None):
        spectra = []
        for x, (h, s) in zip((a, a if b is None else b), hashes):
            sketch = x.new_zeros(4, size, 3, 2).index_add(1, torch.tensor(h), x * torch.tensor(s)[:, None, None])
            spectra.append(torch.fft.fft(sketch, dim=1))
        return torch.fft.ifft(spectra[0] * spectra[1], dim=1).real.sum((2, 3))

    check(CompactBilinear, bottoms, compact, f"{{num_output: {size}, seed: {seed}}}")


def test_the_hashes_of_a_seed_are_the_same_everywhere():
    bins, signs = sketch_bins(2, 3, 1000, 1)
    np.testing.assert_array_equal(bins, [[804, 942, 752], [2, 140, 950]])
    np.testing.assert_array_equal(signs, [[-1, -1, 1], [-1, -1, 1]])


def test_inner_products_of_sketches_are_near_those_of_the_pooled():
    a, b = normal(2, 1, 32, 4)
    pooled = [LayerRun(BilinearPooling, [x]).forward()[0].ravel() for x in (a, a + 0.3 * b)]
    param_str = '{"num_output": 4000, "seed": %d}'
    found = []
    for seed in range(20):
        first, second = (
            LayerRun(CompactBilinear, [x], param_str=param_str % seed).forward()[0].ravel() for x in (a, a + 0.3 * b)
        )
        found.append(first @ second)
    np.testing.assert_allclose(np.mean(found), pooled[0] @ pooled[1], rtol=0.02)
    assert np.std(found) > 0


def test_signed_sqrt():
    values = np.concatenate([normal(20), [0, 1e8, -1e8, 1e-9]])
    check(SignedSqrt, [values], lambda torch, x: x / (x.abs() + 1e-6).sqrt())


def test_signed_sqrt_in_place():
    values = normal(2, 3)
    apart, run = LayerRun(SignedSqrt, [values]), LayerRun(SignedSqrt, [values])
    (rooted,) = apart.forward()
    run.layer.forward(run.bottom, run.bottom)
    np.testing.assert_array_equal(run.bottom[0].data, rooted)
    run.bottom[0].diff[...] = 2
    run.layer.backward(run.bottom, [True], run.bottom)
    np.testing.assert_array_equal(run.bottom[0].diff, apart.backward([np.full((2, 3), 2.0)])[0])


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "message"),
    [
        (MatMul, [(4,), (4, 3)], "", r"needs two axes or more of each bottom, got bottom\[0\] of shape \(4,\)"),
        (MatMul, [(2, 4), (3, 4)], "", r"A has 4 columns and B 3 rows, got bottom\[0\] of shape \(2, 4\)"),
        (MatMul, [(2, 2, 4), (3, 4, 3)], "", r"batch axes must be equal, or 1, got bottom\[0\] of shape \(2, 2, 4\)"),
        (OuterProduct, [(2, 4), (3, 4)], "", r"needs shapes \(N, I, ...\) and \(N, J, ...\), equal after the second"),
        (OuterProduct, [(2, 4, 1), (2, 4)], "", r"bottom\[1\] of shape \(2, 4\)"),
        (OuterProduct, [(2, 4), (2, 4)], "{flatten: true, as_map: true}", "of flatten and as_map only one may be true"),
        (OuterProduct, [(2, 4, 3), (2, 4, 3)], "as_map: true", r"as_map needs vectors, got bottom\[0\] of shape"),
        (BilinearPooling, [(2, 4, 3), (2, 4, 2)], "", r"needs shapes \(N, C, H, W\) and \(N, D, H, W\)"),
        (BilinearPooling, [(2,)], "", r"got bottom\[0\] of shape \(2,\)"),
        (CompactBilinear, [(2, 4, 3)], "", r"parameter num_output is required"),
        (SignedSqrt, [(2, 4)], "eps: 0", r"parameter eps must be a number > 0"),
    ],
)
def test_refused(layer, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, shapes)), param_str=param_str)


@pytest.mark.parametrize("transpose_a", [False, True])
def test_gradients_of_factors_of_other_ranks(transpose_a):
    torch = pytest.importorskip("torch")
    a, b = rng.standard_normal((3, 2, 4) if transpose_a else (3, 4, 2)), rng.standard_normal((2, 5))
    run = LayerRun(MatMul, [torch.from_numpy(a), torch.from_numpy(b)], param_str=f"transpose_a: {transpose_a}".lower())
    d_product = torch.from_numpy(rng.standard_normal((3, 4, 5)))
    run.forward()
    found = run.backward([d_product])
    x, y = (torch.from_numpy(v).requires_grad_() for v in (a, b))
    ((x.mT if transpose_a else x) @ y).backward(d_product)
    for ours, theirs in zip(found, (x.grad, y.grad)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
