import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, text

FOLDER, rng = folder(), np.random.RandomState(7)
TABLE = text(FOLDER / "table.csv", "x, y, kind, price", "1, 2, 0, 3.5", "4, 5, 1, -6e2", "", "7, 8, 1, 9")
BARE = text(FOLDER / "bare.csv", "1;2;3", "4;5;6")
ARRAYS = FOLDER / "arrays.npz"
np.savez(ARRAYS, x=rng.rand(5, 2, 3), y=[0, 1, 1, 2, 2], z=rng.rand(5))


def table(source=TABLE, tops=2, phase=0, **options):
    return case([], str(dict(source=str(source), **options)), tops=tops, phase=phase, repeatable=False)


def arrays(*names, phase=0, **options):
    return table(ARRAYS, len(names), phase, arrays=names, **options)


CASES = {
    "CSVData": [
        table(labels=["price"], batch_size=2),
        table(labels=["price", "kind"], columns=["y"], batch_size=7, workers=2),
        table(labels=["3"], columns=["0", "1"], header=True, workers=0, shuffle=False),
        table(labels=["kind"], sampling="balanced", batch_size=3),
        table(tops=1, phase=1),
        table(BARE, tops=1, delimiter=";"),
        table(BARE, delimiter=";", labels=["2"], workers=2, worker_type="process", batch_size=3),
    ],
    "NPZData": [
        arrays("x"),
        arrays("x", "y", batch_size=3, scale=0.5),
        arrays("x", "z", "y", batch_size=4, sampling="classes", samples_per_class=2, workers=2),
        arrays("x", sampling="balanced", class_array="y", batch_size=6),
        arrays("z", phase=1, workers=0, batch_size=5),
        arrays("x", "z", workers=2, worker_type="process", seed=1),
    ],
}
