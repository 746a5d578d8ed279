from importlib.util import find_spec

import numpy as np

from tests.layers.case import case
from tests.layers.files import annotated, folder

NEEDS = ["cv2", "lmdb"]

BOXES = [[(3, 0.1, 0.2, 0.5, 0.9), (1, 0.5, 0.5, 1, 1, 1), (3, 0.6, 0, 0.7, 0.1)], [], [(2, 0, 0, 1, 1)]]
SAMPLERS = [
    {"max_sample": 1, "max_trials": 1},
    {"min_scale": 0.3, "max_scale": 0.9, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2, "min_jaccard_overlap": 0.3},
    {"min_scale": 0.5, "min_sample_coverage": 0.1, "max_object_coverage": 0.9, "max_trials": 20},
]
DISTORT = {f"{name}_prob": 0.7 for name in ("brightness", "contrast", "saturation", "hue", "random_order")}
DISTORT.update(brightness_delta=32, contrast_lower=0.5, contrast_upper=1.5, hue_delta=18)
DISTORT.update(saturation_lower=0.5, saturation_upper=1.5)

FOLDER, rng = folder(), np.random.RandomState(5)
if all(map(find_spec, NEEDS)):
    annotated(FOLDER / "color", rng.randint(0, 256, (3, 20, 30, 3)), BOXES)
    annotated(FOLDER / "gray", rng.randint(0, 256, (3, 20, 30, 1)), BOXES)
    annotated(FOLDER / "png", [rng.randint(0, 256, (10 + i, 14, 3)) for i in range(3)], BOXES, encode="png")
    annotated(FOLDER / "labels", rng.randint(0, 256, (3, 4, 5, 3)), [4, 0, 7])


def records(name="color", tops=2, phase=0, **options):
    options = dict(source=str(FOLDER / name), **options)
    return case([], str(options), tops=tops, phase=phase, repeatable=False)


CASES = {
    "AnnotatedData": [
        records(batch_size=2, mirror=True, mean=[104, 117, 123], scale=0.5),
        records(batch_size=3, distort=DISTORT, max_expand_ratio=3, expand_prob=0.9, mean=[104], resize=[12, 12]),
        records("png", batch_size=4, batch_samplers=SAMPLERS, emit_type="center", resize=[8, 8], workers=2),
        records("gray", batch_size=2, distort=DISTORT, crop=[8, 9], emit_type="min_overlap", emit_overlap=0.3),
        records(
            "png",
            batch_size=3,
            phase=1,
            resize=[9, 12],
            resize_mode="fit_large_size_and_pad",
            interpolation=["area", "cubic"],
            pad_value=[1, 2, 3],
        ),
        records("png", resize=[9, 12], resize_mode="fit_small_size", size_scale=[9, 12], channels="gray", workers=0),
        records(noise=["hist_eq", "saltpepper", "posterize"], saltpepper_fraction=0.2, saltpepper_value=[9], tops=1),
        records("png", batch_size=2, label_form="yolo", jitter=0.5, sizes=[[8, 8], [6, 10]], size_probs=[0.5, 0.5]),
        records("labels", batch_size=3, phase=1, crop=[2, 3]),
        records(batch_size=1, phase=1, shuffle=False, workers=1, worker_type="process"),
    ],
}
