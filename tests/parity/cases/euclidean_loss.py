"""EuclideanLoss, ContrastiveLoss."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

A, B = normal(4, 6), normal(4, 6, seed=1)
PAIRS = [normal(8, 3, seed=2), normal(8, 3, seed=3), integers(8, high=2, seed=4)]
SAME = [PAIRS[0], PAIRS[0].copy(), np.zeros(8, np.float32)]


def euclidean(bottoms, param="", loss_weight=3.7, **rest):
    return Case("EuclideanLoss", param, bottoms, loss_weight=loss_weight, **rest)


def contrastive(param, bottoms=PAIRS, down=(0, 1), **rest):
    return Case("ContrastiveLoss", param, bottoms, down=down, loss_weight=3.7, **rest)


CASES = [
    euclidean([A, B]),
    euclidean([A, B], loss_weight=None),
    euclidean([A, B], "loss_weight: -2", loss_weight=None),
    euclidean([A, B], phase=TEST),
    euclidean([A, B], down=[0]),
    euclidean([A, B], down=[1]),
    euclidean([A, B], down=[]),
    Case("EuclideanLoss", "", [A, B], tops=0),
    euclidean([normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1)]),
    euclidean([normal(2, 3, 4, 5), normal(2, 60, seed=1)]),
    euclidean([normal(2, 60), normal(2, 3, 4, 5, seed=1)]),
    euclidean([normal(7), normal(7, seed=1)]),
    euclidean([normal(1, 1), normal(1, 1, seed=1)]),
    euclidean([A, A.copy()]),
    euclidean([1e4 * A, B]),
    contrastive(""),
    contrastive("", phase=TEST),
    contrastive("", down=[0]),
    contrastive("", down=[1]),
    contrastive("", down=[0, 1, 2]),
    contrastive("", down=[]),
    contrastive("contrastive_loss_param { margin: 3.5 }"),
    contrastive("contrastive_loss_param { margin: 0.01 }"),
    contrastive("contrastive_loss_param { legacy_version: true }"),
    contrastive("contrastive_loss_param { legacy_version: true margin: 9 }"),
    contrastive("contrastive_loss_param { margin: 2 }", SAME),
    contrastive("contrastive_loss_param { margin: 2 legacy_version: true }", SAME),
    contrastive("contrastive_loss_param { margin: 3 }", [x.reshape(8, -1, 1, 1) for x in PAIRS]),
    contrastive("contrastive_loss_param { margin: 3 }", [*PAIRS[:2], np.linspace(-2, 2, 8).astype(np.float32)]),
    contrastive("contrastive_loss_param { margin: 3 }", [x[:1] for x in PAIRS]),
    contrastive("contrastive_loss_param { margin: 3 }", [normal(5), normal(5, seed=1), integers(5, high=2)]),
]
