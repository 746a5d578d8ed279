"""Data layers."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.images.noises import NOISES
from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.reading import short_float


def _numbers(message: Any) -> dict[str, float]:
    """Return the fields of a message of numbers that are there."""
    return {known.name: short_float(value) for known, value in message.ListFields() if known.message_type is None}


def _transforms(layer: Any) -> dict[str, Any]:
    """Return what the names of SSD's transform_param are here where it is no mere name."""
    transform = layer.transform_param
    found: dict[str, Any] = {}
    if transform.force_color or transform.force_gray:
        found["channels"] = "BGR" if transform.force_color else "gray"
    if transform.crop_size or transform.crop_h:
        found["crop"] = [transform.crop_h or transform.crop_size, transform.crop_w or transform.crop_size]
    noise = transform.noise_param
    names = [name for name in NOISES if (noise.jpeg > 0 if name == "jpeg" else getattr(noise, name))]
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


def _distortions(layer: Any) -> dict[str, Any]:
    transform = layer.transform_param
    return {"distort": _numbers(transform.distort_param)} if transform.HasField("distort_param") else {}


def _random_sizes(layer: Any) -> dict[str, Any]:
    """Return what NVIDIA's random sizes are here."""
    transform = layer.transform_param
    found: dict[str, Any] = {}
    if transform.img_rand_resize_lower and transform.img_rand_resize_upper:
        found["shorter"] = [transform.img_rand_resize_lower, transform.img_rand_resize_upper]
    if transform.rand_resize_ratio_lower >= 1 and transform.rand_resize_ratio_upper > 1:
        found["ratio"] = _ends(transform, "rand_resize_ratio")
    for ours, theirs in (("stretch_height", "vertical_stretch"), ("stretch_width", "horizontal_stretch")):
        if transform.HasField(f"{theirs}_lower") or transform.HasField(f"{theirs}_upper"):
            found[ours] = _ends(transform, theirs)
    return {**found, **_random_parts(transform)}


def _random_parts(transform: Any) -> dict[str, Any]:
    """Return what Intel's random sizes and parts are here; the sizes go first."""
    if transform.HasField("random_resize_param"):
        param = transform.random_resize_param
        found: dict[str, Any] = {"shorter": [param.min_size, param.max_size], "upscale": True, "round_down": True}
    elif transform.HasField("random_aspect_ratio_param"):
        param = transform.random_aspect_ratio_param
        found = {"random_area": [short_float(param.min_area_ratio), short_float(param.max_area_ratio)]}
        found.update(aspect_change=short_float(param.aspect_ratio_change), attempts=param.max_attempt)
    else:
        return {}
    modes = param.resize_param.DESCRIPTOR.fields_by_name["interp_mode"].enum_type.values_by_number
    mode = modes[param.resize_param.interp_mode[0]].name.lower() if param.resize_param.interp_mode else "linear"
    return {**found, "interpolation_down": mode, "interpolation_up": mode}


def _ends(transform: Any, name: str) -> list[float]:
    return sorted(short_float(getattr(transform, f"{name}_{end}")) for end in ("lower", "upper"))


_NVIDIA = " ".join(
    f"{name}_{end}"
    for name in ("img_rand_resize", "rand_resize_ratio", "vertical_stretch", "horizontal_stretch")
    for end in ("lower", "upper")
)


def _segments(layer: Any) -> dict[str, Any]:
    transform = layer.transform_param
    found: dict[str, Any] = {"fixed_crops": "none"}
    if transform.fix_crop:
        found["fixed_crops"] = "more" if transform.more_fix_crop else "corners"
    if transform.crop_size:
        found["crop"] = [transform.crop_size] * 2
    if layer.video_data_param.grayscale:
        found["channels"] = "gray"
    return {**found, **_mean_of_each(transform)}


def _mean_of_each(transform: Any) -> dict[str, Any]:
    """Return the means of one image, which TSN repeats for each that is stacked."""
    means = [short_float(value) for value in transform.mean_value]
    for channels in (1, 3):
        if len(means) > channels and means == means[:channels] * (len(means) // channels):
            return {"mean": means[:channels]}
    return {}


def _listed(layer: Any) -> dict[str, Any]:
    """Return what the crop and the colours of a layer of listed images or videos are here."""
    crop = layer.transform_param.crop_size
    own = layer.image_data_param if layer.type == "ImageData" else layer.video_data_param
    return {**({"crop": [crop, crop]} if crop else {}), **({} if own.is_color else {"channels": "gray"})}


def _video(layer: Any) -> dict[str, Any]:
    video = layer.video_data_param
    from_file = video.video_type  # 0: WEBCAM, 1: VIDEO
    return {"video_file": video.video_file} if from_file else {"device_id": video.device_id}


def _of_segments(layer: Any) -> bool:
    """Return True for TSN's VideoData."""
    return any(layer.video_data_param.HasField(name) for name in ("num_segments", "modality", "name_pattern"))


def _grid(layer: Any) -> dict[str, Any]:
    truth = layer.detectnet_groundtruth_param
    found: dict[str, Any] = {"size": [truth.image_size_y, truth.image_size_x]}
    if truth.object_class:
        found["classes"] = {str(each.src): each.dst for each in truth.object_class}
    return found


_INTEL = "random_resize_param random_aspect_ratio_param"


def _has_more(layer: Any) -> bool:
    """Return True for a Data layer that is more than stock Caffe's."""
    more = f"resize_param noise_param crop_h crop_w {_NVIDIA} {_INTEL}".split()
    return layer.data_param.shuffle or any(known.name in more for known, _ in layer.transform_param.ListFields())


def _yolo(layer: Any) -> dict[str, Any]:
    """Return what MobileNet-YOLO's layer has besides; its windows count where they are asked for, or YOLO's labels."""
    own, sizes = layer.annotated_data_param, layer.transform_param.resize_param
    found: dict[str, Any] = {}
    if own.yolo_data_type == 1:
        found.update(label_form="yolo", use_difficult_gt=own.train_diffcult)
    if (own.yolo_data_type == 1 or own.HasField("yolo_data_jitter")) and not own.batch_sampler:
        found["jitter"] = short_float(own.yolo_data_jitter)
    if len(sizes) > 1:
        found["sizes"] = [[each.height, each.width] for each in sizes]
        found["size_probs"] = [short_float(each.prob) for each in sizes]
    return found


_FITTED = (
    "batch_size scale mirror mean_value=mean mean_file "
    "resize_param.height+resize_param.width=resize resize_param.resize_mode "
    "resize_param.interp_mode=interpolation resize_param.pad_mode resize_param.pad_value"
)
_LISTED = (
    "source batch_size shuffle root_folder=root new_height+new_width=resize scale mirror mean_value=mean mean_file"
)
_RECORDS = f"source backend shuffle {_FITTED}"
_NOISES = " ".join(f"noise_param.{name}" for name in (*NOISES, "saltpepper_param"))
_READ = f"{_NOISES} crop_size crop_h crop_w force_color force_gray"
_IGNORED = "rand_skip prefetch resize_param.prob"

ROWS = [
    Dialect(
        "AnnotatedData",
        "annotated_data.AnnotatedData",
        "annotated_data_param transform_param data_param",
        f"{_RECORDS} resize_param.height_scale+resize_param.width_scale=size_scale expand_param.prob=expand_prob "
        "expand_param.max_expand_ratio emit_constraint.emit_type emit_constraint.emit_overlap",
        read=f"{_READ} distort_param batch_sampler yolo_data_type yolo_data_jitter train_diffcult",
        ignored=f"{_IGNORED} label_map_file anno_type",
        more=lambda layer: {**_transforms(layer), **_distortions(layer), **_samplers(layer), **_yolo(layer)},
    ),
    Dialect(
        "Data",
        "datum_data.DatumImages",
        "transform_param data_param",
        f"{_RECORDS} allow_upscale=upscale interpolation_algo_down=interpolation_down "
        "interpolation_algo_up=interpolation_up",
        read=f"{_READ} {_NVIDIA} {_INTEL}",
        ignored=_IGNORED,
        values={f"inter_{name}": name for name in ("nearest", "linear", "cubic", "area")},
        more=lambda layer: {**_transforms(layer), **_random_sizes(layer)},
        meant=_has_more,
    ),
    Dialect(
        "VideoData",
        "video_data.VideoSegments",
        "video_data_param transform_param",
        "source batch_size shuffle new_height+new_width=resize new_length=length num_segments=segments modality "
        "name_pattern scale mirror mean_value=mean mean_file multi_scale scale_ratios max_distort is_flow=turn_flow",
        read="fix_crop more_fix_crop crop_size grayscale",
        ignored="rand_skip encoded",
        more=_segments,
        meant=_of_segments,
    ),
    Dialect(
        "VideoData",
        "video_data.VideoClips",
        "video_data_param transform_param",
        f"{_LISTED} new_length=length",
        read="crop_size is_color",
        ignored="rand_skip",
        more=lambda layer: {"starts": "listed", **_listed(layer)},
        meant=lambda layer: layer.video_data_param.HasField("source") and not _of_segments(layer),
    ),
    Dialect(
        "ImageData",
        "image_lists.ImageList",
        "transform_param image_data_param",
        f"{_LISTED} pair_size=together",
        read="crop_size is_color",
        ignored="rand_skip",
        more=lambda layer: {"label_count": 1, **_listed(layer)},
        meant=lambda layer: layer.image_data_param.pair_size > 1,
    ),
    Dialect(
        "VideoData",
        "video_data.VideoFrames",
        "transform_param data_param video_data_param",
        f"skip_frames {_FITTED}",
        read=f"video_type video_file device_id {_READ}",
        ignored=_IGNORED,
        more=lambda layer: {**_transforms(layer), **_video(layer)},
        meant=lambda layer: not layer.video_data_param.HasField("source"),
    ),
    Dialect(
        "DetectNetTransformation",
        "detectnet.DetectNetTransformation",
        "detectnet_groundtruth_param detectnet_augmentation_param transform_param",
        "stride scale_cvg gridbox_type max_cvg_len min_cvg_len obj_norm crop_bboxes crop_prob shift_x shift_y "
        "scale_prob scale_min scale_max flip_prob rotation_prob max_rotate_degree hue_rotation_prob hue_rotation "
        "desaturation_prob desaturation_max mean_value=mean mean_file",
        read="image_size_x image_size_y object_class",
        ignored="coverage_type",
        values={"gridbox_max": "max", "gridbox_min": "min"},
        more=_grid,
    ),
]
