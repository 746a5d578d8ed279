"""SegNet, ENet, PSPNet, DeepLab, HED."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.normalize import NORMALIZATIONS, by_normalize
from caffe_pylayers._nets.forks.reading import short_float


def _by_factors(layer: Any) -> bool:
    """Return True for an Interp whose factors give the size: one that is there alone, or both without a size."""
    param = layer.interp_param
    factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
    return factors == 1 or (factors == 2 and not (param.HasField("height") and param.HasField("width")))


def _unpools(layer: Any) -> bool:
    """Return True for SegNet's Upsample, which has a mask; YOLO's has one bottom."""
    return len(layer.bottom) > 1


def _to_size(layer: Any) -> bool:
    return (
        _unpools(layer) and layer.upsample_param.HasField("upsample_h") and layer.upsample_param.HasField("upsample_w")
    )


def _zoom_factor(layer: Any) -> dict[str, Any]:
    param = layer.upsample_param
    if param.HasField("scale_h"):
        return {"zoom_factor": [param.scale_h, param.scale_w]}
    return {"zoom_factor": [param.scale]}


def _repeats(layer: Any) -> dict[str, Any]:
    """Return the parameters of YOLO's Upsample, whose scale is 1 by default; SegNet's is 2."""
    scale = layer.upsample_param.scale if layer.upsample_param.HasField("scale") else 1
    return {"mode": "nearest", "coordinates": "asymmetric", "zoom_factor": scale}


def _weighs_classes(layer: Any) -> bool:
    return bool(layer.loss_param.weight_by_label_freqs)


def _class_weights(layer: Any) -> dict[str, Any]:
    weights = [short_float(weight) for weight in layer.loss_param.class_weighting]
    return {"class_weights": weights, **by_normalize(layer)}


def _drop_class_weights(layer: Any) -> None:
    layer.loss_param.ClearField("class_weighting")


def _of_images(layer: Any, own: Any) -> dict[str, Any]:
    """Return what data layers say in several fields, own: of their own message.

    Sizes of 0 are none. A crop has the size of transform_param's crop_size, or two of its own.
    """
    transform = layer.transform_param
    places = (own, transform) if "crop_height" in own.DESCRIPTOR.fields_by_name else (transform,)
    crops = [(place.crop_height, place.crop_width) for place in places] + [(transform.crop_size,) * 2]
    return {
        "channels": "BGR" if own.is_color else "gray",
        "resize": [own.new_height, own.new_width] if own.new_height and own.new_width else None,
        "crop": next((list(crop) for crop in crops if all(crop)), None),
    }


_IMAGES = "source batch_size shuffle root_folder=root scale mean_value=mean mirror"
_OF_IMAGES = "is_color new_height new_width crop_size crop_height crop_width"

ROWS = [
    Dialect(
        "Upsample",
        "unpooling.MaxUnpool",
        "upsample_param",
        "upsample_h+upsample_w=size",
        ignored="scale scale_h scale_w pad_out_h pad_out_w",
        more=lambda layer: {"legacy_gradient": True},
        meant=_to_size,
    ),
    Dialect(
        "Upsample",
        "unpooling.MaxUnpool",
        "upsample_param",
        "pad_out_h pad_out_w",
        read="scale scale_h scale_w",
        more=lambda layer: {**_zoom_factor(layer), "legacy_gradient": True},
        meant=_unpools,
    ),
    Dialect("Upsample", "resizing.ResizeFeatures", "upsample_param", read="scale", more=_repeats),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "pad_beg pad_end",
        ignored="use_blob_size height width zoom_factor shrink_factor",
        meant=lambda layer: layer.interp_param.use_blob_size,  # that of the second bottom
    ),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "zoom_factor shrink_factor pad_beg pad_end",
        ignored="height width",
        meant=_by_factors,
    ),
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "height+width=size pad_beg pad_end",
        ignored="zoom_factor shrink_factor",
    ),
    Dialect(
        "SegAccuracy",
        "segmentation_metrics.SegAccuracy",
        "seg_accuracy_param",
        "ignore_label",
        ignored="metric",  # all three are in the top
        read="reset",
        more=lambda layer: {"report": "batch" if layer.seg_accuracy_param.reset else "running"},
    ),
    Dialect(
        "SoftmaxWithLoss",
        "cross_entropy.SoftmaxCrossEntropyLoss",
        "loss_param softmax_param",
        "axis ignore_label normalization",
        read="normalize weight_by_label_freqs class_weighting",
        values=NORMALIZATIONS,
        more=_class_weights,
        meant=_weighs_classes,
    ),
    # Without weight_by_label_freqs nothing reads them.
    Dialect("SoftmaxWithLoss", equal="SoftmaxWithLoss", change=_drop_class_weights),
    Dialect(
        "DenseImageData",
        "segmentation_data.SegmentationPairs",
        "dense_image_data_param transform_param",  # of the two mirrors the first one counts
        f"{_IMAGES} label_divide_factor",
        ignored="rand_skip",
        read=_OF_IMAGES,
        more=lambda layer: _of_images(layer, layer.dense_image_data_param),
    ),
    Dialect(
        "ImageSegData",
        "segmentation_data.SegmentationPairs",
        "transform_param image_data_param",  # which has old fields of the other's names
        f"{_IMAGES} scale_factors label_type ignore_label",
        ignored="rand_skip",
        read=_OF_IMAGES,
        more=lambda layer: {**_of_images(layer, layer.image_data_param), "crop_padding": "end"},
    ),
    Dialect(
        "ImageLabelmapData",
        "segmentation_data.SegmentationPairs",
        "transform_param image_data_param",
        _IMAGES,
        ignored="rand_skip",
        read="is_color crop_size",
        more=lambda layer: {**_of_images(layer, layer.image_data_param), "label_threshold": 128},
    ),
    Dialect(
        "SigmoidCrossEntropyLoss",
        "cross_entropy.SigmoidCrossEntropyLoss",
        "loss_param",
        "balanced",
        meant=lambda layer: bool(layer.loss_param.balanced),
    ),
]
