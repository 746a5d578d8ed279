"""The harness finds what is wrong, and outlives what makes real Caffe abort."""

import numpy as np
import pytest

from tests.parity import compare
from tests.parity.case import Case, normal
from tests.parity.plan import digest, layer_text, loss_weights
from tests.parity.recording import Recording, load, save

CASE = Case("ReLU", "", [normal(2, 3)])
TOP = np.maximum(CASE.bottoms[0], 0)


def check(monkeypatch, found, case=CASE, **wanted):
    monkeypatch.setattr(compare, "replay", lambda *_: found)
    return compare.check(case, Recording(digest(case), wanted))


def test_equal_arrays_have_no_error(monkeypatch):
    odd = np.float32([np.nan, np.inf, -np.inf, 0.0])
    assert check(monkeypatch, {"top0": odd}, top0=odd.copy()) == 0


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (TOP + np.float32([0, 0, 1e-3]), r"top0\[1, 2\] is .*, in Caffe .*; 2 of 6 values are wrong"),
        (TOP * np.float32([1, np.nan, 1]), r"top0\[0, 1\] is nan, in Caffe"),
        (TOP[:, :2], r"top0 has shape \(2, 2\), in Caffe \(2, 3\)"),
    ],
)
def test_wrong_arrays_are_named(monkeypatch, found, message):
    with pytest.raises(AssertionError, match=message):
        check(monkeypatch, {"top0": found}, top0=TOP)


def test_missing_arrays_and_refused_cases_fail(monkeypatch):
    with pytest.raises(AssertionError, match="d_bottom0"):
        check(monkeypatch, {"top0": TOP}, top0=TOP, d_bottom0=TOP)
    with pytest.raises(AssertionError, match="refuses this case: because"):
        compare.check(CASE, Recording("", refused="because"))


def test_exact_means_equal_to_the_last_bit(monkeypatch):
    near = np.nextafter(TOP, np.float32(9))
    exact = Case("ReLU", "", [normal(2, 3)], exact=True)
    assert 0 < check(monkeypatch, {"top0": near}, top0=TOP) < 1e-6
    with pytest.raises(AssertionError, match="6 of 6"):
        check(monkeypatch, {"top0": near}, case=exact, top0=TOP)


def test_tops_without_a_loss_weight_count_only_in_real_caffes_net():
    assert "loss_weight" not in layer_text(CASE)
    assert "loss_weight: 1" in layer_text(CASE, every_top_counts=True)
    loss = Case("HingeLoss", "", CASE.bottoms, loss_weight=3.7)
    assert layer_text(loss) == layer_text(loss, every_top_counts=True)
    assert loss_weights(loss, 2) == [3.7, 0.0]
    assert loss_weights(Case("SoftmaxWithLoss", "", []), 1) == [1.0]
    assert loss_weights(Case("InfogainLoss", "loss_weight: 2 loss_weight: 5e-1", []), 2) == [2.0, 0.5]


def test_a_recording_is_what_was_saved_in_the_same_bytes(tmp_path):
    recordings = [Recording("a", {"top0": TOP, "top1": np.float32(3).reshape(())}), Recording("b", refused="no")]
    for name in "xy":
        save(tmp_path / f"{name}.npz", recordings)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()
    first, second = load(tmp_path / "x.npz")
    assert (first.digest, second.digest, second.refused, second.arrays) == ("a", "b", "no", {})
    assert [x.shape for x in first.arrays.values()] == [(2, 3), ()]
    assert np.array_equal(first.arrays["top0"], TOP)


@pytest.mark.parametrize(
    "change", [{"param": "phase: TEST"}, {"bottoms": [TOP]}, {"phase": 1}, {"in_place": True}, {"before": [TOP]}]
)
def test_a_changed_case_has_another_digest(change):
    assert digest(Case(**{**vars(CASE), **change})) != digest(CASE)


def test_real_caffe_outlives_an_abort_and_says_why(oracle):
    assert "axis 7 out of range" in oracle.record(Case("Softmax", "softmax_param { axis: 7 }", CASE.bottoms)).refused
    assert 'no field named "nonsense"' in oracle.record(Case("ReLU", "nonsense: 1", CASE.bottoms)).refused
    arrays = oracle.record(CASE).arrays
    assert sorted(arrays) == ["d_bottom0", "top0"]
    assert np.array_equal(arrays["top0"], TOP)


def test_gradients_are_recorded_of_the_bottoms_asked_for(oracle):
    bottoms = [normal(2, 3), normal(2, 3, seed=1)]
    arrays = oracle.record(Case("Eltwise", "", bottoms, down=[1])).arrays
    assert sorted(arrays) == ["d_bottom1", "top0"]
    arrays = oracle.record(Case("EuclideanLoss", "", bottoms, loss_weight=3.7)).arrays
    assert np.allclose(arrays["d_bottom0"], 3.7 * (bottoms[0] - bottoms[1]) / 2)
    assert np.array_equal(arrays["d_bottom0"], -arrays["d_bottom1"])
