import numpy as np

from tests.layers.case import case

NEEDS = ["cv2"]

rng = np.random.RandomState(2)
DATA = rng.uniform(0, 255, (2, 3, 16, 24))
LABEL = np.zeros((2, 1, 4, 16))
LABEL[:, 0, 0, :2] = [[3, 16], [0, 16]]
LABEL[0, 0, 1:, :6] = [[1, 2, 9, 8, 0, 1], [8, 3, 40, 30, 0, 2], [4, 4, 6, 6, 0, 9]]


def transformed(phase=1, data=DATA, label=LABEL, **options):
    options = dict({"size": [16, 24], "stride": 4, "seed": 3}, **options)
    return case([data, label], str(options), tops=2, phase=phase, wrt=[], repeatable=False)


CASES = {
    "DetectNetTransformation": [
        transformed(),
        transformed(classes={1: 0, 2: 1}, gridbox_type="min", min_cvg_len=3, obj_norm=True, mean=[127]),
        transformed(classes={9: 2}, crop_bboxes=False, size=[8, 12], mean=[1, 2, 3]),
        transformed(0, shift_x=4, shift_y=4, scale_prob=1, scale_max=1.3, flip_prob=1, crop_prob=0.5),
        transformed(0, rotation_prob=1, max_rotate_degree=20, hue_rotation_prob=1, desaturation_prob=1),
        transformed(0, DATA[:1], LABEL[1:], max_cvg_len=2, size=[20, 30], stride=5),
    ]
}
