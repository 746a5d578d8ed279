"""``caffe-pylayers mnist --imbalance``."""

import numpy as np
import pytest

from caffe_pylayers.cli import main
from caffe_pylayers.cli._mnist.idx import Digits
from caffe_pylayers.cli._mnist.long_tail import long_tail

rng = np.random.RandomState(0)
LABELS = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), 200))
DIGITS = Digits(np.arange(2000), LABELS)


@pytest.mark.parametrize(
    ("imbalance", "counts"),
    [
        (1, [200] * 10),
        (100, [200, 120, 72, 43, 26, 15, 9, 6, 3, 2]),
        (1e6, [200, 43, 9, 2, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_each_class_has_fewer_than_the_one_before(imbalance, counts):
    images, labels = long_tail(DIGITS, imbalance)
    assert np.bincount(labels).tolist() == counts
    assert (np.diff(images) > 0).all()
    np.testing.assert_array_equal(labels, LABELS[images])


def test_only_the_training_set(tmp_path, capsys):
    pytest.importorskip("lmdb")
    assert main(["--output", str(tmp_path), "--imbalance", "100"], verb="mnist") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["994", "1000"]


@pytest.mark.parametrize("value", ["0.5", "inf", "nan", "many"])
def test_refused(value, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--output", str(tmp_path), "--imbalance", value], verb="mnist")
    assert "--imbalance" in capsys.readouterr().err
