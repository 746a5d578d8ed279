import json
import tempfile

import numpy as np

from tests.layers.case import case

flow = np.random.RandomState(18).uniform(-1, 1, (2, 2, 3, 4))
FOLDER = tempfile.TemporaryDirectory()  # until the tests end
TEXT = json.dumps({"folder": FOLDER.name})

CASES = {
    "FlowWriter": [
        case([flow], TEXT, tops=0, wrt=[], repeatable=False),
        case([flow[:1, :, :1, :1]], TEXT, tops=0, wrt=[], repeatable=False),
        case([flow[:0]], TEXT, tops=0, wrt=[]),
    ],
}
