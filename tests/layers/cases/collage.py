import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(3)
patches, labels = rng.rand(6, 1, 3, 2) - 0.3, rng.randint(0, 4, 6)
coloured = np.repeat(patches, 3, 1)


def scene(bottoms, param_str, **options):
    return case(bottoms, param_str, wrt=[], repeatable=False, **options)


CASES = {
    "Collage": [
        scene([patches, labels], "{patches: 2, size: [5, 4]}", tops=1, other_bottoms=[patches[:4], labels[:4]]),
        scene([patches, labels], "{patches: 3, size: [3, 2], num_classes: 4}", tops=4, other_bottoms=()),
        scene([patches, labels.reshape(6, 1, 1, 1)], "{patches: 1, size: [9, 9], threshold: 0.5}", tops=3),
        scene([patches[:0], labels[:0]], "{patches: 2, size: [5, 4], seed: 1}", tops=4),
        scene([coloured, labels], "{patches: 6, size: [4, 8], fill_value: -1}", tops=2, other_bottoms=()),
    ],
}
