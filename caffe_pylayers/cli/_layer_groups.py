"""The layer families by what they are for: the groups of ``layers`` and the pages of docs/layers/."""

from __future__ import annotations

from typing import Iterable

from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.parameter import declared

GROUPS = {
    "Regression losses": ("pyloss", "regression", "robust", "depth", "directions", "image_quality"),
    "Classification losses": (
        "cross_entropy",
        "focal",
        "hard_examples",
        "distillation",
        "noisy_labels",
        "multi_label",
        "ranking",
    ),
    "Embeddings": (
        "embeddings",
        "triplet",
        "contrastive",
        "metric_losses",
        "proxy_losses",
        "center_loss",
        "margin_heads",
        "label_scores",
        "class_distances",
        "domains",
        "retrieval",
    ),
    "Segmentation": ("overlap", "lovasz", "pixel_weights", "weak_supervision", "resizing", "unpooling"),
    "Detection": (
        "anchors",
        "proposals",
        "mscnn",
        "mscnn_targets",
        "mscnn_losses",
        "mscnn_metrics",
        "boxes",
        "nms",
        "roi_pooling",
        "roi_grids",
        "position_sensitive",
        "roi_levels",
        "ssd",
        "multibox_loss",
        "yolo",
        "yolo_losses",
        "detection_metrics",
    ),
    "Metrics": (
        "accuracy",
        "precision_recall",
        "confusion",
        "segmentation_metrics",
        "curves",
        "correlation",
        "calibration",
    ),
    "Data": (
        "image_lists",
        "segmentation_data",
        "box_data",
        "pair_data",
        "annotated_data",
        "datum_data",
        "mscnn_data",
        "detectnet",
        "table_data",
        "video_data",
        "collage",
    ),
    "Blobs": (
        "one_hot",
        "shapes",
        "selection",
        "shuffles",
        "products",
        "bilinear",
        "attention",
        "spatial_transformer",
        "deformable",
        "key_points",
        "position_codes",
        "learned",
    ),
    "Sequences and volumes": ("recurrent", "ctc", "label_sequences", "nd_pooling"),
    "Optical flow": ("cost_volume", "flow", "flow_activations", "flow_losses", "resampling", "means", "flow_files"),
    "Activations and normalizers": ("activations", "normalization", "batch_norm"),
    "Noise, gradients, inspection": ("noise", "mixing", "gradients", "inspection"),
}


def grouped(layers: dict[str, type[Layer]]) -> dict[str, list[type[Layer]]]:
    """Return layer classes, given by ``module.Class``, by the title of their group, in the groups' order."""
    groups = {title: list(_of(modules, layers)) for title, modules in GROUPS.items()}
    return {title: found for title, found in groups.items() if found}


def _of(modules: Iterable[str], layers: dict[str, type[Layer]]) -> Iterable[type[Layer]]:
    for module in modules:
        yield from (cls for name, cls in layers.items() if name.rpartition(".")[0] == module)


def matching(layers: dict[str, type[Layer]], words: Iterable[str]) -> dict[str, type[Layer]]:
    """Return the layers whose name, docstring or parameters have all the words, those with them in the name first."""
    wanted = [word.casefold() for word in words]
    found = {
        name: cls
        for name, cls in layers.items()
        if all(word in f"{name} {cls.__doc__} {' '.join(declared(cls))}".casefold() for word in wanted)
    }
    return dict(sorted(found.items(), key=lambda item: not any(word in item[0].casefold() for word in wanted)))
