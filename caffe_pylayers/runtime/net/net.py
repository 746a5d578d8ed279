"""The net: Caffe's Net with pycaffe's interface."""

from __future__ import annotations

import contextlib
import itertools
import operator
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.titles import naming
from caffe_pylayers.runtime.files import weights
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory import allocator, device
from caffe_pylayers.runtime.memory.blob import Blob, arrays_in_step
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.net import arguments, arrays, batches, debug_info, notebook
from caffe_pylayers.runtime.net.graph import Graph
from caffe_pylayers.runtime.net.late_checks import LateChecks
from caffe_pylayers.runtime.net.names import ByName, Names
from caffe_pylayers.runtime.net.reuse import Reuse
from caffe_pylayers.runtime.net.step import Step, Unit
from caffe_pylayers.runtime.process import LOGGER, solver_rank
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
        self._param = given.param
        self.name: str = self._param.name
        self.phase = given.state.phase
        self.debug_info: bool = self._param.debug_info  # True if each layer logs means of its blobs
        with naming(given.file):
            self._graph = Graph(self._param, given.state)
        self._names = Names(self._graph)
        self._steps: list[Step] = self._graph.steps
        starts = itertools.accumulate((len(unit.steps) for unit in self._graph.units), initial=0)
        self._numbered_units = list(zip(starts, self._graph.units))
        self._callbacks: dict[str, list[Callable[[int], None]]] = {name: [] for name in _CALLBACKS}
        self._input_arrays: list[Any] = []
        self._late = LateChecks()
        parameters = self._graph.parameters
        self.learnable, self.lr_mults, self.decay_mults = (
            parameters.learnable,
            parameters.lr_mults,
            parameters.decay_mults,
        )
        if given.weights is not None:
            given.weights.copy_to(self)
        del given  # and with it the file's values: their pages go back to the system too
        self._reuse: Reuse | None = None
        allocator.return_pages()

    # --- layers and blobs ------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The layers in order, automatic Splits among them; for a Python layer the instance of its class.

        The blobs of one with ``array_api = True`` are the tensors that it computes with; ``params`` has arrays of all.
        """
        return [step.worker for step in self._steps]

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
        return ByName.of("blob", zip(self._blob_names, self._blob_loss_weights))

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
        return [step.layer.name for step in self._steps]

    @property
    def _blob_names(self) -> list[str]:
        return self._graph.names

    @property
    def _blobs(self) -> list[Blob]:
        return self._graph.blobs

    @property
    def _blob_loss_weights(self) -> list[float]:
        found = [0.0] * len(self._blobs)
        for step in self._steps:
            for i, weight in zip(step.top_ids, step.weights):
                found[i] = weight
        return found

    @property
    def _inputs(self) -> list[int]:
        return self._graph.inputs

    @property
    def _outputs(self) -> list[int]:
        return self._graph.outputs

    @property
    def steps(self) -> Sequence[Step]:
        """The layers as the net runs them."""
        return self._steps

    @property
    def shared_parameters(self) -> set[tuple[int, int]]:
        """The learned blobs that several layers share, each by its layer's index and its number there."""
        owners = self._graph.parameters.owners
        return {*owners, *owners.values()}

    def is_called_back_by(self, callback: Any) -> bool:
        """True if this is the only callback."""
        return list(itertools.chain.from_iterable(self._callbacks.values())) == [callback]

    def _top_ids(self, layer: int) -> list[int]:
        return self._steps[layer].top_ids

    def _bottom_ids(self, layer: int) -> list[int]:
        return self._steps[layer].bottom_ids

    def _param_owner(self, layer: int, number: int) -> int:
        """Return the index of the layer that owns a learned blob; -1 if this layer does."""
        return self._graph.parameters.owners.get((layer, number), (-1, 0))[0]

    def __repr__(self) -> str:
        count = sum(blob.count for blob in self.learnable)
        return f"<{self._title()}: {Phase.Name(self.phase)}, {len(self._steps)} layers, {count} parameters>"

    def _title(self) -> str:
        return f"{type(self).__name__} {quoted(self.name)}"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return notebook.table(repr(self), self._steps, self._blob_names)

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
        last = len(self._steps) - 1 if end is None else self._names.index(end)
        wanted = self._names.union(self.outputs if end is None else self.top_names[end], blobs)
        if kwargs:
            arrays.set_data(self.blobs, self.inputs, kwargs)
        self._run_forward(first, last)
        self.check_values()
        return {name: arrays.read(self.blobs, name, "data") for name in wanted}

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run the net backward, or its layers from ``start`` down to ``end``.

        kwargs: gradients for the outputs, by name. Returns the inputs' gradients by name (with
        ``end``, those of that layer's bottoms), and those of the blobs named in ``diffs``. Raises as forward does.
        """
        first = len(self._steps) - 1 if start is None else self._names.index(start)
        last = 0 if end is None else self._names.index(end)
        wanted = self._names.union(self.inputs if end is None else self.bottom_names[end], diffs)
        if kwargs:
            arrays.set_diffs(self.blobs, self.outputs, kwargs)
        self._backward(first, last)
        return {name: arrays.read(self.blobs, name, "diff") for name in wanted}

    def _forward(self, first: int, last: int) -> float:
        """Run layers first to last and return the sum of their weighted losses; IndexError for layers it lacks."""
        loss = self._run_forward(first, last)
        self.check_values()
        return float(loss)

    def _run_forward(self, first: int, last: int) -> Any:
        """Run layers first to last and return the sum of their weighted losses, on a GPU as a scalar that is there."""
        loss: Any = 0.0
        reuse = self._reuse
        on_host = device.current() == device.HOST
        before, after, debug = self._callbacks["before_forward"], self._callbacks["after_forward"], self.debug_info
        collected = contextlib.nullcontext() if on_host else self._late.collect()
        with arrays_in_step([*self._blobs, *self.learnable]), collected:
            for i, unit in self._units(first, last):
                for callback in before:
                    callback(i)
                if not on_host:
                    self._late.at(unit.steps[0])
                unit.run_forward()
                for blob in unit.losses:
                    term = blob.read().ravel() @ blob.read_diff().ravel()
                    loss += float(term) if on_host else term
                if debug:
                    self._log(debug_info.forward_lines(unit.steps[0], self._blob_names))
                for callback in after:
                    callback(i)
                if reuse is not None:
                    reuse.after_forward(unit)
        return loss

    def _backward(self, first: int, last: int) -> None:
        """Run the layers that need it backward, from the higher index first to last. IndexError as in _forward."""
        before, after, debug = self._callbacks["before_backward"], self._callbacks["after_backward"], self.debug_info
        reuse = self._reuse
        with arrays_in_step([*self._blobs, *self.learnable]):
            for i, unit in reversed(self._units(last, first)):
                for callback in before:
                    callback(i)
                unit.run_backward()
                if debug and unit.steps[0].backward:
                    self._log(debug_info.backward_lines(unit.steps[0], self._blob_names))
                for callback in after:
                    callback(i)
                if reuse is not None:
                    reuse.after_backward(unit)
        if reuse is not None:
            reuse.end()

    def _units(self, first: int, last: int) -> Sequence[tuple[int, Unit]]:
        """Return the units of layers first to last, each with the index that callbacks take.

        RuntimeError for a net without layers, IndexError for layers that it lacks.
        """
        if not self._steps:
            raise RuntimeError(
                f"{self._title()} has no layers in phase {Phase.Name(self.phase)}: there is nothing to run"
            )
        first, last = operator.index(first), operator.index(last)
        if first < 0 or not 0 <= last < len(self._steps):
            raise IndexError(f"layers {first} to {last}: the net has layers 0 to {len(self._steps) - 1}")
        whole = first == 0 and last == len(self._steps) - 1
        callbacks = itertools.chain.from_iterable(self._callbacks.values())
        if whole and not self.debug_info and all(getattr(callback, "by_unit", False) for callback in callbacks):
            return self._numbered_units
        return list(enumerate(self._steps))[first : last + 1]

    def forward_loss(self) -> Any:
        """Run the whole net forward and return the sum of its weighted losses.

        On a GPU that is a scalar there, which waits only when it is read, and wrong values, such as labels outside
        their range, are raised by ``check_values``, or else by the next forward.
        """
        return self._run_forward(0, len(self._steps) - 1)

    def check_values(self) -> None:
        """Raise what the last forward's layers have found wrong in values on a GPU; on the CPU they have done so."""
        self._late.settle()

    def backward_all(self) -> None:
        """Run the whole net backward."""
        self._backward(len(self._steps) - 1, 0)
        if self.debug_info:
            LOGGER.error("%s", debug_info.norms(self.learnable))  # an error, as in Caffe: shown at any log level

    def reuse_memory(self, backward: bool = True) -> None:
        """Give values and gradients of blobs in between back, once no layer reads them: see net/reuse.py.

        For who looks at the net's inputs, outputs, losses and learned blobs alone, and runs its layers in order.
        Arrays that are held already stay what they are. backward: whether a backward follows each forward.
        """
        self._reuse = Reuse(self._steps, self._blob_names, [self._blobs[i] for i in self._outputs], backward)

    def reshape(self) -> None:
        """Reshape every layer, after the shape of an input has changed."""
        for step in self._steps:
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

    @staticmethod
    def _log(lines: Iterator[str]) -> None:
        if solver_rank() == 0:
            for line in lines:
                LOGGER.info("%s", line)

    # --- callbacks -------------------------------------------------------------------------------

    def before_forward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index before each layer's forward."""
        self._callbacks["before_forward"].append(callback)

    def after_forward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index after each layer's forward."""
        self._callbacks["after_forward"].append(callback)

    def before_backward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index before each layer's backward."""
        self._callbacks["before_backward"].append(callback)

    def after_backward(self, callback: Callable[[int], None]) -> None:
        """Call back with a layer's index after each layer's backward.

        A callback with an attribute ``by_unit``, which is true, is called once for layers that the net computes
        together, with the first's index; any other has the net compute each layer by itself.
        """
        self._callbacks["after_backward"].append(callback)

    # --- parameters and files --------------------------------------------------------------------

    def clear_param_diffs(self) -> None:
        """Set the gradients of all learned blobs to zero."""
        with arrays_in_step(self.learnable):
            for blob in self.learnable:
                blob.clear_diff()
                if self._reuse is not None:
                    blob.compact()

    def share_with(self, other: Net) -> None:
        """Share the other net's learned blobs, in one memory, for all layers of the same name.

        Raises LayerError for a layer whose learned blobs have other shapes, TypeError for anything but a net.
        """
        if not isinstance(other, Net):
            raise TypeError(f"takes a net, got {other!r}")
        ours = {step.layer.name: step.layer for step in self._steps}
        for step in other._steps:
            layer = ours.get(step.layer.name)
            if layer is None:
                continue
            shapes = [blob.shape for blob in layer.blobs], [blob.shape for blob in step.layer.blobs]
            if shapes[0] != shapes[1]:
                raise layer.error(f"cannot share parameters of shapes {shapes[1]} with its own, of {shapes[0]}")
            for mine, theirs in zip(layer.blobs, step.layer.blobs):
                mine.share_data(theirs)

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
        layer = self._steps[0].layer if self._steps else None
        if layer is None or layer.type != "MemoryData":
            raise RuntimeError("set_input_arrays may only be called if the first layer is a MemoryData layer")
        arrays.check_memory_data(data, labels)
        try:
            layer.reset(data, labels, len(data))  # type: ignore[attr-defined]
        except LayerError as error:
            raise RuntimeError(str(error)) from error
        self._input_arrays = [data, labels]


_CALLBACKS = ("before_forward", "after_forward", "before_backward", "after_backward")
