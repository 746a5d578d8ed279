import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER, rng = folder(), np.random.RandomState(7)
LABELS = [4, 9, 4, 4, 9, 1]  # one class of a single image
FILES = [
    image(FOLDER / "faces" / str(label) / f"{i}.pgm", rng.randint(0, 256, (4, 4))) for i, label in enumerate(LABELS)
]
LIST = text(FOLDER / "list.txt", *(f"{path} {label}" for path, label in zip(FILES, LABELS)))


def images(source=LIST, tops=3, phase=0, **options):
    return case([], str(dict(source=str(source), **options)), tops=tops, phase=phase, repeatable=False)


CASES = {
    "PairsByLabel": [
        images(batch_size=4),
        images(batch_size=3, tops=5, same_share=0.2, mirror=True, workers=2),
        images(source=FOLDER / "faces", phase=1, workers=0),
        images(same_share=1, batch_size=2),
    ],
    "TripletsByLabel": [
        images(batch_size=4),
        images(batch_size=3, tops=6, crop=[2, 2], workers=2),
        images(source=FOLDER / "faces", phase=1, workers=0),
    ],
    "PKBatches": [
        images(tops=2, batch_size=6, samples_per_class=2),
        images(tops=2, batch_size=4, workers=2),
        images(source=FOLDER / "faces", tops=2, phase=1, batch_size=4),
        images(tops=2, batch_size=5, sampling="balanced"),
    ],
}
