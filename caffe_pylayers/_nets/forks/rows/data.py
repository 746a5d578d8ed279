"""Data layers."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect, short_float

_NOISES = "decolorize gauss_blur hist_eq clahe jpeg erode posterize inverse saltpepper convert_to_hsv convert_to_lab"


def _numbers(message: Any) -> dict[str, float]:
    """Return the fields of a message of numbers that are there."""
    return {known.name: short_float(value) for known, value in message.ListFields() if known.message_type is None}


def _transforms(layer: Any) -> dict[str, Any]:
    """Return what the names of SSD's transform_param are here where it is no mere name."""
    transform = layer.transform_param
    found: dict[str, Any] = {}
    if transform.HasField("distort_param"):
        found["distort"] = _numbers(transform.distort_param)
    if transform.force_color or transform.force_gray:
        found["channels"] = "BGR" if transform.force_color else "gray"
    if transform.crop_size or transform.crop_h:
        found["crop"] = [transform.crop_h or transform.crop_size, transform.crop_w or transform.crop_size]
    noise = transform.noise_param
    names = [name for name in _NOISES.split() if (noise.jpeg > 0 if name == "jpeg" else getattr(noise, name))]
    if names:
        found["noise"] = names
    if "jpeg" in names:
        found["jpeg_quality"] = int(noise.jpeg)
    if "saltpepper" in names:
        found["saltpepper_fraction"] = short_float(noise.saltpepper_param.fraction)
        found["saltpepper_value"] = list(noise.saltpepper_param.value)
    return found


def _samplers(layer: Any) -> dict[str, Any]:
    found = []
    for each in layer.annotated_data_param.batch_sampler:
        if each.use_original_image:
            bounds = {**_numbers(each.sampler), **_numbers(each.sample_constraint), **_numbers(each)}
            bounds.pop("use_original_image", None)
            found.append(bounds)
    return {"batch_samplers": found} if found else {}


_SSD = (
    "source backend batch_size shuffle scale mirror mean_value=mean mean_file "
    "resize_param.height+resize_param.width=resize resize_param.resize_mode "
    "resize_param.interp_mode=interpolation resize_param.pad_mode resize_param.pad_value "
    "resize_param.height_scale+resize_param.width_scale=size_scale "
    "expand_param.prob=expand_prob expand_param.max_expand_ratio "
    "emit_constraint.emit_type emit_constraint.emit_overlap"
)
_READ = "distort_param noise_param crop_size crop_h crop_w force_color force_gray"
_IGNORED = "rand_skip prefetch cache threads parser_threads use_gpu_transform resize_param.prob"

ROWS = [
    Dialect(
        "AnnotatedData",
        "annotated_data.AnnotatedData",
        "annotated_data_param transform_param data_param",
        _SSD,
        read=f"{_READ} batch_sampler",
        ignored=f"{_IGNORED} label_map_file anno_type",
        more=lambda layer: {**_transforms(layer), **_samplers(layer)},
    ),
]
