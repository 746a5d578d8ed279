import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER = folder()
rng = np.random.RandomState(10)
SIZES = [(40, 60), (60, 40), (48, 64)]
for i, size in enumerate(SIZES):
    image(FOLDER / f"{i}.ppm", rng.randint(0, 256, (*size, 3)))
ONE = ["2 1 0 5 5 24 24 2 0 30 20 55 38 1 0 30 12 40", "1 1 1 3 3 30 30 0", "0 0"]
TWO = ["2 1 0 0 5 5 24 24 2 0 1 30 20 55 38 1 0 30 12 40", "1 1 1 0 3 3 30 30 0", "0 0"]
LISTS = [
    text(FOLDER / name, *(f"# {i}\n{i}.ppm\n3\n{h}\n{w}\n{rows[i]}" for i, (h, w) in enumerate(SIZES)))
    for name, rows in (("one.txt", ONE), ("two.txt", TWO))
]
ANCHORS = {"stride": [8, 16], "field_w": [16, 24], "field_h": [16, 20], "fg_threshold": 0.4}


def data(which, tops, phase=0, anchors=ANCHORS, **options):
    options = {"source": str(LISTS[which]), "root": str(FOLDER), **anchors, **options}
    return case([], str(options), tops=tops, phase=phase, repeatable=False)


SIDES = {"shorter": 32, "longer": 64}

CASES = {
    "ImageGtData": [
        data(0, 4, batch_size=2, resize=[48, 64], crop=[32, 48], mirror=True, mean=[104, 117, 123], min_gt_height=12),
        data(0, 4, batch_size=3, resize=[48, 64], min_scale=10, max_scale=40, workers=2),
        data(0, 3, batch_size=3, crop=[80, 72], scale=0.5, phase=1, min_scale=30, max_scale=300),
        data(0, 2, anchors={}, phase=1, workers=0),
    ],
    "DetectionData": [
        data(1, 4, batch_size=3, aspect_run=0, mirror=True, mean=[104, 117, 123], **SIDES),
        data(1, 4, batch_size=2, aspect_run=1, anchor_ignore_margin_ratio=0.5, workers=2, **SIDES),
        data(1, 3, resize=[32, 32], crop=[16, 24], distort={"hue_prob": 1, "hue_delta": 18}, ignore_fg_threshold=0.1),
        data(1, 4, phase=1, pickup_iou_thr=0, min_gt_width=25, shuffle=False),
    ],
    "EvalData": [
        data(1, 3, anchors={}, mean=[104, 117, 123], **SIDES),
        data(1, 2, anchors={}, batch_size=2, resize=[32, 64], phase=1),
        data(1, 3, anchors={}, workers=0, scale=0.1),
    ],
}
