"""Names that caffe had in the Python 2 days, or in forks: the process's phase, modes of nets, and caffe.Blob."""

from __future__ import annotations

import functools
import os
import tempfile
from types import ModuleType
from typing import Any, Callable, Sequence


def provide(caffe: Any) -> None:
    """Give a caffe, the runtime or a real one, those of the names that it lacks."""
    if getattr(caffe.Net.__init__, "_knows_phase", False):
        return
    phase = _Phase(caffe)
    functions = {"set_phase_train": phase.train, "set_phase_test": phase.test}
    functions.update({name: getattr(caffe, name) for name in ("set_mode_cpu", "set_mode_gpu", "set_device")})
    for name, function in functions.items():
        if not hasattr(caffe, name):
            setattr(caffe, name, function)
        if not hasattr(caffe.Net, name):  # net.set_mode_gpu() is caffe.set_mode_gpu()
            setattr(caffe.Net, name, _as_method(function))
    caffe.Net.__init__ = phase.of_nets(caffe.Net.__init__)
    if not hasattr(caffe, "Blob"):
        caffe.Blob = _blobs(caffe)


def _as_method(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def method(self: Any, *arguments: Any) -> None:
        function(*arguments)

    return method


class _Phase:
    """The phase that caffe.set_phase_test() sets, for nets that are made without one: TRAIN at first."""

    def __init__(self, caffe: Any) -> None:
        self._caffe = caffe
        self._phase = caffe.TRAIN

    def train(self) -> None:
        """Make nets for training from here on."""
        self._phase = self._caffe.TRAIN

    def test(self) -> None:
        """Make nets for testing from here on."""
        self._phase = self._caffe.TEST

    def of_nets(self, init: Callable[..., None]) -> Callable[..., None]:
        """Net.__init__ that takes Net(file) and Net(file, weights), too."""

        @functools.wraps(init)
        def with_phase(net: Any, *arguments: Any, **keywords: Any) -> None:
            named = "phase" in keywords or any(isinstance(value, int) for value in arguments[1:])
            if named or len(arguments) not in (1, 2) or keywords:
                init(net, *arguments, **keywords)
            else:
                init(net, arguments[0], *arguments[1:], self._phase)

        with_phase._knows_phase = True  # type: ignore[attr-defined]
        return with_phase


def _blobs(caffe: Any) -> Callable[[Sequence[int]], Any]:
    """Return the constructor of blobs, which forks had: the runtime's, or on a real Caffe the input of a net."""
    module: ModuleType = caffe._caffe
    try:
        module.Blob([1])
        return module.Blob  # type: ignore[no-any-return]
    except RuntimeError:  # a real one's cannot be instantiated from Python
        pass

    def blob(shape: Sequence[int] = ()) -> Any:
        """Return a blob of this shape, zero at first."""
        dims = "".join(f" dim: {int(n)}" for n in shape)
        handle, path = tempfile.mkstemp(suffix=".prototxt")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f'layer {{ name: "b" type: "Input" top: "b" input_param {{ shape {{{dims} }} }} }}')
            made = caffe.Net(path, caffe.TEST).blobs["b"]
        finally:
            os.unlink(path)
        return made

    return blob
