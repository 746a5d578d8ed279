"""The rows of `forks.py`: layers of forks at the sizes of published nets, whole detectors, and PyTorch's versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import detectors
import numpy as np
import torch
from rows import boxes, normal, rng, roi_pool
from torch.nn import functional


@dataclass
class Row:
    """A net and its rivals.

    text: its prototxt. inputs: its inputs' values. opencv: whether OpenCV has the layer. torch: a function of tensors
    in the order of inputs; wrt: those of them that have a gradient, None for a net that has none. weights: its
    caffemodel; None where random ones do.
    """

    name: str
    text: str
    inputs: dict[str, Any]
    opencv: bool = False
    torch: Callable[..., Any] | None = None
    wrt: Sequence[int] | None = None
    weights: bytes | None = None


def row(name: str, layer: str, bottoms: Sequence[Any], **rest: Any) -> Row:
    """A row of a net with one layer, ``type: ... name_param { ... }``, whose bottoms are inputs."""
    inputs = {f"x{i}": np.ascontiguousarray(x, np.float32) for i, x in enumerate(bottoms)}
    text = "force_backward: true\n" if rest.get("wrt") is not None else ""
    for blob, x in inputs.items():
        dims = " ".join(f"dim: {n}" for n in x.shape)
        text += f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ {dims} }} }} }}\n'
    wires = " ".join(f'bottom: "{blob}"' for blob in inputs)
    return Row(name, text + f'layer {{ name: "y" {wires} top: "y" {layer} }}\n', inputs, **rest)


def psroi_pool(x, rois, groups=7, scale=1 / 16):
    """Means over cells, as differences of sums over all that is above and to the left."""
    height, width = x.shape[2:]
    sums = functional.pad(x[0].double().cumsum(1).cumsum(2), (1, 0, 1, 0))
    first, last = rois[:, 1:3].round() * scale, (rois[:, 3:].round() + 1) * scale
    cell = (last - first).clip(0.1) / groups
    at = torch.arange(groups)
    edges = torch.tensor([width, height])
    low = (at[:, None, None] * cell + first).floor().long().clamp(edges * 0, edges)  # cells, ROIs, x and y
    high = ((at[:, None, None] + 1) * cell + first).ceil().long().clamp(edges * 0, edges)
    x1, x2, y1, y2 = low[None, :, :, 0], high[None, :, :, 0], low[:, None, :, 1], high[:, None, :, 1]
    channels = torch.arange(len(sums)).reshape(-1, groups, groups, 1)
    total = sums[channels, y2, x2] - sums[channels, y1, x2] - sums[channels, y2, x1] + sums[channels, y1, x1]
    area = ((y2 - y1) * (x2 - x1)).clip(1)
    return (total / area).float().permute(3, 0, 1, 2)


def prior_boxes(feature, image):
    """Those of SSD's fc7: 60 and 111 pixels, ratios of 2 and 3."""
    height, width = feature.shape[2:]
    size, step = image.shape[3], image.shape[3] / width
    ratios = torch.tensor([1, 2, 0.5, 3, 1 / 3]).sqrt()
    wide = torch.cat([60 * ratios[:1], torch.tensor([(60 * 111) ** 0.5]), 60 * ratios[1:]])
    tall = torch.cat([60 / ratios[:1], torch.tensor([(60 * 111) ** 0.5]), 60 / ratios[1:]])
    x, y = (torch.arange(width) + 0.5) * step, (torch.arange(height) + 0.5) * step
    x, y = x[None, :, None].expand(height, -1, 6), y[:, None, None].expand(-1, width, 6)
    found = torch.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], 3).flatten() / size
    return torch.stack([found, torch.tensor([0.1, 0.1, 0.2, 0.2]).repeat(len(found) // 4)])


def decoded(loc, priors):
    low, high = priors[:, :2], priors[:, 2:]
    size = high - low
    centre = (low + high) / 2 + loc[..., :2] * 0.1 * size
    size = torch.exp(loc[..., 2:] * 0.2) * size
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def overlaps(a, b):
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clip(0).prod(2)
    area, other = ((x[:, 2:] - x[:, :2]).prod(1) for x in (a, b))
    return shared / (area[:, None] + other - shared)


def detections(loc, conf, priors):
    """SSD's at 300 pixels: of each class the 400 best boxes, each dropped by a better one that it overlaps."""
    found = []
    boxes_of = decoded(loc.reshape(-1, 4), priors[0, 0].reshape(-1, 4))
    scores = conf.reshape(-1, detectors.CLASSES)
    for c in range(1, detectors.CLASSES):
        here = torch.where(scores[:, c] > 0.01)[0]
        best, order = scores[here, c].sort(descending=True)
        mine = boxes_of[here[order[:400]]]
        near, kept = overlaps(mine, mine) > 0.45, torch.ones(len(mine), dtype=torch.bool)
        for i in range(len(mine)):
            if kept[i]:
                kept[i + 1 :] &= ~near[i, i + 1 :]
        rows = torch.cat([torch.full((int(kept.sum()), 1), c), best[:400][kept][:, None], mine[kept]], 1)
        found.append(rows)
    rows = torch.cat(found)
    return rows[rows[:, 1].topk(min(200, len(rows)))[1]]


def multibox_loss(loc, conf, priors, truth):
    """SSD's as its PyTorch versions have it: matched image by image, three hard negatives for each match."""
    priors = priors[0, 0].reshape(-1, 4)
    loc, conf = loc.reshape(len(loc), -1, 4), conf.reshape(len(loc), -1, detectors.CLASSES)
    labels, targets = torch.zeros(conf.shape[:2], dtype=torch.long), torch.zeros_like(loc)
    for i in range(len(loc)):
        mine = truth[0, 0][truth[0, 0, :, 0] == i]
        shared = overlaps(mine[:, 3:7], priors)
        best, of = shared.max(0)
        own = shared.argmax(1)
        best[own], of[own] = 2, torch.arange(len(mine))
        labels[i] = torch.where(best >= 0.5, mine[of, 1].long(), 0)
        size = priors[:, 2:] - priors[:, :2]
        centre, sides = (mine[of, 3:5] + mine[of, 5:7]) / 2, mine[of, 5:7] - mine[of, 3:5]
        moved = (centre - (priors[:, :2] + priors[:, 2:]) / 2) / size / 0.1
        targets[i] = torch.cat([moved, (sides / size).log() / 0.2], 1)
    positive = labels > 0
    losses = functional.cross_entropy(conf.flatten(0, 1), labels.flatten(), reduction="none").reshape(labels.shape)
    with torch.no_grad():
        rank = losses.masked_fill(positive, -1).argsort(1, descending=True).argsort(1)
    hard = rank < 3 * positive.sum(1, keepdim=True)
    place = functional.smooth_l1_loss(loc[positive], targets[positive], reduction="sum")
    return (place + losses[positive | hard].sum()) / positive.sum()


def correlation(a, b, reach=20, step=2):
    """FlowNetC's: the mean product of the maps for each displacement."""
    height, width = a.shape[2:]
    b = functional.pad(b, (reach,) * 4)
    places = range(0, 2 * reach + 1, step)
    return torch.stack([(a * b[:, :, y : y + height, x : x + width]).mean(1) for y in places for x in places], 1)


def flow_warp(x, flow):
    """FlowNet2's: where the flow leads to, 0 where that is outside."""
    height, width = x.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([2 * (columns + flow[:, 0]) / (width - 1) - 1, 2 * (rows + flow[:, 1]) / (height - 1) - 1], -1)
    return functional.grid_sample(x, places, align_corners=True)


def yolo_loss(x, truth, stride=32, thresh=0.6):
    """YOLOv3's of its map of the largest anchors, as its PyTorch versions have it: targets are written into maps."""
    x, sizes = x.reshape(len(x), 3, 25, *x.shape[2:]), ANCHORS / stride
    height, width = x.shape[3:]
    with torch.no_grad():
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        truth = truth[:, 0]
        image, which = torch.where(truth[:, :, 3] > 0)
        classes, boxes = truth[image, which, 0].long(), truth[image, which, 1:] * torch.tensor([width, height] * 2)
        shared = torch.minimum(boxes[:, None, 2:], sizes).prod(2)
        best = (shared / (boxes[:, None, 2:].prod(2) + sizes.prod(1) - shared)).argmax(1)
        mine = best >= 3
        near = torch.zeros(x[:, :, 0].shape, dtype=torch.bool)
        centres = x[:, :, :2].sigmoid() + torch.stack([columns, rows])
        spans = x[:, :, 2:4].exp() * sizes[3:, :, None, None]
        found = torch.cat([centres - spans / 2, centres + spans / 2], 2).movedim(2, -1)
        for i in range(len(x)):
            here = boxes[image == i]
            here = torch.cat([here[:, :2] - here[:, 2:] / 2, here[:, :2] + here[:, 2:] / 2], 1)
            near[i] = (overlaps(found[i].reshape(-1, 4), here).amax(1) > thresh).reshape(near.shape[1:])
        image, classes, boxes, a = image[mine], classes[mine], boxes[mine], best[mine] - 3
        column, row = boxes[:, :2].long().T
        near[image, a, row, column] = True
        labels = functional.one_hot(classes, 20).float()
    at = x[image, a, :, row, column]
    entropy = functional.binary_cross_entropy_with_logits
    more = 2 - (boxes[:, 2:] / torch.tensor([width, height])).prod(1, keepdim=True)
    loss = entropy(x[:, :, 4][~near], torch.zeros(1).expand(int((~near).sum())), reduction="sum")
    loss = loss + entropy(at[:, 4], torch.ones(len(at)), reduction="sum") + entropy(at[:, 5:], labels, reduction="sum")
    loss = loss + (more * entropy(at[:, :2], boxes[:, :2] % 1, reduction="none")).sum()
    return (loss + (more * (at[:, 2:4] - (boxes[:, 2:] / sizes[3:][a]).log()) ** 2).sum() / 2) / len(x)


def ssd_heads(images):
    """Predictions and boxes of an SSD300, and ground truth of eight objects an image."""
    corners = np.sort(rng.uniform(0, 1, (8732, 2, 2)), 1).reshape(-1)
    priors = np.stack([corners, np.tile([0.1, 0.1, 0.2, 0.2], 8732)])[None]
    loc, conf = normal(images, 8732 * 4) / 2, normal(images, 8732 * detectors.CLASSES)
    truth = np.zeros((1, 1, images * 8, 8))
    truth[0, 0, :, 0] = np.repeat(np.arange(images), 8)
    truth[0, 0, :, 1] = rng.randint(1, detectors.CLASSES, images * 8)
    truth[0, 0, :, 3:7] = np.sort(rng.uniform(0, 1, (images * 8, 2, 2)), 1).reshape(-1, 4)
    return loc, conf, priors, truth


def unpooling():
    x = torch.from_numpy(normal(1, 64, 180, 240))
    values, places = functional.max_pool2d(x, 2, return_indices=True)
    return values.numpy(), places.numpy()


def yolo_labels(images):
    """Labels of eight objects an image."""
    truth = np.zeros((images, 1, 30, 5))
    truth[:, :, :8, 0] = rng.randint(0, 20, (images, 1, 8))
    truth[:, :, :8, 1:] = rng.uniform(0.1, 0.9, (images, 1, 8, 4))
    return truth


def probabilities(scores):
    """Softmax, the background so far above that some 200 boxes of a class are above 0.01, as in a trained net."""
    e = np.exp(scores.reshape(len(scores), -1, detectors.CLASSES) + 6.5 * (np.arange(detectors.CLASSES) == 0))
    return (e / e.sum(2, keepdims=True)).reshape(len(scores), -1)


LOC, CONF, PRIORS, TRUTH = ssd_heads(8)
SLOPE, SHIFT = torch.ones(256, requires_grad=True), torch.zeros(256, requires_grad=True)
SCALES = torch.full((1, 512, 1, 1), 20.0, requires_grad=True)
LSTM, CLASSES = torch.nn.LSTM(512, 128), torch.nn.Parameter(torch.randn(10572, 512) / 20)
ANCHORS = torch.tensor([10.0, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319]).reshape(-1, 2)
DETECTED = (
    f"num_classes: {detectors.CLASSES} share_location: true background_label_id: 0 code_type: CENTER_SIZE "
    "nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.01"
)
PRIOR = (
    "min_size: 60 max_size: 111 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: false "
    "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 offset: 0.5"
)
FACES = "face detector of OpenCV's samples"
FACE_FILES = "deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel", "faces.jpg"


def face_detector(folder):
    """The row of the face detector, whose files are in a folder; None where they are not.

    What is detected takes time by how much there is: random weights and images would not do.
    """
    prototxt, weights, photograph = (Path(folder, name) for name in FACE_FILES)
    if not (prototxt.is_file() and weights.is_file() and photograph.is_file()):
        return None
    image = cv2.dnn.blobFromImage(cv2.imread(str(photograph)), 1.0, (300, 300), (104, 177, 123))
    return Row(FACES, prototxt.read_text(), {"data": image}, opencv=True, weights=weights.read_bytes())


BN = "bn_param { slope_filler { value: 1 } }"

ROWS = [
    row(
        "ROIPooling 1 x 512 x 38 x 50, 128 ROIs",
        'type: "ROIPooling" roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }',
        [normal(1, 512, 38, 50), boxes(128, 590, True)],
        opencv=True,
        torch=roi_pool,
        wrt=[0],
    ),
    row(
        "PSROIPooling 1 x 1029 x 38 x 50, 128 ROIs",
        'type: "PSROIPooling" psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }',
        [normal(1, 1029, 38, 50), boxes(128, 590, True)],
        opencv=True,
        torch=psroi_pool,
        wrt=[0],
    ),
    row(
        "PriorBox 19 x 19, 6 boxes",
        f'type: "PriorBox" prior_box_param {{ {PRIOR} }}',
        [normal(1, 1024, 19, 19), normal(1, 3, 300, 300)],
        opencv=True,
        torch=prior_boxes,
    ),
    row(
        "DetectionOutput 8732 boxes, 21 classes",
        f'type: "DetectionOutput" detection_output_param {{ {DETECTED} }}',
        [LOC[:1], probabilities(CONF[:1]), PRIORS],
        opencv=True,
        torch=detections,
    ),
    row(
        "Normalize 8 x 512 x 38 x 38, scales",
        'type: "Normalize" norm_param { across_spatial: false channel_shared: false scale_filler { value: 20 } }',
        [normal(8, 512, 38, 38)],
        opencv=True,
        torch=lambda x: functional.normalize(x) * SCALES,
        wrt=[0],
    ),
    row(
        "Interp 1 x 512 x 60 x 60, from 6 x 6",
        'type: "Interp" interp_param { height: 60 width: 60 }',
        [normal(1, 512, 6, 6)],
        opencv=True,
        torch=lambda x: functional.interpolate(x, size=(60, 60), mode="bilinear", align_corners=True),
        wrt=[0],
    ),
    row(
        "BN 4 x 256 x 60 x 60, training",
        f'type: "BN" {BN}',
        [normal(4, 256, 60, 60)],
        torch=lambda x: functional.batch_norm(x, None, None, SLOPE, SHIFT, training=True),
        wrt=[0],
    ),
    row(
        "Upsample 1 x 64 x 180 x 240, by a mask",
        'type: "Upsample" upsample_param { scale: 2 }',
        unpooling(),
        torch=lambda x, places: functional.max_unpool2d(x, places.long(), 2),
        wrt=[0],
    ),
    row(
        "Upsample 1 x 256 x 26 x 26, by 2",
        'type: "Upsample" upsample_param { scale: 2 }',
        [normal(1, 256, 13, 13)],
        torch=lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
        wrt=[0],
    ),
    row(
        "Lstm 50 x 38 x 512, 128 outputs",
        'type: "Lstm" lstm_param { num_output: 128 weight_filler { type: "gaussian" std: 0.01 } }',
        [normal(50, 38, 512)],
        torch=lambda x: LSTM(x)[0],
        wrt=[0],
    ),
    row(
        "InnerDistance 128 x 512, 10572 classes",
        'type: "InnerDistance" inner_distance_param { num_output: 10572 weight_filler { type: "gaussian" std: 0.05 } }',
        [normal(128, 512)],
        torch=lambda x: torch.cdist(x, CLASSES) ** 2,
        wrt=[0],
    ),
    row(
        "FlowWarp 4 x 3 x 384 x 512",
        'type: "FlowWarp"',
        [normal(4, 3, 384, 512), 5 * normal(4, 2, 384, 512)],
        torch=flow_warp,
        wrt=[0, 1],
    ),
    row(
        "FlowWarp 4 x 64 x 96 x 128",
        'type: "FlowWarp"',
        [normal(4, 64, 96, 128), 5 * normal(4, 2, 96, 128)],
        torch=flow_warp,
        wrt=[0, 1],
    ),
    row(
        "Pooling3D 1 x 64 x 16 x 112 x 112, by 2",
        'type: "Pooling3D" pooling3d_param { pool: MAX kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }',
        [normal(1, 64, 16, 112, 112)],
        torch=lambda x: functional.max_pool3d(x, 2),
        wrt=[0],
    ),
    row(
        "Yolov3 8 x 75 x 13 x 13",
        'type: "Yolov3" propagate_down: true propagate_down: false yolov3_param { num_class: 20 anchors_scale: 32 '
        "thresh: 0.6 mask: 3 mask: 4 mask: 5 " + " ".join(f"biases: {n:g}" for n in ANCHORS.flatten().tolist()) + " }",
        [normal(8, 75, 13, 13), yolo_labels(8)],
        torch=yolo_loss,
        wrt=[0],
    ),
    row(
        "MultiBoxLoss 8 x 8732 boxes, 21 classes",
        f'type: "MultiBoxLoss" multibox_loss_param {{ num_classes: {detectors.CLASSES} code_type: CENTER_SIZE }} '
        "loss_param { normalization: VALID } propagate_down: true propagate_down: true propagate_down: false "
        "propagate_down: false",
        [LOC, CONF, PRIORS, TRUTH],
        torch=multibox_loss,
        wrt=[0, 1],
    ),
    row(
        "Correlation 1 x 256 x 48 x 64, 441 places",
        'type: "Correlation" correlation_param { pad: 20 kernel_size: 1 max_displacement: 20 stride_1: 1 stride_2: 2 }',
        [normal(1, 256, 48, 64), normal(1, 256, 48, 64)],
        opencv=True,
        torch=correlation,
        wrt=[0, 1],
    ),
    Row("MobileNet-SSD, 300 x 300", detectors.mobilenet_ssd(), {"data": normal(1, 3, 300, 300)}, opencv=True),
    Row("SSD300, VGG-16", detectors.ssd300(), {"data": normal(1, 3, 300, 300)}, opencv=True),
]
