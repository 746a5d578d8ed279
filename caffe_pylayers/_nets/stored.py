"""Caffe's rules for stored models and solver states: their layers, their blobs' shapes, and what fits a net.

Real Caffe ends the process over a file that does not fit, and a damaged one may claim any size: shapes are compared
here, before values are read.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence, Tuple

from google.protobuf.message import DecodeError

from caffe_pylayers._disk import hdf5
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets import upgrade
from caffe_pylayers._nets.forks.messages import weights_alone

Shape = Tuple[int, ...]

RENAME = "to learn a layer anew, give it another name"
_BEGINNING = 40  # bytes of a file that is none, which are shown where they are a text
_LEGACY = ("num", "channels", "height", "width")


class BlobShape(NamedTuple):
    """A stored blob's shape.

    legacy: the blob has one of the four old fields, num to width; then Caffe looks at these alone, and smaller shapes
    have ones in front.
    """

    dims: Shape
    legacy: bool = False

    def fits(self, shape: Shape) -> bool:
        """Return True if Caffe copies such a blob into one of this shape."""
        return self.dims == ((1,) * (len(_LEGACY) - len(shape)) + shape if self.legacy else shape)

    def is_same_vector(self, shape: Shape) -> bool:
        """Return True if the blob and one of this shape are vectors of one length, whatever their axes of length 1."""
        mine, others = ([size for size in sizes if size != 1] for sizes in (self.dims, shape))
        return mine == others and len(mine) < 2


Blobs = Mapping[int, BlobShape]  # by their number in the layer
AskBlobs = Callable[[], Mapping[str, Blobs]]  # by layer, for those who may not need them


def of_all(files: Sequence[AskBlobs]) -> AskBlobs | None:
    """Return what tells each layer's blobs in the last of these files that has some, which stay; None for no files."""
    if not files:
        return None
    return lambda: {layer: blobs for file in files for layer, blobs in file().items() if blobs}


class Model(NamedTuple):
    """The blobs' shapes of each layer of a stored model; hdf5: it is HDF5, where a shared blob is there once."""

    layers: dict[str, Blobs]
    hdf5: bool

    def blobs(self) -> Mapping[str, Blobs]:
        """Return the blobs' shapes of each layer, for ``prototxt.read_net``."""
        return self.layers


class Learned(NamedTuple):
    """A net's parameter. shared: another layer before has the same one, under the same ``param`` name.

    of_fork: its layer is of a fork, whose older files have vectors in other shapes.
    """

    shape: Shape
    shared: bool
    of_fork: bool = False


def blob_shape(blob: Any) -> BlobShape:
    """Return the shape of a BlobProto."""
    if any(map(blob.HasField, _LEGACY)):
        return BlobShape(tuple(getattr(blob, axis) for axis in _LEGACY), legacy=True)
    return BlobShape(tuple(blob.shape.dim))


def parse_model(content: bytes, net: Any, path: Any) -> bool:
    """Fill an empty NetParameter from a binary caffemodel and bring it to the current format.

    Returns False for one of a fork that Caffe itself cannot read: net then has the layers' names, types and blobs
    alone. ValueError, with ``path``, for content that is none, or not a whole one.
    """
    if not content:
        raise ValueError(f"{path}: empty")
    as_it_is = True
    try:
        net.ParseFromString(content)
    except DecodeError:
        as_it_is = False
        weights = weights_alone(content, net)
        if weights is None:
            raise ValueError(f"{path}: {_as_text(content)}no caffemodel, or not a whole one") from None
        net.ParseFromString(weights)
    upgrade.upgrade_net(net, path)
    return as_it_is


def _as_text(content: bytes) -> str:
    """Say how a text begins that is in the place of weights: a page that reports an error, a pointer of Git LFS."""
    start = content[:_BEGINNING].decode("latin-1")
    is_text = len(start) == _BEGINNING and start.isascii() and " ".join(start.split()).isprintable()
    return f"a text, {quoted(start)}, " if is_text else ""


def layer_blobs(layer: Any) -> Blobs:
    """Return the shapes of a LayerParameter's blobs."""
    return dict(enumerate(map(blob_shape, layer.blobs)))


def hdf5_layers(file: Any, path: Any) -> dict[str, Blobs]:
    """Return the blobs' shapes of each layer of an open HDF5 caffemodel; hdf5.ContentError for what is none."""
    return {
        name: {
            hdf5.number(key, f"{path}: layer {quoted(name)}"): BlobShape(
                hdf5.shape(blob, f"{path}: layer {quoted(name)}, blob {key}")
            )
            for key, blob in hdf5.group(layer, f"{path}: layer {quoted(name)}").items()
        }
        for name, layer in hdf5.group(file["data"], f"{path}: data").items()
    }


def model_blobs(net: Any) -> dict[str, Blobs]:
    """Return the blobs' shapes of each layer of a NetParameter."""
    return {layer.name: layer_blobs(layer) for layer in net.layer}


def misfit(layer: str, stored: Blobs, learned: Sequence[Learned], hdf5: bool) -> str:
    """Say why Caffe cannot copy a stored layer's blobs into a net's; "" where it can.

    hdf5: the file is HDF5, which may lack a shared blob.
    """
    missing = [i for i, blob in enumerate(learned) if i not in stored and not (hdf5 and blob.shared)]
    if missing or any(i >= len(learned) for i in stored):
        return f"layer {quoted(layer)} has {len(stored)} blobs, the net's {len(learned)}"
    for i, blob in sorted(stored.items()):
        of_fork = learned[i].of_fork
        if not (blob.fits(learned[i].shape) or (of_fork and blob.is_same_vector(learned[i].shape))):
            return f"layer {quoted(layer)}, blob {i} has shape {blob.dims}, the net's {learned[i].shape}"
    return ""


def history_misfit(stored: Sequence[Shape], history: Sequence[Shape]) -> str:
    """Say why a stored solver state's blobs are not those of a solver; "" where they are.

    Ones in front do not count: files of older Caffes have them.
    """
    if len(stored) != len(history):
        return f"holds {len(stored)} blobs of history, this solver {len(history)}; it is of another solver type or net"
    for i, (found, wanted) in enumerate(zip(stored, history)):
        if _without_ones(found) != _without_ones(wanted):
            return f"history blob {i} has shape {found}, this solver's {wanted}"
    return ""


def _without_ones(shape: Shape) -> Shape:
    start = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[start:])
