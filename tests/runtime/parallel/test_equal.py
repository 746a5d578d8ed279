"""Two processes learn what one learns by batches twice as large: for every solver, and for nets of every kind."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from caffe_pylayers import pycaffe
from tests.runtime.parallel import equal

torch = pytest.importorskip("torch")

ALIKE = [name for name, case in equal.CASES.items() if case.alike]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums are added up here in the order in which the processes of one thread add them up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with what two processes have learned of each case, in buckets of a few values."""
    folder = tmp_path_factory.mktemp("equal")
    equal.write(folder)
    command = [sys.executable, equal.__file__, folder, "2", "256"]
    said = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture
def learned(trained, monkeypatch):
    """What each of the two processes has learned of a case: learned(name)."""
    monkeypatch.chdir(trained)
    return lambda name: [dict(np.load(trained / f"{name}.{rank}.npz")) for rank in (0, 1)]


@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_are_one_with_twice_the_batch(learned, name):
    both = learned(name)
    one = equal.learn(name)
    assert set(both[0]) == set(both[1]) == set(one)
    np.testing.assert_allclose((both[0].pop("losses") + both[1].pop("losses")) / 2, one.pop("losses"), rtol=1e-5)
    for blob, values in one.items():
        np.testing.assert_allclose(both[0][blob], values, rtol=1e-5, atol=1e-6, err_msg=blob)


# Not those that clip: the norm takes the gradients in their order in memory, which is not that of arrays.
@pytest.mark.parametrize(
    "name",
    [name for name, case in equal.CASES.items() if "failure" not in case.script and "clip" not in case.solver],
)
def test_two_processes_are_to_the_bit_two_solvers_whose_gradients_are_averaged(learned, name):
    first, _ = learned(name)
    for blob, values in equal.learn_by_hand(name).items():
        np.testing.assert_array_equal(first[blob], values, err_msg=blob)


@pytest.mark.parametrize("name", equal.CASES)
def test_weights_are_the_same_to_the_bit(learned, name):
    first, second = learned(name)
    for blob in sorted(set(first) - {"losses"} - {f"norm/{i}" for i in range(3)}):
        np.testing.assert_array_equal(second[blob], first[blob], err_msg=blob)
        assert np.isfinite(first[blob]).all()


def rows(name, rank):
    """What a process reads of a top of the data, a batch for each iteration."""
    with h5py.File("data.h5") as file:
        mine = file[name][rank::2]
    return torch.from_numpy(mine[: equal.STEPS * equal.BATCH]).split(equal.BATCH)


def test_normalized_by_each_process_for_itself_they_are_pytorchs(learned):
    both, net = learned("normalized"), pycaffe.get_solver("normalized by two.solver").net
    names = [f"{name}/{i}" for name in ("conv", "scale", "ip") for i in (0, 1)]
    start = equal.values_of(net)
    weights = [torch.from_numpy(start[name].copy()).requires_grad_() for name in names]
    conv, conv_bias, scale, shift, ip, ip_bias = weights
    mean, variance, count = torch.zeros(8), torch.zeros(8), 0.0

    def loss_of(data, label):
        x = torch.nn.functional.conv2d(data, conv, conv_bias)
        y = torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5).relu()
        return torch.nn.functional.cross_entropy(y.flatten(1) @ ip.T + ip_bias, label.long()), x.detach()

    rule = torch.optim.SGD(weights, 0.05, 0.9, weight_decay=0.01)
    halves = zip(*(zip(rows("data", rank), rows("label", rank)) for rank in (0, 1)))
    for i, (first, second) in enumerate(halves):
        losses, (x, _) = zip(loss_of(*first), loss_of(*second))
        for rank in (0, 1):
            np.testing.assert_allclose(both[rank]["losses"][i, 0], losses[rank].item(), rtol=1e-5)
        rule.zero_grad()
        (sum(losses) / 2).backward()
        rule.step()
        mean = 0.999 * mean + x.mean((0, 2, 3))
        variance = 0.999 * variance + x.var((0, 2, 3))
        count = 0.999 * count + 1
    for name, values in zip(names, weights):
        np.testing.assert_allclose(both[0][name], values.detach().numpy(), rtol=1e-5, atol=1e-5, err_msg=name)
    for i, statistics in enumerate((mean, variance, torch.tensor([count]))):  # of what the first process has read
        np.testing.assert_allclose(both[0][f"norm/{i}"], statistics.numpy(), rtol=1e-5, atol=1e-5)
        assert i == 2 or not np.array_equal(both[1][f"norm/{i}"], both[0][f"norm/{i}"])
