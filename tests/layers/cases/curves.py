from tests.layers.cases.accuracy import COMMON, growing
from tests.layers.cases.precision_recall import AVERAGES, OWN

ROWS = growing([*COMMON, *AVERAGES, *OWN])
CASES = {"AUC": ROWS, "AveragePrecision": ROWS}
