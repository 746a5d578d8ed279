"""Pipelines of albumentations, as ``albumentations.save`` writes them."""

from __future__ import annotations

import copy
import os
import threading
from typing import Any

import numpy as np

from caffe_pylayers._layer.quote import one_line


class Pipeline:
    """A pipeline from a file, JSON or YAML; its random numbers are the item's.

    OSError or ValueError for what cannot be read, ImportError without albumentations.
    """

    def __init__(self, path: str) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or its import asks a server for a newer version
        try:
            import albumentations
        except ImportError as error:
            raise ImportError(
                f"the parameter albumentations needs albumentations ({error}): pip install 'caffe-pylayers[augment]'"
            ) from error
        if not hasattr(albumentations.Compose, "set_random_seed"):
            raise ImportError(f"albumentations {albumentations.__version__} cannot be seeded; it needs 1.4.19 or newer")
        kind = "yaml" if path.endswith((".yaml", ".yml")) else "json"
        try:
            loaded = albumentations.load(path, data_format=kind)
        except OSError:
            raise
        except Exception as error:  # of either format, and of the classes that it names
            raise ValueError(f"{path}: is no pipeline of albumentations ({one_line(str(error))})") from error
        self._library, self._transforms = albumentations, getattr(loaded, "transforms", [loaded])
        self._own = threading.local()  # a pipeline keeps the state of its random numbers: each thread has one

    def __call__(self, rng: Any, images: Any, label_map: Any, boxes: Any, blue_first: bool) -> tuple[Any, Any, Any]:
        """Return images, label map and boxes, changed together; see augment.py for their forms.

        blue_first: of the images' channels; pipelines take them with red first.
        """
        composed = self._composed(boxes is not None)
        composed.set_random_seed(int(rng.random() * 2**31))
        given = {"images": np.stack([image[:, :, ::-1] if blue_first else image for image in images])}
        if label_map is not None:
            given["mask"] = label_map
        if boxes is not None:
            given.update(bboxes=boxes[:, :4], rows=np.arange(len(boxes)))
        found = composed(**given)
        if boxes is not None:
            left = np.asarray(found["rows"], np.int64)
            boxes = np.concatenate([np.reshape(found["bboxes"], (-1, 4)), boxes[left, 4:]], 1)
        changed = [image[:, :, ::-1] if blue_first else image for image in found["images"]]
        return changed, found.get("mask"), boxes

    def _composed(self, boxes: bool) -> Any:
        name = "with_boxes" if boxes else "without"
        if not hasattr(self._own, name):
            params = self._library.BboxParams("pascal_voc", label_fields=["rows"]) if boxes else None
            setattr(self._own, name, self._library.Compose(copy.deepcopy(self._transforms), bbox_params=params))
        return getattr(self._own, name)
