"""The net: Caffe's Net with pycaffe's interface."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.titles import naming
from caffe_pylayers.runtime.files import weights
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.net import arguments, arrays, batches, debug_info, notebook
from caffe_pylayers.runtime.net.graph import Graph
from caffe_pylayers.runtime.net.names import Names
from caffe_pylayers.runtime.net.run import Run
from caffe_pylayers.runtime.net.step import Step
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto.caffe_pb2 import Phase

Arrays = dict[str, Any]


class Net:
    """A net built from a prototxt, in one phase.

    Net(network_file, phase, level=0, stages=None, weights=None), as pycaffe has it; the older
    Net(network_file, weights, phase) is accepted. A NetParameter stands for a file; paths are str, bytes or PathLike.

    Raises TypeError for arguments of other kinds, RuntimeError for a file that is missing, ValueError with file, line
    and column for one that cannot be read, before the net is made, and LayerError for what a layer refuses.
    """

    def __init__(
        self,
        network_file: Any,
        phase: Any = None,
        *args: Any,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: Any = None,
    ) -> None:
        allocator.keep_pages()
        given = arguments.read(network_file, phase, args, level, stages, weights, stacklevel=3)
        self.name: str = given.param.name
        self.phase = given.state.phase
        self.debug_info: bool = given.param.debug_info  # True if each layer logs means of its blobs
        with naming(given.file):
            self._graph = Graph(given.param, given.state)
        self._names = Names(self._graph)
        self.steps: Sequence[Step] = self._graph.steps  # the layers as the net runs them
        self._run = Run(self._graph, self._title())
        parameters = self._graph.parameters
        self.learnable = parameters.learnable
        self.lr_mults, self.decay_mults = parameters.lr_mults, parameters.decay_mults
        if given.weights is not None:
            given.weights.copy_to(self)
        del given  # and with it the file's values: their pages go back to the system too
        allocator.return_pages()

    # --- layers and blobs ------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The layers in order, automatic Splits among them; for a Python layer the instance of its class.

        The blobs of one with ``array_api = True`` are the tensors that it computes with; ``params`` has arrays of all.
        """
        return [step.worker for step in self.steps]

    @property
    def layer_dict(self) -> OrderedDict[str, Any]:
        """The layers by name."""
        return self._names.layers

    @property
    def blobs(self) -> OrderedDict[str, Blob]:
        """The blobs by name, from input to output."""
        return self._names.blobs

    @property
    def params(self) -> OrderedDict[str, BlobVec]:
        """The learned blobs of each layer that has any, by the layer's name."""
        return self._names.params

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """The loss weight of each blob: the one in the last layer that writes it."""
        return self._names.loss_weights

    @property
    def inputs(self) -> list[str]:
        """The names of the tops of Input layers."""
        return self._names.inputs

    @property
    def outputs(self) -> list[str]:
        """The names of the blobs that no layer reads."""
        return self._names.outputs

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """The names of each layer's tops."""
        return self._names.tops

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """The names of each layer's bottoms."""
        return self._names.bottoms

    @property
    def _layer_names(self) -> list[str]:
        return [step.layer.name for step in self.steps]

    @property
    def _blob_names(self) -> list[str]:
        return self._graph.names

    @property
    def _blobs(self) -> list[Blob]:
        return self._graph.blobs

    @property
    def _blob_loss_weights(self) -> list[float]:
        return self._graph.loss_weights()

    @property
    def _inputs(self) -> list[int]:
        return self._graph.inputs

    @property
    def _outputs(self) -> list[int]:
        return self._graph.outputs

    @property
    def shared_parameters(self) -> set[tuple[int, int]]:
        """The learned blobs that several layers share, each by its layer's index and its number there."""
        owners = self._graph.parameters.owners
        return {*owners, *owners.values()}

    def is_called_back_by(self, callback: Any) -> bool:
        """True if this is the only callback."""
        return self._run.callbacks() == [callback]

    def _top_ids(self, layer: int) -> list[int]:
        return self.steps[layer].top_ids

    def _bottom_ids(self, layer: int) -> list[int]:
        return self.steps[layer].bottom_ids

    def _param_owner(self, layer: int, number: int) -> int:
        """Return the index of the layer that owns a learned blob; -1 if this layer does."""
        return self._graph.parameters.owners.get((layer, number), (-1, 0))[0]

    def __repr__(self) -> str:
        count = sum(blob.count for blob in self.learnable)
        return f"<{self._title()}: {Phase.Name(self.phase)}, {len(self.steps)} layers, {count} parameters>"

    def _title(self) -> str:
        return f"{type(self).__name__} {quoted(self.name)}"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return notebook.table(repr(self), self.steps, self._blob_names)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise RuntimeError(
            f"a {type(self).__name__} cannot be copied or pickled: net.save(path), then "
            f"caffe.Net(prototxt, phase, weights=path), or share_with, there"
        )

    # --- running ---------------------------------------------------------------------------------

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run the net forward, or its layers from ``start`` to ``end``.

        kwargs: arrays for the inputs, by name. Returns the outputs' arrays by name (with ``end``,
        those of that layer's tops), and those of the named ``blobs``; they are the blobs' memory.

        Raises ValueError for a layer that the net lacks, KeyError for a blob, and Exception, which is pycaffe's own
        here, for arrays that are not the inputs' or not of their batch size.
        """
        first = 0 if start is None else self._names.index(start)
        last = len(self.steps) - 1 if end is None else self._names.index(end)
        wanted = self._names.union(self.outputs if end is None else self.top_names[end], blobs)
        if kwargs:
            arrays.set_data(self.blobs, self.inputs, kwargs)
        self._run.forward(first, last, self.debug_info)
        self.check_values()
        return {name: arrays.read(self.blobs, name, "data") for name in wanted}

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run the net backward, or its layers from ``start`` down to ``end``.

        kwargs: gradients for the outputs, by name. Returns the inputs' gradients by name (with
        ``end``, those of that layer's bottoms), and those of the blobs named in ``diffs``. Raises as forward does.
        """
        first = len(self.steps) - 1 if start is None else self._names.index(start)
        last = 0 if end is None else self._names.index(end)
        wanted = self._names.union(self.inputs if end is None else self.bottom_names[end], diffs)
        if kwargs:
            arrays.set_diffs(self.blobs, self.outputs, kwargs)
        self._backward(first, last)
        return {name: arrays.read(self.blobs, name, "diff") for name in wanted}

    def _forward(self, first: int, last: int) -> float:
        """Run layers first to last and return the sum of their weighted losses; IndexError for layers it lacks."""
        loss = self._run.forward(first, last, self.debug_info)
        self.check_values()
        return float(loss)

    def _backward(self, first: int, last: int) -> None:
        """Run the layers that need it backward, from the higher index first to last. IndexError as in _forward."""
        self._run.backward(first, last, self.debug_info)

    def forward_loss(self) -> Any:
        """Run the whole net forward and return the sum of its weighted losses.

        On a GPU that is a scalar there, which waits only when it is read, and wrong values, such as labels outside
        their range, are raised by ``check_values``, or else by the next forward.
        """
        return self._run.forward(0, len(self.steps) - 1, self.debug_info)

    def check_values(self) -> None:
        """Raise what the last forward's layers have found wrong in values on a GPU; on the CPU they have done so."""
        self._run.late.settle()

    def backward_all(self) -> None:
        """Run the whole net backward."""
        self._run.backward(len(self.steps) - 1, 0, self.debug_info)
        if self.debug_info:
            LOGGER.error("%s", debug_info.norms(self.learnable))  # an error, as in Caffe: shown at any log level

    def reuse_memory(self, backward: bool = True) -> None:
        """Give values and gradients of blobs in between back, once no layer reads them: see net/reuse.py.

        For who looks at the net's inputs, outputs, losses and learned blobs alone, and runs its layers in order.
        Arrays that are held already stay what they are. backward: whether a backward follows each forward.
        """
        self._run.reuse_memory(backward)

    def reshape(self) -> None:
        """Reshape every layer, after the shape of an input has changed."""
        for step in self.steps:
            step.reshape(always=True)

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> Arrays:
        """Run the net forward in batches over arrays of any length, by input name.

        Returns arrays of that length: the outputs and the named ``blobs``. ValueError without any arrays.
        """
        return batches.forward_all(self, list(blobs or ()), kwargs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[Arrays, Arrays]:
        """Run forward and backward in batches over arrays of any length: inputs, and gradients of outputs, by name.

        Returns two dictionaries of arrays of that length: the outputs and ``blobs``; the gradients of the inputs and
        of ``diffs``. ValueError without any arrays.
        """
        return batches.forward_backward_all(self, list(blobs or ()), list(diffs or ()), kwargs)

    def _batch(self, blobs: Arrays) -> Iterator[Arrays]:
        """Give arrays of any length in batches of the net's size, the last one padded with zeros."""
        return batches.split(self, blobs)

    # --- callbacks -------------------------------------------------------------------------------

    def before_forward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index before each layer's forward."""
        self._run.before_forward.append(callback)

    def after_forward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index after each layer's forward."""
        self._run.after_forward.append(callback)

    def before_backward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index before each layer's backward."""
        self._run.before_backward.append(callback)

    def after_backward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index after each layer's backward.

        A callback with an attribute ``by_unit``, which is true, is called once for layers that the net computes
        together, with the first's index; any other has the net compute each layer by itself.
        """
        self._run.after_backward.append(callback)

    # --- parameters and files --------------------------------------------------------------------

    def clear_param_diffs(self) -> None:
        """Set the gradients of all learned blobs to zero."""
        self._run.clear_gradients()

    def share_with(self, other: Net) -> None:
        """Share the other net's learned blobs, in one memory, for all layers of the same name.

        Raises LayerError for a layer whose learned blobs have other shapes, TypeError for anything but a net.
        """
        if not isinstance(other, Net):
            raise TypeError(f"takes a net, got {other!r}")
        self._graph.share_with(other._graph)

    def copy_from(self, path: Any) -> None:
        """Load trained weights for the layers of the same name, from a caffemodel, binary or HDF5.

        Raises ValueError, before anything is copied, for a file whose blobs do not fit.
        """
        weights.load(self, os.fsdecode(path))
        allocator.return_pages()

    def save(self, path: Any, write_diff: bool = False) -> None:
        """Save the weights as a binary caffemodel, with their gradients if ``write_diff``."""
        weights.save(self, os.fsdecode(path), write_diff)

    def save_hdf5(self, path: Any, write_diff: bool = False) -> None:
        """Save the weights as an HDF5 caffemodel, with their gradients if ``write_diff``."""
        weights.save_hdf5(self, os.fsdecode(path), write_diff)

    def load_hdf5(self, path: Any) -> None:
        """Load trained weights for the layers of the same name, from an HDF5 caffemodel; ValueError as copy_from."""
        weights.load_hdf5(self, os.fsdecode(path))

    def set_input_arrays(self, data: Any, labels: Any) -> None:
        """Feed a MemoryData layer, the first: float32 data (N, C, H, W), labels (N,), N a multiple of its batch.

        RuntimeError for other arrays, and for a net with another first layer.
        """
        if getattr(labels, "ndim", None) == 1:
            labels = np.ascontiguousarray(labels[:, np.newaxis, np.newaxis, np.newaxis])
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data: Any, labels: Any) -> None:
        arrays.feed(self.steps, data, labels)
