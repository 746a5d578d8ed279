from importlib.util import find_spec

import numpy as np

from tests.layers.case import case
from tests.layers.files import datums, folder

NEEDS = ["cv2", "lmdb"]

FOLDER, rng = folder(), np.random.RandomState(5)
if all(map(find_spec, NEEDS)):
    datums(FOLDER / "color", rng.randint(0, 256, (3, 6, 9, 3)), [4, 0, 7])
    datums(FOLDER / "png", [rng.randint(0, 256, (10 + i, 14, 3)) for i in range(3)], [1, 2, 3], encode="png")


def records(name="color", tops=2, phase=0, **options):
    options = dict(source=str(FOLDER / name), **options)
    return case([], str(options), tops=tops, phase=phase, repeatable=False)


CASES = {
    "DatumImages": [
        records(batch_size=4, mirror=True, mean=[104, 117, 123]),
        records("png", batch_size=3, shorter=[5, 9], ratio=[1, 1.5], crop=[5, 5], workers=2),
        records("png", batch_size=3, stretch_height=[0.5, 2], upscale=True, resize=[4, 6], scale=0.1, phase=1),
        records("png", batch_size=2, channels="gray", shorter=[7, 7], crop=[6, 7], noise=["gauss_blur"], tops=1),
        records(phase=1, workers=0),
        records("png", batch_size=3, random_area=[0.2, 1], aspect_change=0.75, crop=[6, 6], interpolation_up="linear"),
    ]
}
