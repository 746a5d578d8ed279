"""The rows of `library.py`: layers with their bottoms, and what each is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np
from tensors import (
    arcface,
    batch_all,
    batch_hard,
    dice,
    focal,
    iou,
    label_contrastive,
    lifted_structure,
    lovasz_softmax,
    mean_iou,
    ohem,
    proxy_anchor,
    roi_align,
    roi_pool,
    scale_invariant,
    ssim,
)

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = functional = None

rng = np.random.RandomState(0)


@dataclass
class Row:
    """A layer, ``module.Class`` of the package, and its rivals.

    loop: a class of loops. caffe: a type of Caffe's own. torch: the same of tensors; wrt: those with a gradient.
    loss: whether the top has a loss weight in place of a random gradient.
    """

    name: str
    layer: str
    bottoms: Sequence[Any]
    param_str: str = ""
    loop: str = ""
    caffe: str = ""
    torch: Callable[..., Any] | None = None
    wrt: Sequence[int] = (0,)
    loss: bool = False


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def labels(*shape, classes):
    return rng.randint(0, classes, shape).astype(np.float32)


def boxes(count, size, index=False):
    corners = np.sort(rng.uniform(0, size, (count, 2, 2)), 1).reshape(count, 4)
    return np.hstack([np.zeros((count, 1)), corners] if index else [corners]).astype(np.float32)


MAPS, MAP_LABELS = normal(8, 21, 64, 64), labels(8, 1, 64, 64, classes=21)
PAIR = {"bottoms": [normal(128, 84 * 8), normal(128, 84 * 8)], "loss": True}
EMBEDDED, FACES = [normal(128, 128) / 11, labels(128, classes=16)], [normal(128, 128), labels(128, classes=1000)]

ROWS = [
    Row(
        "SmoothL1Loss 128 x 672",
        "regression.SmoothL1Loss",
        **PAIR,
        loop="SmoothL1",
        torch=lambda p, t: functional.smooth_l1_loss(p, t, reduction="sum") / len(p),
    ),
    Row(
        "L1Loss 128 x 672",
        "regression.L1Loss",
        **PAIR,
        loop="L1",
        torch=lambda p, t: functional.l1_loss(p, t, reduction="sum") / len(p),
    ),
    Row(
        "HuberLoss 128 x 672",
        "regression.HuberLoss",
        **PAIR,
        loop="SmoothL1",
        torch=lambda p, t: functional.huber_loss(p, t, reduction="sum") / len(p),
    ),
    Row(
        "ScaleInvariantLogLoss 8 x 1 x 128 x 128",
        "depth.ScaleInvariantLogLoss",
        [normal(8, 1, 128, 128), np.exp(normal(8, 1, 128, 128)) * (rng.rand(8, 1, 128, 128) < 0.7)],
        loop="ScaleInvariant",
        torch=scale_invariant,
        loss=True,
    ),
    Row(
        "SoftmaxCrossEntropyLoss 8 x 21 x 64 x 64",
        "cross_entropy.SoftmaxCrossEntropyLoss",
        [MAPS, MAP_LABELS],
        loop="SoftmaxMaps",
        caffe="SoftmaxWithLoss",
        torch=lambda s, y: functional.cross_entropy(s, y[:, 0].long()),
        loss=True,
    ),
    Row(
        "SigmoidCrossEntropyLoss 256 x 1000",
        "cross_entropy.SigmoidCrossEntropyLoss",
        [normal(256, 1000), labels(256, 1000, classes=2)],
        caffe="SigmoidCrossEntropyLoss",
        loss=True,
        torch=lambda s, t: functional.binary_cross_entropy_with_logits(s, t, reduction="sum") / len(s),
    ),
    Row(
        "SigmoidFocalLoss 4 x 80 x 32 x 32",
        "focal.SigmoidFocalLoss",
        [normal(4, 80, 32, 32), (rng.rand(4, 80, 32, 32) < 0.01).astype(np.float32)],
        loop="SigmoidFocal",
        torch=focal,
        loss=True,
    ),
    Row(
        "SoftmaxOHEMLoss 8 x 21 x 64 x 64",
        "hard_examples.SoftmaxOHEMLoss",
        [MAPS, MAP_LABELS],
        "{kept_ratio: 0.25, per_image: true}",
        loop="SoftmaxOHEM",
        torch=ohem,
        loss=True,
    ),
    Row(
        "DiceLoss 8 x 1 x 128 x 128",
        "overlap.DiceLoss",
        [normal(8, 1, 128, 128), labels(8, 1, 128, 128, classes=2)],
        "{activation: sigmoid, smooth: 1}",
        loop="Dice",
        torch=dice,
        loss=True,
    ),
    Row(
        "LovaszSoftmaxLoss 4 x 21 x 64 x 64",
        "lovasz.LovaszSoftmaxLoss",
        [MAPS[:4], MAP_LABELS[:4]],
        loop="LovaszSoftmax",
        torch=lovasz_softmax,
        loss=True,
    ),
    Row(
        "BatchTripletLoss, batch hard, 128 x 128",
        "triplet.BatchTripletLoss",
        [normal(128, 128), labels(128, classes=16)],
        loop="BatchHardTriplet",
        torch=batch_hard,
        loss=True,
    ),
    Row(
        "NPairLoss 128 x 128",
        "metric_losses.NPairLoss",
        [normal(128, 128) / 11, normal(128, 128) / 11],
        loop="NPair",
        torch=lambda a, p: functional.cross_entropy(a @ p.T, torch.arange(len(a))),
        wrt=(0, 1),
        loss=True,
    ),
    Row(
        "BatchTripletLoss, all triplets, 128 x 128",
        "triplet.BatchTripletLoss",
        EMBEDDED,
        "strategy: all",
        torch=batch_all,
        loss=True,
    ),
    Row(
        "LabelContrastiveLoss 128 x 128",
        "contrastive.LabelContrastiveLoss",
        EMBEDDED,
        loop="LabelContrastive",
        torch=label_contrastive,
        loss=True,
    ),
    Row(
        "LiftedStructureLoss 128 x 128",
        "metric_losses.LiftedStructureLoss",
        EMBEDDED,
        loop="LiftedStructure",
        torch=lifted_structure,
        loss=True,
    ),
    Row(
        "ArcFace 128 x 128, 1000 classes",
        "margin_heads.ArcFace",
        FACES,
        "num_classes: 1000",
        loop="ArcFace",
        torch=arcface,
    ),
    Row(
        "ProxyAnchorLoss 128 x 128, 1000 classes",
        "proxy_losses.ProxyAnchorLoss",
        FACES,
        "num_classes: 1000",
        torch=proxy_anchor,
        loss=True,
    ),
    Row(
        "L2Normalize 512 x 512",
        "embeddings.L2Normalize",
        [normal(512, 512)],
        loop="Normalize",
        torch=functional and functional.normalize,
    ),
    Row(
        "SSIMLoss 4 x 3 x 128 x 128",
        "image_quality.SSIMLoss",
        [rng.rand(4, 3, 128, 128), rng.rand(4, 3, 128, 128)],
        "data_range: 1",
        loop="SSIM",
        torch=ssim,
        loss=True,
    ),
    Row(
        "ResizeFeatures 4 x 64 x 32 x 32, doubled",
        "resizing.ResizeFeatures",
        [normal(4, 64, 32, 32)],
        "zoom_factor: 2",
        loop="Resize",
        torch=lambda x: functional.interpolate(x, size=(63, 63), mode="bilinear", align_corners=True),
    ),
    Row(
        "ROIPooling 1 x 256 x 38 x 50, 128 ROIs",
        "roi_pooling.ROIPooling",
        [normal(1, 256, 38, 50), boxes(128, 590, True)],
        "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.0625}",
        loop="ROIPool",
        torch=roi_pool,
    ),
    Row(
        "ROIAlign 1 x 256 x 38 x 50, 128 ROIs",
        "roi_pooling.ROIAlign",
        [normal(1, 256, 38, 50), boxes(128, 590, True)],
        "{pooled_h: 7, pooled_w: 7, spatial_scale: 0.0625, sampling_ratio: 2}",
        loop="ROIAligned",
        torch=roi_align,
    ),
    Row(
        "BoxIoU 300 x 50",
        "boxes.BoxIoU",
        [boxes(300, 600), boxes(50, 600)],
        loop="IoU",
        torch=iou,
        wrt=(0, 1),
    ),
    Row("NMS 2000", "nms.NMS", [boxes(2000, 600), rng.rand(2000)], "nms_threshold: 0.7", loop="Suppress"),
    Row(
        "GroupNorm 16 x 64 x 32 x 32, 32 groups",
        "normalization.GroupNorm",
        [normal(16, 64, 32, 32)],
        "affine: false",
        loop="GroupNorm",
        torch=lambda x: functional.group_norm(x, 32),
    ),
    Row(
        "LayerNorm 16 x 128 x 768",
        "normalization.LayerNorm",
        [normal(16, 128, 768)],
        "{axis: -1, affine: false}",
        torch=lambda x: functional.layer_norm(x, (768,)),
    ),
    Row("GELU 64 x 3072", "activations.GELU", [normal(64, 3072)], loop="GELU", torch=functional and functional.gelu),
    Row("Mish 16 x 64 x 32 x 32", "activations.Mish", [normal(16, 64, 32, 32)], torch=functional and functional.mish),
    Row(
        "GridSample 4 x 64 x 32 x 32",
        "spatial_transformer.GridSample",
        [normal(4, 64, 32, 32), rng.uniform(-1, 1, (4, 32, 32, 2))],
        wrt=(0, 1),
        torch=lambda x, grid: functional.grid_sample(x, grid, align_corners=False),
    ),
    Row(
        "ScaledDotProductAttention 16 x 128 x 256, 8 heads",
        "attention.ScaledDotProductAttention",
        [normal(16, 128, 256) for _ in range(3)],
        "heads: 8",
        wrt=(0, 1, 2),
        torch=lambda *qkv: functional.scaled_dot_product_attention(
            *(x.unflatten(2, (8, 32)).transpose(1, 2) for x in qkv)
        ),
    ),
    Row(
        "PixelShuffle 8 x 64 x 32 x 32",
        "shuffles.PixelShuffle",
        [normal(8, 64, 32, 32)],
        "upscale: 2",
        torch=lambda x: functional.pixel_shuffle(x, 2),
    ),
    Row(
        "MeanIoU 8 x 21 x 64 x 64",
        "segmentation_metrics.MeanIoU",
        [MAPS, MAP_LABELS],
        loop="MeanIoU",
        torch=mean_iou,
    ),
]
