import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(11)
x = rng.uniform(0.2, 2, (2, 3, 2, 3))
BY_CHANNEL = "{across_spatial: false, channel_shared: false, scale: 20}"

maps, image = np.zeros((2, 8, 2, 3)), np.zeros((2, 3, 40, 60))
priors = np.array([[[0.1, 0.1, 0.3, 0.3, 0.12, 0.1, 0.32, 0.3, 0.5, 0.5, 0.9, 0.9], [0.1, 0.1, 0.2, 0.2] * 3]])
locations = rng.uniform(-1, 1, (2, 12))
scores = rng.permutation(18).reshape(2, 9) / 18.0
TWO = "num_classes: 2, nms_threshold: 0.45"
THREE = "num_classes: 3, nms_threshold: 0.45"
OF_CLASSES = "code_type: center_size, share_location: false"


def detect(bottoms, text):
    images = [np.concatenate([bottom, bottom]) for bottom in bottoms]  # the priors are those of any image
    return case(bottoms, f"{{{text}}}", wrt=[], other_bottoms=[*images[:2], bottoms[2], *images[3:]])


def prior(text, bottoms=(maps, image)):
    return case(list(bottoms), f"{{{text}}}", wrt=[])


CASES = {
    "Normalize": [
        case([x], BY_CHANNEL, exhaustive=True),
        case([x], "{scale: 20}", exhaustive=True),
        case([x], "{across_spatial: false}"),
        case([x], "{channel_shared: false, scale: 0.5}"),
        case([x], "{eps: 0.5}"),
        case([x], "{legacy_gradient: true, scale: 3}"),
        case([x[:, :, 0, 0]], BY_CHANNEL),
        case([x[:1, :1, :1, :1]], BY_CHANNEL, gradient_atol=1e-6),  # one value: of length 1 whatever it is
        case([x * 1e4], BY_CHANNEL, gradient_atol=1e-6),
        case([x[:0]], BY_CHANNEL),
        case([np.zeros((2, 3, 2, 2))], "{}", wrt=[]),
    ],
    "PriorBox": [
        prior("min_size: [30], max_size: [60], aspect_ratio: [2], variance: [0.1, 0.1, 0.2, 0.2]"),
        prior("min_size: [10, 20], max_size: [20, 30], aspect_ratio: [2, 3, 0.5, 1]"),
        prior("min_size: [10], flip: false, aspect_ratio: [2]"),
        prior("min_size: [30], clip: true, offset: 0"),
        prior("min_size: [9.6], step: 8"),
        prior("min_size: [9.6], whole_sizes: false, step_h: 8, step_w: 16"),
        prior("min_size: [8], max_size: [16], aspect_ratio: [5], denser_prior_boxes: true"),
        prior("min_size: [8], img_size: 300"),
        prior("min_size: [8], img_h: 200, img_w: 300"),
        prior("min_size: [8]", (maps[:1, :1, :1, :1], image[:1])),
        prior("min_size: [8]", (maps[:0], image[:0])),
    ],
    "DetectionOutput": [
        detect([locations, scores, priors], f"{THREE}, code_type: center_size"),
        detect([locations, scores, priors], THREE),
        detect([locations, scores, priors], f"{THREE}, code_type: corner_size, variance_encoded_in_target: true"),
        detect([locations, scores, priors], f"{THREE}, background_label: -1, confidence_threshold: 0.2"),
        detect([locations, scores, priors], f"{THREE}, top_k: 2, keep_top_k: 3, confidence_threshold: 0.1"),
        detect([locations, scores, priors], "num_classes: 3, nms_threshold: 0.9, eta: 0.5"),
        detect([np.tile(locations, 3), scores, priors], f"{THREE}, share_location: false"),
        detect([locations, scores, priors, rng.rand(2, 6)], f"{THREE}, objectness_score: 0.5"),
        detect([locations, scores, priors, rng.rand(2, 6), locations / 2], f"{THREE}, code_type: center_size"),
        detect([np.tile(locations, 3), scores, priors], f"{THREE}, code_type: center_size, outline: polygon"),
        detect([rng.uniform(-1, 1, (2, 81)), scores, priors], f"{THREE}, {OF_CLASSES}, outline: rotated"),
        detect([locations, scores, priors], f"{THREE}, confidence_threshold: 2"),  # none at all
        detect([locations[:1], scores[:1, :3], priors], "num_classes: 1"),  # background alone
        detect([locations * 0, scores * 0 + 0.5, priors], THREE),  # ties
        detect([locations[:0], scores[:0], priors], THREE),
        detect([locations[:1, :4], scores[:1, :2], priors[:, :, :4]], TWO),
        detect([locations[:, :0], scores[:, :0], priors[:, :, :0]], TWO),
        detect([locations * 1e3, scores, priors], f"{THREE}, code_type: center_size"),
    ],
}
