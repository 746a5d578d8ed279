import numpy as np

from caffe_pylayers._layer.phases import TEST
from tests.layers.case import case

rng = np.random.RandomState(10)
labels = np.array([0, 1, 0, 3, 1, 1])
scores = rng.uniform(-1, 1, (6, 4))
rising = '{"bias_base": -0.1, "bias_gamma": 0.5, "bias_min": -0.4, "bias_max": 2}'
falling = '"positive_weight_base": 3, "gamma": 0.5, "positive_weight_min": 1.5, "positive_weight_max": 2.5'
weighted = '"positive_weight": 1.5, "negative_weight": 0.5'

CASES = {
    "LabelSpecificAdd": [
        case([scores, labels], '{"bias": -0.35}', exhaustive=True),
        case([scores, labels.reshape(-1, 1, 1, 1)], '{"bias": 0.5}', tops=2),
        case([scores, labels], '{"bias": -0.35}', phase=TEST),
        case([scores, labels], rising, repeatable=False, tops=2),
        case([scores.reshape(len(scores), -1, 1, 1), labels], '{"bias": -1e4}'),
        case([scores[:1, :1], [0]], '{"bias": -0.1}'),
        case([scores[:0], labels[:0]], wrt=[]),
    ],
    "LabelSpecificRescale": [
        case([scores, labels], f"{{{weighted}}}", exhaustive=True),
        case([scores, labels.reshape(-1, 1, 1, 1)], f'{{{weighted}, "for_ip": true}}', tops=2),
        case([scores, labels], f'{{{weighted}, "bias_fix": true}}'),
        case([scores, labels], f"{{{weighted}}}", phase=TEST),
        case([scores, labels], f'{{{weighted}, "rescale_test": true}}', phase=TEST),
        case([scores, labels], f"{{{falling}}}", repeatable=False, tops=2),
        case([1e4 * scores.reshape(len(scores), -1, 1, 1), labels], '{"positive_weight": -1}', gradient_atol=1e-5),
        case([scores[:1, :1], [0]], '{"positive_weight": 2}'),
        case([scores[:0], labels[:0]], wrt=[]),
    ],
}
