"""Updates are value by value, whichever layout the gradients are in."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from caffe_pylayers.runtime.solvers import SOLVERS, foreach, get_solver, sgd
from caffe_pylayers.runtime.solvers.update import clip, make_groups
from tests.runtime.solvers.nets import TEXT

CONV = (
    TEXT.format(params="")
    .replace("dim: 4 dim: 3 }", "dim: 4 dim: 3 dim: 5 dim: 5 }")
    .replace('type: "InnerProduct"', 'type: "Convolution"')
    .replace("inner_product_param { num_output: 2", "convolution_param { num_output: 2 kernel_size: 5")
)


def conv_solver(tmp_path, kind, fields=""):
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net_param {{ {CONV} }} type: "{kind}" base_lr: 0.1 lr_policy: "fixed" weight_decay: 0.1 random_seed: 1 '
        + ("momentum: 0.9 " if kind not in ("AdaGrad", "RMSProp") else "")
        + fields
    )
    return get_solver(path)


@pytest.mark.parametrize("kind", SOLVERS.names())
def test_channels_last(tmp_path, kind):
    plain, other = conv_solver(tmp_path, kind), conv_solver(tmp_path, kind)
    for i in range(3):
        gradient = torch.from_numpy(np.random.RandomState(i).standard_normal((2, 3, 5, 5)).astype(np.float32))
        for solver, layout in ((plain, "contiguous"), (other, CHANNELS_LAST)):
            solver.net.learnable[0].write_diff(layout).copy_(gradient)
            solver.apply_update()
    weight = other.net.learnable[0]
    assert weight.layout == weight.diff_layout == other.history[0].layout == CHANNELS_LAST
    for ours, theirs in zip([weight, *other.history], [plain.net.learnable[0], *plain.history]):
        np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(weight.diff, plain.net.learnable[0].diff, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("decay", ["L1", "L2"])
@pytest.mark.parametrize("kind", SOLVERS.names())
def test_without_pytorchs_private_functions(tmp_path, monkeypatch, kind, decay):
    """Each rule's numbers are the same from the documented ones, to the rounding of one fused step."""

    def trained():
        solver = conv_solver(tmp_path, kind, f'regularization_type: "{decay}"')
        for i in range(3):
            solver.net.learnable[0].diff[...] = np.random.RandomState(i).standard_normal((2, 3, 5, 5))
            solver.apply_update()
        return [blob.data for blob in (solver.net.learnable[0], *solver.history)], solver.net.learnable[0].diff

    values, update = trained()
    for name in foreach.NAMES:
        monkeypatch.setattr(foreach, name, foreach.loop(name))
    monkeypatch.setattr(sgd, "fused_sgd", None)
    others, other_update = trained()
    for ours, theirs in zip([*values, update], [*others, other_update]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", SOLVERS.names())
def test_a_step_allocates_nothing_once_it_has_run(tmp_path, kind):
    solver = conv_solver(tmp_path, kind)
    solver.net.learnable[0].diff[...] = 1
    solver.apply_update()
    with torch.profiler.profile(profile_memory=True) as profile:
        solver.apply_update()
    assert sum(max(event.self_cpu_memory_usage, 0) for event in profile.key_averages()) < 4 * solver.history[0].count


def test_groups_hold_what_has_the_same_rates():
    blobs = [Blob((i + 1,)) for i in range(4)]
    history = [Blob((i + 1,)) for i in range(4)] * 2
    groups = make_groups(blobs, [1, 2, 1, 2], [1, 0, 1, 1], history)
    for group in groups:
        group.load()
    found = {(g.lr_mult, g.decay_mult): [len(t) for t in g.data] for g in groups}
    assert found == {(1, 1): [1, 3], (2, 0): [2], (2, 1): [4]}
    assert all([[len(t) for t in h] for h in g.history] == [[len(t) for t in g.data]] * 2 for g in groups)


def test_a_net_that_learns_nothing():
    assert make_groups([], [], [], []) == []


@pytest.mark.parametrize(("limit", "scale"), [(10, 1), (5, 1), (2.5, 0.5), (0, 0)])
def test_clip(limit, scale):
    diffs = [torch.tensor([3.0, 0]), torch.tensor([[4.0]])]
    assert clip(diffs, limit) == (5, scale)
    assert diffs[1].item() == 4 * scale
