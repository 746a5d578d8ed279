"""ScaledDotProductAttention and SoftmaxPooling: PyTorch's numbers, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.attention import ScaledDotProductAttention, SoftmaxPooling
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(1)


def check(layer, bottoms, function, param_str, learned):
    """Compare the tops and gradients with those of a function of torch, which returns as many tensors."""
    torch = pytest.importorskip("torch")
    given = [torch.tensor(x) for x in bottoms]
    for x in given[:learned]:
        x.requires_grad_()
    expected = function(torch, *given)
    ours = LayerRun(layer, bottoms, param_str=param_str, tops=len(expected))
    for top, theirs in zip(ours.forward(), expected):
        np.testing.assert_allclose(top, theirs.detach(), rtol=1e-12, atol=1e-14)
    d_tops = [torch.randn_like(x) for x in expected]
    sum((x * d).sum() for x, d in zip(expected, d_tops)).backward()
    for diff, x in zip(ours.backward([d.numpy() for d in d_tops]), given[:learned]):
        np.testing.assert_allclose(diff, x.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masked", ["", "causal", "keys", "pairs", "heads"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention(heads, masked, scale):
    queries, keys, values = (rng.standard_normal(shape) for shape in ((3, 5, 8), (3, 6, 8), (3, 6, 4)))
    bottoms, shape = [queries, keys, values], {"keys": (3, 6), "pairs": (3, 5, 6), "heads": (1, heads, 5, 6)}
    if masked in shape:
        mask = rng.rand(*shape[masked]) < 0.6
        mask[..., 0] = True  # PyTorch has NaN where there is none
        bottoms.append(mask.astype(float))

    def attention(torch, *given):
        parts = [x.unflatten(2, (heads, -1)).transpose(1, 2) for x in given[:3]]
        kept = given[3] != 0 if masked in shape else None
        if masked in ("keys", "pairs"):
            kept = kept[:, None, None] if masked == "keys" else kept[:, None]
        options = {"attn_mask": kept, "is_causal": masked == "causal", "scale": scale}
        attended = torch.nn.functional.scaled_dot_product_attention(*parts, **options)
        return [attended.transpose(1, 2).flatten(2)]

    param_str = f'{{"heads": {heads}, "causal": {str(masked == "causal").lower()}'
    param_str += "}" if scale is None else f', "scale": {scale}}}'
    check(ScaledDotProductAttention, bottoms, attention, param_str, 3)


def test_the_weights_are_a_top_with_a_gradient():
    queries, keys, values = rng.standard_normal((3, 2, 5, 4))

    def attention(torch, queries, keys, values):
        weights = (queries @ keys.mT / 2).softmax(-1)
        return [weights @ values, weights[:, None]]

    check(ScaledDotProductAttention, [queries, keys, values], attention, "", 3)


def test_a_query_without_keys_gets_zeros():
    queries, keys, values = rng.standard_normal((3, 2, 5, 4))
    mask = np.ones((2, 5, 5))
    mask[1, 2] = 0
    ours = LayerRun(ScaledDotProductAttention, [queries, keys, values, mask])
    assert not ours.forward()[0][1, 2].any()
    assert not ours.backward([values])[0][1, 2].any()


@pytest.mark.parametrize("key", [np.nan, np.inf, 1e30])
def test_a_key_that_is_masked_may_be_anything(key):
    queries, keys, values = rng.standard_normal((3, 2, 5, 4))
    mask, d_top = np.array([[1, 1, 0, 1, 0]] * 2), rng.standard_normal((2, 5, 4))
    found = []
    for keys[:, mask[0] == 0] in (0, key):
        run = LayerRun(ScaledDotProductAttention, [queries, keys.copy(), values, mask], param_str="heads: 2")
        with np.errstate(invalid="ignore"):
            found.append([run.forward()[0].copy(), *run.backward([d_top])])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][3], found[1][3])


@pytest.mark.parametrize("layer", [ScaledDotProductAttention, SoftmaxPooling])
def test_a_mask_of_no_numbers_is_refused(layer):
    x = np.zeros((1, 2, 2))
    bottoms = [x, x, x, [[1, np.nan]]] if layer is ScaledDotProductAttention else [x, x, [[[1, np.nan]]]]
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[\d\] \(mask\) must be numbers, got nan at"):
        LayerRun(layer, bottoms).forward()


@pytest.mark.parametrize("maps", [1, 3])
def test_softmax_pooling(maps):
    features, scores = rng.standard_normal((2, 4, 3, 5)), rng.standard_normal((2, maps, 3, 5))
    mask = (rng.rand(2, 1, 3, 5) < 0.7).astype(float)

    def pooling(torch, features, scores, mask):
        weights = scores.masked_fill(mask == 0, -np.inf).flatten(2).softmax(2)
        pooled = torch.einsum("nkp,ncp->nkc", weights, features.flatten(2))
        return [pooled[:, 0] if maps == 1 else pooled, weights.reshape(scores.shape)]

    check(SoftmaxPooling, [features, scores, mask], pooling, "", 2)


def test_equal_scores_are_the_mean():
    features = rng.standard_normal((2, 4, 3, 5))
    pooled = LayerRun(SoftmaxPooling, [features, np.full((2, 1, 3, 5), 1e4)]).forward()[0]
    np.testing.assert_allclose(pooled, features.mean((2, 3)))


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "message"),
    [
        (ScaledDotProductAttention, [(2, 4), (2, 4), (2, 4)], "", r"must have shapes \(N, L, E\), \(N, S, E\) and"),
        (ScaledDotProductAttention, [(2, 3, 4), (2, 3, 5), (2, 3, 4)], "", r"got \[\(2, 3, 4\), \(2, 3, 5\)"),
        (ScaledDotProductAttention, [(2, 3, 4), (1, 3, 4), (2, 3, 4)], "", r"must have shapes"),
        (ScaledDotProductAttention, [(2, 3, 4), (2, 5, 4), (2, 3, 4)], "", r"keys and values must be as many"),
        (ScaledDotProductAttention, [(2, 3, 4)] * 3, "heads: 3", r"heads 3 must divide E and V"),
        (ScaledDotProductAttention, [(2, 3, 4)] * 3 + [(2, 4)], "", r"bottom\[3\] \(mask\) must have shape \(N, S\)"),
        (SoftmaxPooling, [(2, 3, 4), (2, 1, 5)], "", r"got \(2, 3, 4\) and \(2, 1, 5\)"),
        (SoftmaxPooling, [(2, 3), (2, 1)], "", r"must have shapes \(N, C, H, W\) and \(N, K, H, W\)"),
        (SoftmaxPooling, [(2, 3, 4), (2, 1, 4), (2, 4)], "", r"\(mask\) must have shape \(2, 1, 4\), got \(2, 4\)"),
    ],
)
def test_refused(layer, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, shapes)), param_str=param_str)
