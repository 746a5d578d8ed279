"""Metrics of MS-CNN's and Cascade R-CNN's training, cell by cell and by hand."""

import numpy as np
import pytest

from caffe_pylayers.mscnn_metrics import BboxAccuracy, DetectionAccuracy, DetectionGroupAccuracy
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.mscnn_losses import labels, maps


def iou(box, other):
    """Of two boxes x1, y1, x2, y2."""
    shared = np.prod([max(min(box[2 + k], other[2 + k]) - max(box[k], other[k]), 0) for k in range(2)])
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)]
    return shared / (sum(areas) - shared)


def cell_by_cell(scores, deltas, truth, anchors, xyr, whr):
    right, found = [], []
    for m, y, x in np.ndindex(*truth[:, 0].shape):
        label, cx, cy, w, h, overlap = truth[m, :, y, x]
        if label == 0 and overlap >= 0.5:
            continue
        right.append((label > 0, scores[m, :, y, x].argmax() == label))
        if label:
            box, size, middle = [], [], ((x + 0.5) * 8, (y + 0.5) * 8)
            for k in range(2):
                anchor = anchors[m % len(anchors)][k]
                size.append(anchor * np.exp(np.clip(deltas[m, 2 + k, y, x], -np.log(whr), np.log(whr))))
                box.append(middle[k] + anchor * np.clip(deltas[m, k, y, x], -1 / xyr, 1 / xyr))
            corners = [box[0] - size[0] / 2, box[1] - size[1] / 2, box[0] + size[0] / 2, box[1] + size[1] / 2]
            found.append(iou(corners, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]))
    right = np.array(right)
    return [right[:, 1].mean(), right[right[:, 0] == 1, 1].mean()], np.mean(found)


def test_cells():
    bottoms, truth = maps(7, 2, size=2), labels(2)
    text = "{num_classes: 3, field_w: [9], field_h: [7], stride: 8, field_xyr: 2}"
    accuracy, overlap = LayerRun(DetectionAccuracy, [bottoms, truth], param_str=text, tops=2).forward()
    expected = cell_by_cell(bottoms[:, :3], bottoms[:, 3:], truth, [(9, 7)], 2, 2)
    np.testing.assert_allclose(accuracy[0, 0, 0], expected[0])
    np.testing.assert_allclose(overlap.item(), expected[1])
    scores, deltas, truth = maps(3, 4, size=2), maps(4, 4, size=2), labels(4)
    text = "{num_classes: 3, field_w: [9, 15], field_h: [7, 12], stride: 8, field_xyr: 1, field_whr: 8}"
    found = LayerRun(DetectionGroupAccuracy, [scores, deltas, truth], param_str=text, tops=2).forward()
    expected = cell_by_cell(scores, deltas, truth, [(9, 7), (15, 12)], 1, 8)
    np.testing.assert_allclose(found[0][0, 0, 0], expected[0])
    np.testing.assert_allclose(found[1].item(), expected[1])


def test_a_pass_is_one_mean():
    text = "{num_classes: 3, field_w: [9], field_h: [7], stride: 8, report: running}"
    batches = [[maps(7, 1), labels(1)] for _ in range(3)]
    run = LayerRun(DetectionAccuracy, batches[0], param_str=text, phase=1)
    for batch in batches:
        for i, array in enumerate(batch):
            run.bottom[i].data[...] = array
        found = run.forward()[0]
    whole = [np.concatenate(each) for each in zip(*batches)]
    expected = LayerRun(DetectionAccuracy, whole, param_str=text).forward()[0]
    np.testing.assert_allclose(found, expected)


def test_boxes():
    rois = [[0, 0, 0, 19, 9], [0, 0, 0, 9, 9], [0, 0, 0, 9, 9], [0, 5, 5, 14, 14]]
    objects = [[1, 10, 0, 29, 9, 0.33], [2, 0, 0, 9, 19, 0.5], [0, 0, 0, 0, 0, 0], [1, 5, 5, 14, 14, 1]]
    deltas = np.zeros((4, 12))
    deltas[0, 4], deltas[1, [9, 11]] = 5, [5, np.log(2) * 10]
    expected = [1, np.mean([10 / 30, 0.5])]
    found = LayerRun(BboxAccuracy, [deltas, rois, objects], param_str="{bbox_std: [0.1, 0.1, 0.1, 0.1]}", tops=2)
    np.testing.assert_allclose([top.item() for top in found.forward()], expected)
    with pytest.raises(ValueError, match=r"^BboxAccuracy: bottoms must have shapes \(R, 8\)"):
        LayerRun(BboxAccuracy, [deltas, rois, objects], param_str="{cls_aware: false}")
    with pytest.raises(ValueError, match=r"^BboxAccuracy: label 2 at index 1 is outside \[0, 2\)"):
        LayerRun(BboxAccuracy, [deltas[:, :8], rois, objects]).forward()
