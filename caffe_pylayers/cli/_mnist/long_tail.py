"""Digits with a long tail: some classes have many samples, others few."""

from __future__ import annotations

import numpy as np

from caffe_pylayers.cli._mnist.idx import Digits


def long_tail(digits: Digits, imbalance: float) -> Digits:
    """Return the first n * imbalance**(-c / 9) digits of each class c, one at least, in their order; n is class 0's.

    imbalance: how many times as many samples class 0 has as class 9, as in Cui et al., "Class-Balanced Loss Based on
        Effective Number of Samples", 2019, arXiv:1901.05555.
    """
    most = int((digits.labels == 0).sum())
    kept = np.zeros(len(digits.labels), bool)
    for label in range(10):
        places = np.flatnonzero(digits.labels == label)
        kept[places[: max(1, round(most * imbalance ** (-label / 9)))]] = True
    return Digits(digits.images[kept], digits.labels[kept])
