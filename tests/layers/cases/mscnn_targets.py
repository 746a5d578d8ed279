import numpy as np

from tests.layers.case import case
from tests.layers.cases.proposals import gt, of_two, rois

rng = np.random.RandomState(9)
marked = np.concatenate([np.arange(len(gt))[:, None] % 2, gt, np.zeros((len(gt), 1))], 1)
marked[0, 6] = 1
difficult = np.concatenate([marked, np.zeros((len(gt), 1))], 1)
SIZE = "img_width: 90, img_height: 70"


def targets(bottoms, text="", tops=6, **options):
    text = f"{{num_classes: 4, images: 2, bg_thr_lw: 0, {text}}}"
    return case(bottoms, text, tops=tops, wrt=[], **options)


def mined(bottoms, text, **options):
    return case(bottoms, f"{{{text}}}", tops=len(bottoms) - 1, wrt=[], **options)


losses = rng.rand(16)

CASES = {
    "StageTarget": [
        targets([of_two, difficult]),
        targets([of_two, difficult], "cls_aware: false, bbox_std: [0.1, 0.1, 0.2, 0.2], bbox_mean: [0.1, 0, 0, 0]"),
        targets([of_two.reshape(16, 5, 1, 1), difficult.reshape(len(gt), 8, 1, 1)], "iou_weighted: true", tops=7),
        targets([of_two, difficult], "fg_threshold: 0.7, bg_thr_hg: 0.3, pickup_discard: false, append_gtbox: false"),
        targets([of_two, difficult], "bbox_thr_lw: 0.6, bbox_thr_hg: 0.99", tops=7),
        targets([of_two, marked], f"batch_size: 4, {SIZE}", repeatable=False),
        targets([of_two, marked], f"batch_size: 64, {SIZE}", repeatable=False),
        targets([of_two, difficult], "batch_size: 64, fill_batch: false"),
        targets([of_two, -np.ones((1, 8))]),
        targets([of_two[:0], -np.ones((1, 8))], SIZE, repeatable=False),
    ],
    "HardMining": [
        mined([losses, of_two, rng.rand(16, 2, 1, 1)], "images: 2, num_roi_per_image: 3"),
        mined([losses.reshape(16, 1, 1, 1), rois], "images: 2, num_roi_per_image: 3"),
        mined([losses, of_two], ""),
        mined([losses * 0, of_two], "images: 2, num_roi_per_image: 5"),
        mined([losses * 1e4, of_two], "images: 2, num_roi_per_image: 1"),
    ],
}
