import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
scores = rng.standard_normal((3, 4, 2, 5))
probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
cues = (rng.rand(3, 4, 2, 5) < 0.2).astype(int)
cue_maps = np.where(rng.rand(3, 1, 2, 5) < 0.5, rng.randint(0, 4, (3, 1, 2, 5)), 255)
image_labels = rng.randint(0, 2, (3, 4))
crf = np.log(np.random.RandomState(8).dirichlet(np.ones(4), (3, 2, 5)).transpose(0, 3, 1, 2))
AS_THEY_ARE = '"activation": "none", "min_prob": 0'

CASES = {
    "SeedLoss": [
        case([scores, cues], exhaustive=True),
        case([probabilities, cues], f"{{{AS_THEY_ARE}}}", exhaustive=True),
        case([scores, cue_maps], '{"balanced": true, "min_prob": 0.01}', exhaustive=True),
        case([scores, cue_maps[:, 0]], '{"balanced": true, "background_label": 2}'),
        case([scores, np.where(cue_maps == 255, -1, cue_maps)], '{"ignore_label": -1}'),
        case([scores, np.full((3, 2, 5), 255)]),
        case([scores, rng.rand(3, 4, 2, 5)], wrt=[0]),
        case([1e4 * scores, cues], wrt=[]),
        case([np.zeros((1, 2, 1, 1)), np.ones((1, 1, 1, 1), int)]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 4, 2, 5), int)], wrt=[]),
    ],
    "ExpandLoss": [
        case([scores, image_labels], exhaustive=True),
        case([probabilities, image_labels.reshape(3, 1, 1, 4)], f"{{{AS_THEY_ARE}}}", exhaustive=True),
        case([scores, image_labels.reshape(3, 4, 1, 1)], '{"q_foreground": 0, "q_background": 1}', exhaustive=True),
        case([scores, image_labels], '{"q_foreground": 0.5, "q_background": 0.7, "background_label": 2}'),
        case([scores, np.zeros((3, 4), int)]),
        case([scores, np.ones((3, 4), int)]),
        case([1e4 * scores, image_labels], wrt=[]),
        case([1e4 * scores, image_labels], '{"min_prob": 0}', wrt=[]),
        case([np.zeros((2, 3, 2, 2)), np.ones((2, 3), int)], wrt=[]),
        case([np.zeros((1, 2, 1, 1)), np.ones((1, 2), int)]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 4), int)], wrt=[]),
    ],
    "ConstrainLoss": [
        case([scores, crf], exhaustive=True),
        case([probabilities, np.exp(crf)], f'{{{AS_THEY_ARE}, "log": false}}', exhaustive=True),
        case([scores, crf], '{"clip": [0.5, 2], "min_prob": 0.01}', exhaustive=True),
        case([scores, np.log(probabilities)], '{"min_prob": 0.1}'),
        case([1e4 * scores, crf], wrt=[]),
        case([scores, np.eye(4)[np.zeros((3, 2, 5), int)].transpose(0, 3, 1, 2)], '{"log": false}', wrt=[0]),
        case([np.zeros((1, 2, 1)), np.full((1, 2, 1), np.log(0.5))]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 4, 2, 5))], wrt=[]),
    ],
}
