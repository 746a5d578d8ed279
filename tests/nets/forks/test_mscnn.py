"""What MS-CNN's and Cascade R-CNN's layers become, and their nets in small, trained and tested on pictures."""

import numpy as np
import pytest

from tests.nets.forks.lowered import computed_by
from tests.nets.forks.mscnn_nets import CODES, cascade, first_stage
from tests.nets.forks.twin import Twin

CODED = {"bbox_mean": [0, 0, 0, 0], "bbox_std": [0.1, 0.1, 0.2, 0.2]}
CELL = {"field_whr": 2, "field_xyr": 2, "bg_threshold": 0.5, "objectness": False}
ROI = {
    "fg_fraction": 0.25,
    "images": 4,
    "fg_threshold": 0.5,
    "bg_thr_hg": 0.5,
    "bg_thr_lw": 0.1,
    "iou_weighted": False,
    "bbox_thr_lw": 0,
    "bbox_thr_hg": 10,
    "pickup_discard": True,
    "append_gtbox": True,
    "cls_aware": True,
}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            "type: 'ImageGtData' transform_param { mirror: true mean_value: 104 } image_gt_data_param { source: 'a' "
            "batch_size: 4 coord_num: 4 resize_width: 1280 resize_height: 384 crop_width: 512 crop_height: 384 "
            "min_gt_height: 25 downsample_rate: 8 field_w: 40 field_h: 60 do_multiple_scale: true min_scale: 30 "
            "max_scale: 475 shuffle: true output_gt_boxes: true root_folder: '/r/' }",
            {
                "source": "a", "root": "/r/", "batch_size": 4, "resize": [384, 1280], "scale": 1, "mean": [104],
                "crop": [384, 512], "mirror": True, "field_w": [40], "field_h": [60], "fg_threshold": 0.5,
                "min_gt_width": 0, "min_gt_height": 25, "stride": [8], "shuffle": True, "min_scale": 30,
                "max_scale": 475,
            },
        ),
        (
            "type: 'DetectionData' detection_data_param { source: 'a' batch_size: 1 short_size: 600 long_size: 1000 "
            "stride: 16 field_w: 88 field_h: 176 fg_threshold: 0.7 shuffle: 'random_aspect' output_gt_boxes: true "
            "anchor_ignore_margin_ratio: 0.5 distort_param { hue_prob: 0.5 hue_delta: 18 } }",
            {
                "source": "a", "batch_size": 1, "scale": 1, "mirror": False, "field_w": [88], "field_h": [176],
                "fg_threshold": 0.7, "min_gt_width": 0, "min_gt_height": 0, "shorter": 600, "longer": 1000,
                "stride": [16], "ignore_fg_threshold": 0.4, "anchor_ignore_margin_ratio": 0.5,
                "pickup_iou_thr": 0.2, "shuffle": True, "aspect_run": 0,
                "distort": {"hue_prob": 0.5, "hue_delta": 18},
            },
        ),
        (
            "type: 'EvalData' eval_data_param { source: 'a' root_folder: 'r' short_size: 6 long_size: 9 }",
            {"source": "a", "root": "r", "scale": 1, "shorter": 6, "longer": 9},
        ),
        (
            "type: 'DetectionLoss' detection_loss_param { cls_num: 2 coord_num: 4 lambda: 0.05 field_h: 60 field_w: 40 "
            "downsample_rate: 8 bb_smooth: false bg_multiple: 2 sample_mode: 'bootstrap' pos_neg_weighted: true } "
            f"loss_param {{ ignore_label: 9 }} {CODES}",
            {
                "num_classes": 2, **CELL, "ignore_label": 9, **CODED, "loc_weight": 0.05, "stride": 8,
                "bg_multiple": 2, "pos_neg_weighted": True, "sample_mode": "bootstrap", "field_w": [40],
                "field_h": [60], "bbox_loss_type": "Euclidean_L2", "legacy_gradient": True,
            },
        ),
        (
            "type: 'DetectionAccuracy' detection_accuracy_param { cls_num: 2 coord_num: 4 field_h: 60 field_w: 40 "
            "downsample_rate: 8 }",
            {"num_classes": 2, **CELL, "field_xyr": 4, "stride": 8, "field_w": [40], "field_h": [60]},
        ),
        (
            "type: 'DetectionGroupLoss' detection_group_loss_param { batch_size: 256 cls_num: 2 field_w: 88 "
            "field_w: 44 field_h: 44 field_h: 88 stride: 8 bg_multiple: 1 objectness: true }",
            {
                "num_classes": 2, "bg_threshold": 0.5, "objectness": True, "loc_weight": 1, "field_w": [88, 44],
                "field_h": [44, 88], "stride": 8, "bg_multiple": 1, "pos_neg_weighted": False,
                "neg_mining_type": "random", "min_num_neg": 5, "bbox_loss_type": "Smooth_L1", "batch_size": 256,
                "legacy_gradient": True,
            },
        ),
        (
            "type: 'DetectionGroupAccuracy' detection_group_accuracy_param { cls_num: 2 field_w: 88 field_h: 44 "
            "stride: 8 field_whr: 8 field_xyr: 1 }",
            {
                "num_classes": 2, **CELL, "field_whr": 8, "field_xyr": 1, "field_w": [88], "field_h": [44],
                "stride": 8,
            },
        ),
        (
            f"type: 'ProposalTarget' proposal_target_param {{ cls_num: 5 batch_size: -1 img_width: 9 }} {CODES}",
            {"num_classes": 5, **ROI, "img_width": 9, **CODED},
        ),
        ("type: 'BboxAccuracy' bbox_reg_param { cls_aware: false }", {"cls_aware": False}),
        ("type: 'HardMining' hard_mining_param { num_image: 2 }", {"num_roi_per_image": 128, "images": 2}),
        (
            f"type: 'FrcnnOutput' frcnn_output_param {{ conf_thr: 0.01 nms_type: 'IOU' max_det_num: 9 }} {CODES}",
            {"conf_thr": 0.01, "iou_thr": 0.5, "max_det_num": 9, "cls_aware": True, **CODED},
        ),
        (
            "type: 'DetectionEvaluate' bottom: 'a' bottom: 'b' bottom: 'c' detection_evaluate_param { num_classes: 9 }",
            {"num_classes": 9, "overlap_threshold": 0.5, "evaluate_difficult_gt": True, "form": "cascade"},
        ),
    ],
)  # fmt: skip
def test_becomes(layer, expected):
    assert computed_by(layer)[1] == expected


def solver_of(folder, net, rate=0.005):
    from caffe_pylayers import pycaffe

    np.random.seed(3)  # the layers draw their seeds from there
    (folder / "net.prototxt").write_text(net)
    (folder / "solver.prototxt").write_text(
        f"net: '{folder}/net.prototxt' base_lr: {rate} momentum: 0.9 weight_decay: 0.0005 lr_policy: 'fixed' "
        f"random_seed: 3 display: 0"
    )
    return pycaffe.SGDSolver(str(folder / "solver.prototxt"))


class FirstStage(Twin):
    """The first stage by PyTorch, on the data and labels of the net's blobs."""

    def losses(self, blobs):
        data = self.torch.tensor(np.array(blobs["data"].data))
        x = self.f.conv2d(data, *self.learned["conv1"], stride=4, padding=2).relu()
        x = self.f.conv2d(x, *self.learned["conv2"], stride=2, padding=1).relu()
        maps = (x, self.f.max_pool2d(x, 2))
        for i, (below, field, stride) in enumerate(zip(maps, (20, 32), (8, 16)), 1):
            found = self.f.conv2d(below, *self.learned[f"LFCN_{i}"], padding=1)
            yield self.loss(found, self.torch.tensor(np.array(blobs[f"label_{i}"].data)), field, stride)

    def loss(self, maps, labels, field, stride):
        torch, f = self.torch, self.f
        scores, classes = maps[:, :3].flatten(2).movedim(1, 2), labels[:, 0].flatten(1).long()
        background = (classes == 0) & (labels[:, 5].flatten(1) < 0.2)
        kept = torch.zeros_like(background)
        for n, candidates in enumerate(background):
            for c in (1, 2):
                wanted = min(max(2 * int((classes[n] == c).sum()), 4), int(candidates.sum()))
                ranked = scores[n, :, c].detach().masked_fill(~candidates, -torch.inf).argsort(descending=True)
                kept[n, ranked[:wanted]] = True
        objects, entropy = classes > 0, f.cross_entropy(scores.movedim(2, 1), classes, reduction="none")
        positive, negative = entropy[objects], entropy[kept]
        loss = positive.mean() / 3 + negative.mean() * 2 / 3 if len(positive) else negative.mean()
        if not len(positive):
            return loss
        n, place = objects.nonzero(as_tuple=True)
        rows = torch.stack([place % maps.shape[3], place // maps.shape[3]], 1)
        boxes = labels[:, 1:5].flatten(2)[n, :, place]
        targets = torch.cat([(boxes[:, :2] - (rows + 0.5) * stride) / field, (boxes[:, 2:] / field).log()], 1)
        std = torch.tensor([0.1, 0.1, 0.2, 0.2])
        t = maps[:, 3:].flatten(2)[n, :, place] * std
        bound = torch.tensor([0.5, 0.5, np.log(2), np.log(2)])
        t = t + (torch.minimum(torch.maximum(t, -bound), bound) - t).detach()
        return loss + 0.5 * f.smooth_l1_loss(t / std, targets / std)


def test_the_first_stage_trains_as_by_torch(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("cv2")
    solver = solver_of(tmp_path, first_stage(tmp_path))
    net, twin = solver.net, FirstStage(torch, solver.net)
    assert [layer.type for layer in net.layers if "Detection" in layer.type] == [
        "DetectionLoss",
        "DetectionAccuracy",
    ] * 2
    ours, theirs = [], []
    for _ in range(40):
        solver.step(1)
        losses = list(twin.losses(net.blobs))
        twin.step(losses, rate=0.005)
        ours.append([net.blobs[f"loss_{i}"].data.item() for i in (1, 2)])
        theirs.append([loss.item() for loss in losses])
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    assert np.mean(ours[-8:]) < 0.6 * np.mean(ours[:8])
    assert net.blobs["accuracy_1"].data.shape == (1, 1, 1, 2)


def test_the_cascade_trains_and_finds(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("cv2")
    from caffe_pylayers import pycaffe

    solver = solver_of(tmp_path, cascade(tmp_path, test=False), 0.01)
    losses = []
    for _ in range(80):
        solver.step(1)
        names = "rpn_loss loss_cls loss_bbox loss_cls_2nd loss_bbox_2nd"
        losses.append([solver.net.blobs[name].data.item() for name in names.split()])
    first, last = np.mean(losses[:20], 0), np.mean(losses[-20:], 0)
    assert (last[[0, 1, 3]] < 0.85 * first[[0, 1, 3]]).all()
    assert solver.net.blobs["hard_rois"].data.shape == (16, 5, 1, 1)
    solver.net.save(str(tmp_path / "cascade.caffemodel"))
    (tmp_path / "test.prototxt").write_text(cascade(tmp_path, test=True))
    net = pycaffe.Net(str(tmp_path / "test.prototxt"), pycaffe.TEST, weights=str(tmp_path / "cascade.caffemodel"))
    right = []
    for _ in range(8):
        net.forward()
        rows = net.blobs["eval_2nd"].data.reshape(-1, 5)
        assert rows[:2, 2].sum() == 1
        best = rows[2:][rows[2:, 2].argmax()] if len(rows) > 2 else np.zeros(5)
        right.append(best[3])
    assert np.mean(right) > 0.5
