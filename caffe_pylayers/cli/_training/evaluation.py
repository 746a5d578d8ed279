"""A net's loss in training, and its outputs in tests."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Sequence

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._layer import arrays, passes
from caffe_pylayers._layer.metrics.metric import Metric
from caffe_pylayers._layer.metrics.pictures import Picture

Results = Dict[str, float]  # by column, "test/accuracy"
Sums = List[List[Any]]  # of each pass the sums of each blob that has a loss weight, on a GPU still there

MAX_VALUES = 100  # an output of more is one column, its mean


class Objective:
    """The loss that training makes smaller: the sum of the losses times their weights, averaged over iter_size passes.

    Summed here from the net's blobs, since ``solver.step`` does not return it.
    """

    def __init__(self, net: Any, iter_size: int = 1) -> None:
        self._terms = [(net.blobs[name], weight) for name, weight in net.blob_loss_weights.items() if weight]
        self._passes: Sums = []
        self._total, self._numbers = _readers()
        # Older engines have no callbacks: there it is the last pass's.
        if iter_size > 1 and hasattr(net, "after_forward"):
            self._last_layer = len(net.layers) - 1
            net.after_forward(self._after_layer)

    def __bool__(self) -> bool:
        """Return True if the net has a loss."""
        return bool(self._terms)

    def _after_layer(self, layer: int) -> None:
        if layer == self._last_layer:
            self._passes.append(self._now())

    def _now(self) -> list[Any]:
        return [self._total(blob) for blob, _ in self._terms]

    def sums(self) -> Sums:
        """Return what ``losses`` has the loss of the iteration from that was last computed."""
        passes, self._passes = self._passes or [self._now()], []
        return passes

    def losses(self, sums: Sequence[Sums]) -> list[float]:
        """Return the losses of iterations; for those on a GPU it waits once."""
        numbers = iter(self._numbers([total for passes in sums for totals in passes for total in totals]))
        return [self._mean([[next(numbers) for _ in totals] for totals in passes]) for passes in sums]

    def value(self) -> float:
        """Return the loss of the iteration that was last computed."""
        return self.losses([self.sums()])[0]

    def scalar(self) -> Any:
        """Return the loss of the iteration that was last computed; on a GPU as a scalar there."""
        passes = self.sums()
        return self._mean(passes) if arrays.is_tensor(passes[0][0]) else self.losses([passes])[0]

    def _mean(self, passes: list[list[Any]]) -> Any:
        losses = [sum(float(weight) * total for (_, weight), total in zip(self._terms, totals)) for totals in passes]
        return sum(losses) / len(losses)


def _readers() -> tuple[Callable[[Any], Any], Callable[[list[Any]], list[float]]]:
    """Return a function for the sum of a blob, and one for the values of several sums."""
    if _engine.on_runtime():
        from caffe_pylayers.runtime.memory import scalars

        return scalars.total, scalars.numbers
    return (lambda blob: blob.data.sum()), (lambda totals: [float(total) for total in totals])


class Evaluation:
    """The test passes of a solver.

    columns: the names of the results; ``test1/accuracy`` where there are several test nets, and
        ``test/class_accuracy[3]`` for an output of several values.
    """

    def __init__(self, solver: Any, param: Any) -> None:
        self._solver = solver
        self._param = param
        names = ["test"] if len(param.test_iter) == 1 else [f"test{i}" for i in range(len(param.test_iter))]
        passes = zip(names, solver.test_nets, param.test_iter)
        self._nets = [_TestNet(name, net, count, param.test_compute_loss) for name, net, count in passes if count]
        self.columns = [column for net in self._nets for column in net.columns]

    def due(self, iteration: int) -> bool:
        """Return True if there is a test at this iteration: every test_interval, and at the last."""
        if iteration == 0:
            return bool(self._nets) and self._param.test_initialization
        return bool(self._nets) and (iteration % self._param.test_interval == 0 or iteration == self._param.max_iter)

    def run(self, stop: Callable[[], bool]) -> Results | None:
        """Return the outputs' means with the solver's present weights; None if ``stop`` returned True meanwhile."""
        passes.begin()
        results: Results = {}
        for net in self._nets:
            means = net.run(self._solver.net, stop)
            if means is None:
                return None
            results.update(zip(net.columns, means))
        return results

    def pictures(self) -> Iterator[tuple[str, Picture]]:
        """Yield the pictures that metrics offer of the last test, each with its name, ``test/confusion``."""
        for net in self._nets:
            yield from net.pictures()


class _TestNet:
    def __init__(self, name: str, net: Any, passes: int, with_loss: bool) -> None:
        self._name = name
        self._net = net
        self._passes = passes
        self._loss = Objective(net) if with_loss else None
        self._counts = {output: net.blobs[output].data.size for output in net.outputs}
        self.columns = [column for output in net.outputs for column in self._columns_of(f"{name}/{output}", output)]
        if self._loss:
            self.columns.append(f"{name}/total_loss")

    def _columns_of(self, column: str, output: str) -> list[str]:
        count = self._counts[output]
        return [f"{column}[{i}]" for i in range(count)] if 1 < count <= MAX_VALUES else [column]

    def run(self, trained: Any, stop: Callable[[], bool]) -> list[float] | None:
        self._net.share_with(trained)
        sums = np.zeros(len(self.columns))
        for _ in range(self._passes):
            if stop():
                return None
            sums += self._forward()
        return [float(value) for value in sums / self._passes]

    def pictures(self) -> Iterator[tuple[str, Picture]]:
        for layer_name, layer in zip(self._net._layer_names, self._net.layers):
            picture = layer.picture() if isinstance(layer, Metric) else None
            if picture is not None:
                yield f"{self._name}/{layer_name}", picture

    def _forward(self) -> list[float]:
        outputs = self._net.forward()
        values = [value for output in self._net.outputs for value in self._values_of(output, outputs[output])]
        return values + ([self._loss.value()] if self._loss else [])

    def _values_of(self, output: str, data: Any) -> list[float]:
        expected = self._counts[output]
        if expected > MAX_VALUES:
            return [float(data.mean())]
        if data.size != expected:
            raise ValueError(f"test output {output} had {expected} values and now has {data.size}")
        return [float(value) for value in data.ravel()]
