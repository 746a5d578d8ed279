import os

import numpy as np

from tests.layers.case import case

flow = np.random.RandomState(18).uniform(-1, 1, (2, 2, 3, 4))
NOWHERE = f'{{"file": "{os.devnull}"}}'

CASES = {
    "FlowWriter": [
        case([flow], NOWHERE, tops=0, wrt=[]),
        case([flow[:1, :, :1, :1]], NOWHERE, tops=0, wrt=[]),
        case([flow[:0]], NOWHERE, tops=0, wrt=[]),
    ],
}
