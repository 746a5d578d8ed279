"""What segmentation losses read: label maps, or a number in [0, 1] for each prediction; and factors of classes."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.losses.class_table import class_table


def are_numbers(layer: Any, targets: Any, predictions: Any) -> bool:
    """Return True where targets hold a number for each prediction, False for label maps; raise if they are neither.

    targets, predictions: their shapes; predictions (N, C, ...). With one channel the targets are numbers.
    """
    if predictions[1] != 1 and tuple(targets) == tuple(predictions):
        return True
    checks.one_label_each(layer, "bottom[1] (targets)", targets, "bottom[0] (predictions)", predictions, 1)
    return bool(predictions[1] == 1)


def class_places(targets: Any, shape: tuple[int, int, int]) -> Any:
    """Return for each label the flat index of its class 0 in codes of shape (N, C, L)."""
    images, classes, positions = shape
    place = arrays.new(targets, (images, positions), int)
    place[...] = arrays.to_int64(arrays.arange_like(place, images))[:, None] * (classes * positions)
    place += arrays.arange_like(place, positions)
    return place.ravel()


def read_labels(layer: Any, targets: Any, classes: Any, places: Any, codes: Any) -> Any:
    """Write the one-hot codes (N, C, L) of label maps; return the positions (N, 1, L) that count, None for all.

    classes: the numbers 0 .. C-1 like targets; places: class_places.
    """
    index, valid = checks.class_labels(layer, targets, classes, layer.ignore_label)
    images, _, positions = codes.shape
    arrays.fill(codes, 0)
    codes.ravel()[places + index * positions] = 1
    return None if valid is None else valid.reshape(images, 1, positions)


def read_numbers(layer: Any, targets: Any, shape: tuple[int, int, int]) -> Any:
    """Return the targets (N, C, L), 0 where they are ignore_label, and which of them count, None for all."""
    numbers, valid = targets.reshape(shape), None
    if layer.ignore_label is not None:
        valid = numbers != layer.ignore_label
        numbers = numbers * valid
    checks.numbers(layer, "bottom[1] (targets)", targets, None if valid is None else valid.reshape(targets.shape), 0, 1)
    return numbers, valid


def class_factors(layer: Any, weights: Any, exclude: Any, predictions: Any) -> Any:
    """Return v (C,) like the predictions (N, C, ...): the parameters class_weights, and 0 for those of exclude."""
    classes = predictions.shape[1]
    factors = class_table(layer, weights or [1.0] * classes, "class_weights", predictions, 1, "bottom[0] (predictions)")
    for c in exclude:
        if c >= classes:
            raise checks.error(layer, f"parameter exclude names class {c}, which is outside [0, {classes})")
        factors[c] = 0
    return factors
