"""What Caffe expects of every Python layer."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers.testing._gradient import check_gradient
from caffe_pylayers.testing._net import layer_net
from caffe_pylayers.testing._stub import LayerRun


def check_layer(
    layer_class: type,
    bottoms: Sequence[Any],
    *,
    param_str: str = "",
    tops: int = 1,
    phase: int = 0,
    dtype: Any = np.float64,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    **gradient: Any,
) -> None:
    """Raise AssertionError unless the layer keeps Caffe's contract and its gradients are right.

    - backward gives forward's gradient, see check_gradient, which gets the options in gradient;
    - forward writes every value of its tops, the same ones when called again;
    - forward and backward leave the bottoms' data as they were;
    - backward writes every value of the diffs asked for, and leaves the others alone;
    - backward adds to the diffs of the layer's learned blobs;
    - the layer takes another batch size between two iterations;
    - in a net of the engine that is there, float32, it gives the same numbers within rtol, atol;
      skipped only where there is neither a caffe nor the runtime.

    The arguments are those of check_gradient.
    """
    options = {"param_str": param_str, "tops": tops, "phase": phase, "dtype": dtype}
    check_gradient(layer_class, bottoms, **options, **gradient)
    rng = np.random.RandomState(gradient.get("seed", 1701))
    _check_writes(layer_class, bottoms, rng, options)
    _check_batch_size(layer_class, bottoms, rng, options)
    if _engine.available():
        _check_in_net(layer_class, bottoms, rng, options, rtol, atol)


def _check_writes(layer_class: type, bottoms: Sequence[Any], rng: Any, options: dict[str, Any]) -> None:
    name = layer_class.__name__
    run = LayerRun(layer_class, bottoms, **options)
    before = [blob.data.copy() for blob in run.bottom]
    first = [data.copy() for data in run.forward()]
    for i, (one, two) in enumerate(zip(first, run.forward())):
        _require(not np.isnan(one).any(), f"{name}: forward leaves values of top[{i}] unwritten, or NaN")
        np.testing.assert_array_equal(two, one, f"{name}: a second forward gives another top[{i}]")
    diffs = [rng.standard_normal(top.shape) for top in run.top]
    for blob in run.layer.blobs:
        blob.diff[...] = 0
    everything = [diff.copy() for diff in run.backward(diffs)]
    learned = [blob.diff.copy() for blob in run.layer.blobs]
    for i, diff in enumerate(everything):
        _require(not np.isnan(diff).any(), f"{name}: backward leaves values of bottom[{i}].diff stale, or NaN")
    for asked in range(-1, len(run.bottom)):  # -1: a layer that only learns is asked for none
        down = [i == asked for i in range(len(run.bottom))]
        for i, diff in enumerate(run.backward(diffs, down)):
            if i == asked:
                np.testing.assert_allclose(
                    diff, everything[i], err_msg=f"{name}: propagate_down {down} changes bottom[{i}].diff"
                )
            else:
                _require(
                    np.isnan(diff).all(), f"{name}: backward writes bottom[{i}].diff though propagate_down is {down}"
                )
    for i, blob in enumerate(run.layer.blobs):
        times = 2 + len(run.bottom)
        np.testing.assert_allclose(
            blob.diff,
            times * learned[i],
            rtol=1e-6,
            err_msg=f"{name}: backward must add to blobs[{i}].diff, not replace it",
        )
    for i, blob in enumerate(run.bottom):
        np.testing.assert_array_equal(blob.data, before[i], f"{name}: bottom[{i}].data was modified")


def _check_batch_size(layer_class: type, bottoms: Sequence[Any], rng: Any, options: dict[str, Any]) -> None:
    larger = [np.concatenate([x, x[:1]]) for x in map(np.asarray, bottoms)]
    fresh, run = LayerRun(layer_class, larger, **options), LayerRun(layer_class, bottoms, **options)
    run.forward()
    for blob, data in zip(run.bottom, larger):
        blob.reshape(*data.shape)
        blob.data[...] = data
    diffs = [rng.standard_normal(np.shape(top)) for top in fresh.forward()]
    run.forward()
    message = f"{layer_class.__name__}: wrong after the batch size changed from {len(bottoms[0])} to {len(larger[0])}"
    for i in range(len(run.top)):
        np.testing.assert_array_equal(run.top[i].data, fresh.top[i].data, message)
    for got, wanted in zip(run.backward(diffs), fresh.backward(diffs)):
        np.testing.assert_array_equal(got, wanted, message)


def _check_in_net(
    layer_class: type, bottoms: Sequence[Any], rng: Any, options: dict[str, Any], rtol: float, atol: float
) -> None:
    run = LayerRun(layer_class, bottoms, **options)
    net_options = {key: value for key, value in options.items() if key != "dtype"}
    net = layer_net(layer_class, [np.shape(x) for x in bottoms], **net_options)
    for i, blob in enumerate(run.bottom):
        net.blobs[f"bottom{i}"].data[...] = blob.data
    learned = list(zip(run.layer.blobs, net.params.get("layer", ())))
    for ours, theirs in learned:
        ours.data[...], ours.diff[...] = theirs.data, 0
    net.forward()
    diffs = []
    for i, data in enumerate(run.forward()):
        top = net.blobs[f"top{i}"]
        message = f"{layer_class.__name__}: top[{i}] differs between a net and float64"
        np.testing.assert_allclose(top.data, data, rtol, atol, err_msg=message)
        diffs.append(rng.standard_normal(data.shape).astype(np.float32))
        top.diff[...] = diffs[-1]
    net.backward()
    for i, diff in enumerate(run.backward(diffs)):
        message = f"{layer_class.__name__}: bottom[{i}].diff differs between a net and float64"
        np.testing.assert_allclose(net.blobs[f"bottom{i}"].diff, diff, rtol, atol, err_msg=message)
    for i, (ours, theirs) in enumerate(learned):
        message = f"{layer_class.__name__}: blobs[{i}].diff differs between a net and float64"
        np.testing.assert_allclose(theirs.diff, ours.diff, rtol, atol, err_msg=message)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
