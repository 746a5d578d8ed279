import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER, rng = folder(), np.random.RandomState(7)
for number in range(5):
    image(FOLDER / "classes" / "abc"[number % 3] / f"{number}.ppm", rng.randint(0, 256, (6 + number, 8, 3)))
FILES = sorted((FOLDER / "classes").rglob("*.ppm"))
ONE = text(FOLDER / "one.txt", *(f"{path} {i}" for i, path in enumerate(FILES)))
THREE = text(FOLDER / "three.txt", *(f"{path} {i} 0.5 -1e2" for i, path in enumerate(FILES)))
NONE = text(FOLDER / "none.txt", *FILES)
MEAN = FOLDER / "mean.npy"
np.save(MEAN, rng.rand(3, 4, 4))


def images(source, tops=2, phase=0, **options):
    return case([], str(dict(source=str(source), **options)), tops=tops, phase=phase, repeatable=False)


CHANGES = [
    {"resize": [6, 8], "batch_size": 4},
    {"varied": "pad", "batch_size": 7, "workers": 0},
    {"shorter": 9, "longer": 10, "crop": [5, 12], "batch_size": 3},
    {
        "crop": [4, 4],
        "mirror": True,
        "rotation": 30,
        "random_scale": [0.8, 1.5],
        "batch_size": 6,
        "channels": "gray",
        "mean": [100],
    },
    {
        "crop": [4, 4],
        "random_area": [0.2, 1],
        "interpolation": "area",
        "mean_file": str(MEAN),
        "std": [1, 2, 3],
        "scale": 0.01,
    },
    {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2, "channels": "RGB", "mean": [1, 2, 3]},
    {"workers": 2, "worker_type": "process", "prefetch": 1, "shuffle": False, "seed": 3},
]

CASES = {
    "ImageList": [
        *(images(ONE, **change) for change in CHANGES),
        images(ONE, phase=1, crop=[20, 2], batch_size=2),
        images(THREE, batch_size=2, crop=[3, 3]),
        images(THREE, tops=4),
        images(ONE, tops=1, sampling="balanced", batch_size=4, crop=[2, 2]),
        images(NONE, tops=1),
        images(ONE, together=2, batch_size=4, resize=[4, 4]),
        images(ONE, root="elsewhere", label_count=1),
    ],
    "ImageFolder": [
        *(images(FOLDER / "classes", **change) for change in CHANGES[:3]),
        images(FOLDER / "classes", sampling="classes", batch_size=6, samples_per_class=2, resize=[4, 4]),
        images(FOLDER / "classes", tops=1),
    ],
}
