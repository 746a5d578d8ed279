"""Trained weights in a file, before Caffe reads it: it ends the process over what does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable

from caffe_pylayers import _engine
from caffe_pylayers.cli import UserError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class BlobShape:
    """A stored blob's shape; old files pad it to four axes with ones in front."""

    dims: tuple[int, ...]
    padded: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether Caffe copies such a blob into one of this shape."""
        return self.dims == ((1,) * (4 - len(shape)) + shape if self.padded else shape)


Model = Dict[str, Dict[int, BlobShape]]  # by layer, by number of the blob


def read_model(path: Path) -> Model:
    """The shapes in a caffemodel, binary or HDF5. UserError unless it is there and whole."""
    try:
        with open(path, "rb") as file:
            signature = file.read(len(HDF5_SIGNATURE))
            content = b"" if signature == HDF5_SIGNATURE else signature + file.read()
    except OSError as error:
        raise UserError(f"weights {path}: {error.strerror}") from None
    model = _binary(path, content) if content else _hdf5(path) if signature else {}
    if not model:
        raise _broken(path)
    return model


def _binary(path: Path, content: bytes) -> Model:
    from google.protobuf.message import DecodeError

    net = _engine.messages().NetParameter()
    try:
        net.ParseFromString(content)
    except DecodeError:
        raise _broken(path) from None
    old = [layer.layer if layer.HasField("layer") else layer for layer in net.layers]
    return {layer.name: dict(enumerate(map(shape_of, layer.blobs))) for layer in [*net.layer, *old]}


def shape_of(blob: Any) -> BlobShape:
    """The shape of a BlobProto."""
    old = ("num", "channels", "height", "width")
    if any(map(blob.HasField, old)):
        return BlobShape(tuple(getattr(blob, axis) for axis in old), padded=True)
    return BlobShape(tuple(blob.shape.dim))


def _hdf5(path: Path) -> Model:
    h5py = hdf5_library()
    try:
        with h5py.File(path, "r") as file:
            return {
                name: {int(key): BlobShape(tuple(blob.shape)) for key, blob in layer.items()}
                for name, layer in file["data"].items()
            }
    except (OSError, KeyError, ValueError):  # cut short, without data, with other names in it
        raise _broken(path) from None


def _broken(path: Path) -> UserError:
    return UserError(f"weights {path}: no caffemodel, or not a whole one")


def hdf5_library() -> Any:
    """The h5py module; UserError where it is not installed."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        if error.name != "h5py":
            raise
        raise UserError("HDF5 snapshots and weights need h5py: pip install h5py") from None
    return h5py


@dataclass(frozen=True)
class LearnedBlob:
    """A parameter of a net.

    shared: another layer before has the same one, under the same ``param`` name.
    """

    layer: str
    number: int
    shape: tuple[int, ...]
    shared: bool


def learned_blobs(net: Any) -> list[LearnedBlob]:
    """The parameters of a net, in order."""
    seen: set[int] = set()
    found = []
    for layer, blobs in net.params.items():
        for number, blob in enumerate(blobs):
            address = blob.data.ctypes.data
            found.append(LearnedBlob(layer, number, tuple(blob.shape), address in seen))
            seen.add(address)
    return found


def check_model(path: Path, model: Model, net: Any) -> int:
    """UserError unless Caffe can copy a model into a net; returns how many of its layers it copies."""
    learned: dict[str, list[LearnedBlob]] = {name: [] for name in net._layer_names}
    for blob in learned_blobs(net):
        learned[blob.layer].append(blob)
    common = [name for name in model if name in learned]
    problems = [_mismatch(name, model[name], learned[name]) for name in common]
    if any(problems):
        listed = "\n  ".join(filter(None, problems))
        hint = "to learn a layer anew, give it another name"
        raise UserError(f"weights {path} do not fit the net; {hint}:\n  {listed}")
    copied = sum(bool(model[name]) for name in common)
    if not copied and any(learned.values()):
        raise UserError(f"weights {path}: none of its layers is in the net; it has {', '.join(sorted(model))}")
    return copied


def _mismatch(layer: str, stored: dict[int, BlobShape], learned: list[LearnedBlob]) -> str:
    # HDF5 files hold a shared blob once, with the first of its layers.
    missing = any(not blob.shared and blob.number not in stored for blob in learned)
    fits = all(number < len(learned) and blob.fits(learned[number].shape) for number, blob in stored.items())
    if fits and not missing:
        return ""
    shapes = _listed(blob.dims for blob in stored.values()), _listed(blob.shape for blob in learned)
    return f"{layer}: has {shapes[0]}, the net {shapes[1]}"


def _listed(shapes: Iterable[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes)) or "no blobs"
