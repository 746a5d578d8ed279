import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(14)
maps = rng.standard_normal((2, 14, 3, 4))
# Three truths of the first image, of which two share a cell and an anchor; one of the second; zeros behind them.
labels = np.zeros((2, 1, 4, 5))
labels[0, 0, :3] = [[1, 0.4, 0.4, 0.1, 0.14], [0, 0.45, 0.35, 0.12, 0.15], [1, 0.9, 0.1, 0.4, 0.3]]
labels[1, 0, 0] = [0, 0.1, 0.8, 0.3, 0.9]
of_ssd = np.array([[[[0, 2, 0, 0.3, 0.3, 0.5, 0.6, 0], [1, 1, 0, 0.6, 0.5, 0.9, 0.8, 0], [-1] * 8]]])
V3 = "num_classes: 2, anchors: [10, 14, 30, 20], stride: 32"
V2 = "num_classes: 2, anchors: [0.4, 0.5, 1.2, 1]"


def loss(text, bottoms=(maps, labels), **options):
    return case(list(bottoms), f"{{{text}}}", wrt=options.pop("wrt", [0]), other_bottoms=(), **options)


CASES = {
    "Yolov3Loss": [
        loss(f"{V3}, thresh: 0.2, coord_scale: 2, object_scale: 5, noobject_scale: 0.5, class_scale: 0.7"),
        loss(V3, wrt=[], tops=2),
        loss(f"{V3}, use_logic_gradient: true, label_smoothing: 0.1, iou_thresh: 0.2, normalization: valid"),
        loss(f"{V3}, iou_loss: iou, iou_thresh: 0.1, thresh: 0.1", (maps, labels[:, 0])),
        loss(f"{V3}, iou_loss: giou, accumulate: false, normalization: full", (maps, labels.reshape(2, 20))),
        loss(f"{V3}, iou_loss: diou, mask: [0, 1]", (maps, of_ssd)),
        loss(f"{V3}, iou_loss: ciou, iou_normalizer: 0.25", exhaustive=False),
        loss("num_classes: 2, anchors: [10, 14, 30, 20, 40, 50], mask: [1, 2], stride: 32, iou_thresh: 0.1"),
        loss(f"{V3}, use_focal_loss: true", wrt=[]),
        loss(f"{V3}, iou_loss: ciou, max_delta: 0.01, legacy_version: true", wrt=[]),
        loss(V3, (maps, 0 * labels)),  # nothing is there
        loss(V3, (maps[:0], labels[:0])),
        loss(V3, (1e4 * maps, labels), wrt=[]),
    ],
    "RegionLoss": [
        loss(f"{V2}, rescore: false, thresh: 0.2, coord_scale: 2, class_scale: 0.7, noobject_scale: 0.5"),
        loss(f"{V2}, rescore: false, object_scale: 5, normalization: valid", (maps, of_ssd)),
        loss(f"{V2}, object_scale: 5", wrt=[], tops=2),  # the IoU counts as constant
        loss(f"{V2}, object_scale: 0", (maps, labels[:, 0])),
        loss(f"{V2}, rescore: false, bias_match: false, normalization: none"),
        loss(f"{V2}, legacy_version: true", wrt=[]),
        loss(V2, (maps, 0 * labels)),
        loss(V2, (maps[:0], labels[:0])),
        loss(V2, (1e4 * maps, labels), wrt=[]),
    ],
}
