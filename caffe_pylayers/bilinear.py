"""Bilinear pooling: outer products of features, summed over positions, whole or as a sketch.

layer {
  name: "bilinear"  type: "Python"  bottom: "conv5_3"  top: "bilinear"
  python_param { module: "caffe_pylayers.bilinear"  layer: "BilinearPooling" }
}
layer {
  name: "compact"  type: "Python"  bottom: "conv5_3"  top: "compact"
  python_param { module: "caffe_pylayers.bilinear"  layer: "CompactBilinear"  param_str: "{num_output: 8192}" }
}
layer {
  name: "root"  type: "Python"  bottom: "compact"  top: "compact"
  python_param { module: "caffe_pylayers.bilinear"  layer: "SignedSqrt" }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.pooled_pair import PooledPair
from caffe_pylayers._layer.functions import draws

__all__ = [
    "BilinearPooling",
    "CompactBilinear",
    "SignedSqrt",
    "bilinear_backward",
    "bilinear_forward",
    "compact_bilinear_backward",
    "compact_bilinear_forward",
    "signed_sqrt_backward",
    "signed_sqrt_forward",
    "sketch_bins",
]


def bilinear_forward(xp, a, b, bilinear, scale=1.0):
    """Write scale * sum over positions of a bᵀ, for a (N, C, P) and b (N, D, P): (N, C, D)."""
    xp.matmul(a, b.swapaxes(1, 2), out=bilinear)
    if scale != 1:
        bilinear *= scale


def bilinear_backward(xp, a, b, d_bilinear, d_a=None, d_b=None, scale=1.0):
    """Write the gradients asked for; where a and b are one array, its gradient is the sum of both."""
    if d_a is not None:
        xp.matmul(d_bilinear, b, out=d_a)
    if d_b is not None:
        xp.matmul(d_bilinear.swapaxes(1, 2), a, out=d_b)
    for gradient in (d_a, d_b):
        if gradient is not None and scale != 1:
            gradient[...] *= scale


def sketch_bins(channels_a, channels_b, size, seed):
    """Return the bins (C, D) and signs (C, D) of the count sketch of an outer product, numpy arrays.

    The count sketch of the outer product of a and b is the circular convolution of theirs: a[c] b[d] goes to the bin
    (h_a(c) + h_b(d)) mod size with the sign s_a(c) s_b(d), whose hashes h and s come from the seed.
    """
    rng = draws.fixed(seed)
    bins, signs = zip(*((rng.randint(0, size, n), 2.0 * rng.randint(0, 2, n) - 1) for n in (channels_a, channels_b)))
    return (bins[0][:, None] + bins[1]) % size, signs[0][:, None] * signs[1]


def compact_bilinear_forward(xp, a, b, bins, signs, compact, bilinear):
    """Write the count sketch of the bilinear pooling of a (N, C, P) and b (N, D, P).

    To sketch the sum over positions of outer products gives the same as to sum the sketches of all positions, and takes
    a matrix product instead of P fast Fourier transforms.

    bins, signs: sketch_bins's, flat. compact: receives it, (N, size).
    bilinear: (C, D), for the work: of one sample at a time, since it is what the compact form avoids to hold for all.
    """
    for n in range(len(compact)):
        xp.matmul(a[n], b[n].swapaxes(0, 1), out=bilinear)
        compact[n] = arrays.bincount(bins, compact.shape[1], bilinear.ravel() * signs)


def compact_bilinear_backward(xp, a, b, bins, signs, d_compact, d_a, d_b, bilinear):
    """Write the gradients asked for, or where d_b is d_a their sum."""
    for n in range(len(d_compact)):
        xp.multiply(d_compact[n][bins], signs, out=bilinear.ravel())
        if d_a is not None:
            xp.matmul(bilinear, b[n], out=d_a[n])
        if d_b is d_a is not None:
            d_a[n] += xp.matmul(bilinear.swapaxes(0, 1), a[n])
        elif d_b is not None:
            xp.matmul(bilinear.swapaxes(0, 1), a[n], out=d_b[n])


def signed_sqrt_forward(xp, values, eps, root, rooted):
    """Write root = sqrt(abs(values) + eps) and rooted = values / root, into values too."""
    xp.abs(values, out=root)
    root += eps
    xp.sqrt(root, out=root)
    xp.divide(values, root, out=rooted)


def signed_sqrt_backward(xp, root, eps, d_rooted, d_values):
    """Write the gradient, from the root that forward wrote."""
    # |x| / 2 + eps = (root**2 + eps) / 2
    squares = root * root
    xp.multiply(d_rooted, (squares + eps) / (2 * squares * root), out=d_values)


class BilinearPooling(PooledPair):
    """Outer products of two feature vectors, summed over the positions of a map.

    top[n, c D + d] = sum over positions p of a[n, c, p] b[n, d, p]

    Bottom:
        [0] a (N, C, H, W), or any axes of positions
        [1] b (N, D, H, W), optional; default: a, which makes it the features' Gram matrix
    Top:
        [0] (N, C D)
    Backward:
        d_a[n, c, p] = sum over d of d_top[n, c D + d] b[n, d, p], and so for b; both for a where it is the only one.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Lin et al., "Bilinear CNN Models for Fine-grained Visual Recognition", 2015, arXiv:1504.07889, who go on with
        SignedSqrt and the L2 norm. The Gram matrix: Gatys et al., "A Neural Algorithm of Artistic Style", 2015,
        arXiv:1508.06576.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(BilinearPooling, [[[[1, 2], [3, 4]]]]).forward()[0]
        array([[ 5., 11., 11., 25.]])
    """

    def setup(self, bottom, top):
        checks.tops(self, top, "bilinear")

    def plan(self, a, b=None):
        self._shape = self.shapes(a, b)
        self._other = self.xp.empty_like(a).reshape(*a.shape[:2], self.positions) if b is None else None
        return [(self._shape[0], self._shape[1] * self._shape[2])]

    def forward(self, bottom, top):
        a, b = self.sides([bottom[i].data for i in range(len(bottom))])
        bilinear_forward(self.xp, a, b, top[0].data.reshape(self._shape), self.scale)

    def backward(self, top, propagate_down, bottom):
        a, b = self.sides([bottom[i].data for i in range(len(bottom))])
        d_bilinear = top[0].diff.reshape(self._shape)
        diffs = self.sides([bottom[i].diff if propagate_down[i] else None for i in range(len(bottom))])
        if len(bottom) == 2:
            d_a, d_b = diffs
            bilinear_backward(self.xp, a, b, d_bilinear, d_a, d_b, self.scale)
        elif propagate_down[0]:
            bilinear_backward(self.xp, a, b, d_bilinear, diffs[0], self._other, self.scale)
            diffs[0][...] += self._other


class CompactBilinear(PooledPair):
    """Bilinear pooling in few values: a count sketch whose inner products are, on average, those of BilinearPooling.

    top[n, k] = sum of s_a(c) s_b(d) B[n, c, d] over all c, d with (h_a(c) + h_b(d)) mod num_output = k,
    for the bilinear pooling B of the bottoms, hashes h to bins and s to signs.

    Bottom:
        [0] a (N, C, H, W), or any axes of positions
        [1] b (N, D, H, W), optional; default: a
    Top:
        [0] (N, num_output)
    Backward:
        Exact: d_B[n, c, d] = s_a(c) s_b(d) d_top[n, (h_a(c) + h_b(d)) mod num_output], and on as in BilinearPooling.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Gao et al., "Compact Bilinear Pooling", 2016, arXiv:1511.06062, Tensor Sketch; CompactBilinear of
        gy20073/compact_bilinear_pooling, compact_bilinear_param { num_output, sum_pool: true }, whose hashes are other
        ones in every run. These follow from the seed and the numbers of channels, on every machine. With two bottoms of
        one position each it is the fusion of Fukui et al., "Multimodal Compact Bilinear Pooling for Visual Question
        Answering and Visual Grounding", 2016, arXiv:1606.01847.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(CompactBilinear, [[[[1, 2], [3, 4]]]], param_str='{"num_output": 3, "seed": 2}').forward()[0].shape
        (1, 3)
    """

    num_output = Parameter(int, low=1, doc="values of the sketch; 8192 is near BilinearPooling of 512 channels")
    seed = draws.fixed_seed_parameter("the hashes: the same ones to train and to test with")

    def setup(self, bottom, top):
        checks.tops(self, top, "compact")

    def plan(self, a, b=None):
        count, channels_a, channels_b = self.shapes(a, b)
        bins, signs = sketch_bins(channels_a, channels_b, self.num_output, self.seed)
        self._bins = arrays.from_numpy(bins.ravel(), arrays.new(a, (0,), int))
        self._signs = arrays.from_numpy(signs.ravel() * self.scale, a)
        self._bilinear = arrays.new(a, (channels_a, channels_b))
        return [(count, self.num_output)]

    def forward(self, bottom, top):
        a, b = self.sides([bottom[i].data for i in range(len(bottom))])
        compact_bilinear_forward(self.xp, a, b, self._bins, self._signs, top[0].data, self._bilinear)

    def backward(self, top, propagate_down, bottom):
        a, b = self.sides([bottom[i].data for i in range(len(bottom))])
        d_a, d_b = self.sides([bottom[i].diff if propagate_down[i] else None for i in range(len(bottom))])
        compact_bilinear_backward(self.xp, a, b, self._bins, self._signs, top[0].diff, d_a, d_b, self._bilinear)


class SignedSqrt(Layer):
    """The square root of the size, with the value's sign.

    y = sign(x) sqrt(|x|), smooth at 0: y = x / sqrt(|x| + eps)

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the same shape; may be the bottom
    Backward:
        d_x = d (|x| / 2 + eps) / (|x| + eps)**1.5, at most d / sqrt(eps).
    Raises:
        ValueError for an eps that is not above 0.
    References:
        Perronnin et al., "Improving the Fisher Kernel for Large-Scale Image Classification", 2010, and after bilinear
        pooling Lin et al., 2015, arXiv:1504.07889. SignedSqrt of gy20073/compact_bilinear_pooling, without its jump of
        the gradient at 0.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SignedSqrt, [[-4, 0, 9]], param_str='{"eps": 1e-12}').forward()[0].round(6)
        array([-2.,  0.,  3.])
    """

    array_api = True
    in_place = True

    eps = Parameter(float, 1e-6, above=0, doc="keeps the gradient at 0 finite")

    def setup(self, bottom, top):
        checks.tops(self, top, "rooted")

    def plan(self, values):
        self._root = self.xp.empty_like(values)
        return [values.shape]

    def forward(self, bottom, top):
        signed_sqrt_forward(self.xp, bottom[0].data, self.eps, self._root, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            signed_sqrt_backward(self.xp, self._root, self.eps, top[0].diff, bottom[0].diff)
