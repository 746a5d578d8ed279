import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
images = rng.uniform(0, 255, (3, 2, 12, 13))
references = np.clip(images + rng.standard_normal(images.shape) * 40, 0, 255)
small = images[:, 0, :5, :6] / 255
small_references = references[:, 0, :5, :6] / 255
flat = np.full((2, 1, 11, 11), 128.0)


def metric(more=""):
    test = {"wrt": [], "phase": 1, "other_bottoms": ()}
    return [
        case([images, references], wrt=[]),
        case([small, small_references], f'{{"data_range": 1{more}}}', **test),
        case([images, images[::-1]], '{"report": "batch"}', **test),
        case([flat, flat + 1], '{"report": "running", "test_iter": 2}', **test),
        case([images[:1], references[:1]], **test),
        case([np.zeros((0, 1, 12, 12)), np.zeros((0, 1, 12, 12))], **test),
    ]


CASES = {
    "PSNR": metric(),
    "SSIM": metric(', "window": 5'),
    "SSIMLoss": [
        case([images, references], step=1e-3),
        case([small, small_references], '{"data_range": 1, "window": 5, "sigma": 0.8}', exhaustive=True),
        case([small, -small_references], '{"data_range": 2, "window": 4, "k1": 0.1, "k2": 0.2}'),
        case([small * 0, small_references], '{"data_range": 1, "window": 3, "k1": 0.1}'),
        case([flat, flat], wrt=[]),
        case([flat * 0, flat * 0 + 9], '{"sigma": 3}', step=1e-3),
        case([small, small_references], '{"data_range": 1, "window": 1}'),
        case([images[:1, :1] * 40, references[:1, :1] * -40], '{"data_range": 10000}', step=1e-1),
        case([np.zeros((0, 1, 12, 12)), np.zeros((0, 1, 12, 12))], other_bottoms=()),
    ],
}
