"""SSD's messages: an image with annotations, as its databases have them, and the names of classes.

They have the numbers of weiliu89/caffe and of all forks that took them from there.
"""

from __future__ import annotations

import functools
from typing import Any

BBOX = 0  # the type of annotations that are boxes

# By message: its fields, each with its type and its number.
_MESSAGES = {
    "Datum": "channels int32 1, height int32 2, width int32 3, data bytes 4, label int32 5, float_data float* 6, "
    "encoded bool 7",
    "NormalizedBBox": "xmin float 1, ymin float 2, xmax float 3, ymax float 4, label int32 5, difficult bool 6, "
    "score float 7, size float 8",
    "Annotation": "instance_id int32 1, bbox NormalizedBBox 2",
    "AnnotationGroup": "group_label int32 1, annotation Annotation* 2",
    "AnnotatedDatum": "datum Datum 1, type int32 2, annotation_group AnnotationGroup* 3",
    "LabelMapItem": "name string 1, label int32 2, display_name string 3",
    "LabelMap": "item LabelMapItem* 1",
}


@functools.lru_cache(maxsize=None)
def message_class(name: str) -> Any:
    """Return the class of one of SSD's messages: AnnotatedDatum, Datum, LabelMap, or one of those inside."""
    from google.protobuf import message_factory

    descriptor = _pool().FindMessageTypeByName(f"ssd.{name}")
    if hasattr(message_factory, "GetMessageClass"):  # from protobuf 4.22 on
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)  # type: ignore[attr-defined]


@functools.lru_cache(maxsize=None)
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="ssd_records.proto", package="ssd", syntax="proto2")
    for message, fields in _MESSAGES.items():
        target = file.message_type.add(name=message)
        for text in fields.split(", "):
            name, kind, number = text.split()
            field = target.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in _MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, f".ssd.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
