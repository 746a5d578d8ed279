import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
x = rng.standard_normal((2, 4, 5, 6))
AWAY = np.array([-6.3, -1.7, -0.6, -0.4, 0.3, 0.6, 1.4, 9.2])  # from the cells' centres, where gradients have a step


def offsets(channels, height, width, count=2):
    return rng.choice(AWAY, (count, channels, height, width))


def deformable(offset, text="", of=x, **options):
    return case([of, offset], f"{{num_output: 4, bias: 0.3, filler: gaussian, filler_value: 1, {text}}}", **options)


CASES = {
    "DeformableConvolution": [
        deformable(offsets(8, 4, 5), "kernel_size: [2]", exhaustive=True),
        deformable(offsets(18, 5, 6), "kernel_size: [3], pad: [1]"),
        deformable(
            offsets(24, 2, 4), "kernel_size: [3, 2], stride: [2, 1], dilation: [1, 2], groups: 2, deformable_groups: 2"
        ),
        deformable(offsets(18, 5, 6), "kernel_size: [3], pad: [2], dilation: [2], bias_term: false, groups: 4"),
        deformable(offsets(32, 4, 5), "kernel_size: [2], deformable_groups: 4"),
        deformable(1e4 * offsets(8, 4, 5), "kernel_size: [2]"),  # all outside
        deformable(offsets(2, 1, 1), "kernel_size: [1]", of=x[:, :, :1, :1]),
        deformable(offsets(8, 4, 5)[:0], "kernel_size: [2]", of=x[:0], other_bottoms=()),
    ],
}
