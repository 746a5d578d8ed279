import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER, rng = folder(), np.random.RandomState(7)
NAMES = "abc"
for number, name in enumerate(NAMES):
    shape = (6 + number, 8)
    image(FOLDER / "JPEGImages" / f"{name}.ppm", rng.randint(0, 256, (*shape, 3)))
    image(FOLDER / "SegmentationClass" / f"{name}.pgm", rng.choice([0, 1, 2, 255], shape))
text(FOLDER / "ImageSets" / "Segmentation" / "train.txt", *NAMES)
text(FOLDER / "labels.txt", *(f"JPEGImages/{n}.ppm {i}" for i, n in enumerate(NAMES)))
text(FOLDER / "pairs.txt", *(f"/JPEGImages/{n}.ppm /SegmentationClass/{n}.pgm" for n in NAMES))


def pairs(phase=0, tops=2, **options):
    source = {"source": str(FOLDER / "pairs.txt"), "root": str(FOLDER)}
    return case([], str(dict(source, **options)), tops=tops, phase=phase, repeatable=False)


def voc(phase=0, **options):
    source = {"root": str(FOLDER), "split": "train", "image_extension": ".ppm", "map_extension": ".pgm"}
    return case([], str(dict(source, **options)), tops=2, phase=phase, repeatable=False)


CHANGES = [
    {"num_classes": 3},
    {"batch_size": 3, "varied": "pad"},
    {
        "batch_size": 4,
        "crop": [9, 4],
        "mirror": True,
        "random_scale": [0.5, 2],
        "rotation": 20,
        "ignore_label": 3,
        "workers": 2,
    },
    {"batch_size": 2, "resize": [5, 5], "label_values": {255: 0}, "phase": 1},
]

OF_FORKS = [
    {"tops": 3, "crop": [7, 9], "crop_padding": "end", "scale_factors": [0.5, 1, 2], "mirror": True},
    {"tops": 3, "phase": 1, "crop": [9, 6], "crop_padding": "end"},
    {"source": str(FOLDER / "labels.txt"), "label_type": "image", "num_classes": 3},
    {"source": str(FOLDER / "labels.txt"), "label_type": "none", "ignore_label": 7},
    {"label_threshold": 2},
    {"crop": [6, 8], "label_divide_factor": 3},
]

CASES = {
    "SegmentationPairs": [pairs(**change) for change in [*CHANGES, *OF_FORKS]],
    "SegmentationVOC": [voc(**change) for change in [*CHANGES, {"maps": "SegmentationClass", "workers": 0}]],
}
