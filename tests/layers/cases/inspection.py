from tests.layers.case import case
from tests.layers.cases.gradients import ROWS
from tests.layers.cases.noise import TEST, maps

CASES = {
    "Inspect": [
        *(case([x]) for x in ROWS),
        case([maps], "{'name': 'conv1', 'every': 2}", phase=TEST),
        case([maps], "file: /dev/null"),
        case([maps], tops=0),
    ],
    "NaNGuard": [
        *(case([x]) for x in ROWS),
        case([maps], "{'name': 'conv1', 'limit': 100}", phase=TEST),
        case([maps], tops=0),
    ],
}
