"""The sum over all paths that spell a label sequence: CTC's forward and backward algorithms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward

__all__ = ["Paths", "ctc_backward", "ctc_forward", "ctc_paths"]


class Paths(NamedTuple):
    """What paths through the steps may spell: each label with a blank before it, and one behind the last.

    classes: (1, N, U) of these U = 2 L + 1 places. stay, skip: (N, U), 0 where a path may stay at a place, and where it
    may come from the one but last, else NOTHING. last: (N, U), 0 where it may end. going: (T, N, 1), steps that count.
    """

    classes: Any
    stay: Any
    skip: Any
    last: Any
    going: Any


def ctc_paths(
    labels: Any, lengths: Any, steps: Any, count: int, blank: int, like: Any, merge_repeated: bool = True
) -> Paths:
    """Return the paths of labels (N, L), of which the first lengths (N,) count, in the first steps (N,) of count.

    labels, lengths, steps: numpy's. like: an array of the library and dtype to be used. merge_repeated: a path that
    stays at a label spells it once.
    """
    places = np.arange(2 * labels.shape[1] + 1)
    classes = np.full((len(labels), len(places)), blank)
    classes[:, 1::2] = np.where(labels < 0, blank, labels)
    is_label = places % 2 == 1
    skip = np.zeros(classes.shape, bool)
    skip[:, 2:] = is_label[2:] & ((classes[:, 2:] != classes[:, :-2]) | (not merge_repeated))
    stay = np.broadcast_to(~is_label | merge_repeated, classes.shape)
    behind = 2 * lengths[:, None] - places
    last = (behind == 0) | (behind == 1)
    going = np.arange(count)[:, None] < steps
    stay, skip, last = (arrays.from_numpy(np.where(mask, 0, NOTHING), like) for mask in (stay, skip, last))
    going = arrays.from_numpy(going[..., None], like) != 0
    return Paths(arrays.index_like(classes, like)[None], stay, skip, last, going)


def ctc_forward(xp: Any, log_p: Any, paths: Paths) -> tuple[Any, tuple[Any, Any]]:
    """Return (log p(label | x) (N,), kept): the sum over all paths; about NOTHING where there is none.

    log_p: (T, N, C), log-probabilities of the classes. kept, for ctc_backward: those of the paths' places, (T, N, U);
    and log alpha (T, N, U), the sum over the paths that are at a place after a step.
    """
    emitted = arrays.take_along(log_p, paths.classes, 2)
    log_alpha, terms = xp.empty_like(emitted), _terms(emitted)
    now = _filled(paths.last)
    now[:, :1] = 0
    for t in range(len(log_p)):
        terms[0] = now + paths.stay
        terms[1][:, 1:] = now[:, :-1]
        terms[2][:, 2:] = now[:, :-2] + paths.skip[:, 2:]
        log_alpha[t] = xp.where(paths.going[t], log_sum_exp(xp, terms, 0) + emitted[t], now)
        now = log_alpha[t]
    return log_sum_exp(xp, now + paths.last, 1), (emitted, log_alpha)


def ctc_backward(xp: Any, paths: Paths, kept: Any, log_likelihood: Any, posterior: Any) -> None:
    """Write how much of all paths is at each class (T, N, C): minus the gradient of the log-probabilities' loss."""
    emitted, log_alpha = kept
    index = arrays.arange_like(paths.classes[:0].reshape(-1), log_alpha.shape[0] * log_alpha.shape[1])
    index = index.reshape(*log_alpha.shape[:2], 1) * posterior.shape[2] + paths.classes
    occupied, terms, nothing = xp.empty_like(log_alpha), _terms(emitted), xp.zeros_like(paths.last)
    now = paths.last
    for t in range(len(log_alpha) - 1, -1, -1):
        share = log_sum_exp_backward(xp, log_alpha[t] + now, log_likelihood[:, None])
        occupied[t] = xp.where(paths.going[t], share, nothing)
        left = now + emitted[t]
        terms[0] = left + paths.stay
        terms[1][:, :-1] = left[:, 1:]
        terms[2][:, :-2] = left[:, 2:] + paths.skip[:, 2:]
        now = xp.where(paths.going[t], log_sum_exp(xp, terms, 0), now)
    arrays.fill(posterior, 0)
    arrays.add_at(posterior.reshape(-1), index.reshape(-1), occupied.reshape(-1))


def _filled(like: Any) -> Any:
    filled = arrays.new(like, like.shape)
    arrays.fill(filled, NOTHING)
    return filled


def _terms(emitted: Any) -> Any:
    """Return memory for what reaches each place from itself and its two neighbours: (3, N, U)."""
    terms = arrays.new(emitted, (3, *emitted.shape[1:]))
    arrays.fill(terms, NOTHING)
    return terms
