import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER, rng = folder(), np.random.RandomState(7)
for name, frames in (("wave", 11), ("jump", 3)):
    for number in range(frames):
        image(FOLDER / name / f"{number}.ppm", rng.randint(0, 256, (4, 6, 3)))
LIST = text(FOLDER / "list.txt", "wave 0", "jump 1")
MORE = text(FOLDER / "more.txt", "wave 0 0.5", "jump 1 2")
NONE = text(FOLDER / "none.txt", "wave", "jump")


def clips(source=LIST, tops=2, phase=0, **options):
    return case(
        [], str(dict(source=str(source), root=str(FOLDER), **options)), tops=tops, phase=phase, repeatable=False
    )


CASES = {
    "VideoClips": [
        clips(length=4, batch_size=3),
        clips(length=3, stride=2, layout="NTCHW", crop=[2, 2], mirror=True, workers=2),
        clips(MORE, length=1, phase=1, batch_size=2),
        clips(NONE, tops=1, length=5, workers=0),
        clips(length=2, sampling="balanced", batch_size=4, brightness=0.2, workers=2, worker_type="process"),
    ],
}
