"""The sum over all paths that spell a label sequence: CTC's forward and backward algorithms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward

__all__ = ["Paths", "ctc_backward", "ctc_forward", "ctc_paths"]


class Paths(NamedTuple):
    """What paths through the steps may spell: each label with a blank before it, and one behind the last.

    classes: (1, N, U) of these U = 2 L + 1 places. stay, skip: (N, U), 0 where a path may stay at a place, and where it
    may come from the one but last, else NOTHING. first, last: (N, U), 0 at the first and at the last blank. going:
    (T, N, 1), the steps that count.
    """

    classes: Any
    stay: Any
    skip: Any
    first: Any
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
    first, last = (places == place[:, None] for place in (0 * lengths, 2 * lengths))
    stay, skip, first, last = (
        arrays.from_numpy(np.where(mask, 0, NOTHING), like) for mask in (stay, skip, first, last)
    )
    going = arrays.from_numpy((np.arange(count)[:, None] < steps)[..., None], like) != 0
    return Paths(arrays.index_like(classes, like)[None], stay, skip, first, last, going)


def ctc_forward(
    xp: Any, log_p: Any, labels: Any, lengths: Any, steps: Any, blank: int, merge_repeated: bool = True
) -> tuple[Any, Any]:
    """Return (log p(label | x) (N,), kept): the sum over all paths; at most NOTHING / 2 where there is none.

    log_p: (T, N, C), log-probabilities of the classes. labels, lengths, steps, merge_repeated: see ctc_paths.
    kept: what ctc_backward needs.
    """
    if merge_repeated and fused.has_ctc(xp, log_p):
        return fused.ctc_forward(xp, log_p, labels, lengths, steps, blank)
    paths = ctc_paths(labels, lengths, steps, len(log_p), blank, log_p, merge_repeated)
    emitted = arrays.take_along(log_p, paths.classes, 2)
    log_alpha = log_sums(xp, emitted, paths)
    end = log_alpha[-1] if len(log_alpha) else paths.first
    ends = xp.hstack([end + paths.last, end[:, :-1] + paths.last[:, 1:]])  # at the last blank or the last label
    return log_sum_exp(xp, ends, 1), (paths, emitted, log_alpha)


def ctc_backward(xp: Any, log_p: Any, kept: Any, log_likelihood: Any, d_scores: Any) -> None:
    """Write the gradient of -log p(label | x): p - share of all paths that is at the class; 0 where there is none.

    log_p: the log-softmax of the scores.
    """
    if not isinstance(kept[0], Paths):
        fused.ctc_backward(xp, log_p, kept, log_likelihood, d_scores)
        return
    paths, emitted, log_alpha = kept
    skip = xp.zeros_like(paths.skip)
    skip[:, : skip.shape[1] - 2] = paths.skip[:, 2:]  # the same steps, backwards
    stay, skip, first = (xp.flip(array, (1,)) for array in (paths.stay, skip, paths.last))
    back = paths._replace(stay=stay, skip=skip, first=first, going=xp.flip(paths.going, (0,)))
    log_beta = xp.flip(log_sums(xp, xp.flip(emitted, (0, 2)), back), (0, 2))
    log_beta += log_alpha
    log_beta -= emitted  # which both have
    share = log_sum_exp_backward(xp, log_beta, log_likelihood[:, None])
    index = arrays.arange_like(paths.classes[:0].reshape(-1), share.shape[0] * share.shape[1])
    index = index.reshape(*share.shape[:2], 1) * log_p.shape[2] + paths.classes
    change = xp.exp(log_p)
    arrays.add_at(change.reshape(-1), index.reshape(-1), -share.reshape(-1))
    counts = paths.going & ~(log_likelihood <= NOTHING / 2)[:, None]
    d_scores[...] = xp.where(counts, change, xp.zeros_like(change[:1, :1, :1]))


def log_sums(xp: Any, emitted: Any, paths: Paths) -> Any:
    """Return log alpha (T, N, U): of all paths from the first blank on, the sum over those at a place after a step."""
    log_alpha, reaching = xp.empty_like(emitted), arrays.new(emitted, (3, *emitted.shape[1:]))
    arrays.fill(reaching, NOTHING)  # from the same place, the one before, and the one before that
    now = paths.first
    for t in range(len(emitted)):
        reaching[0] = now + paths.stay
        reaching[1][:, 1:] = now[:, :-1]
        reaching[2][:, 2:] = now[:, :-2] + paths.skip[:, 2:]
        largest = xp.maximum(xp.maximum(reaching[0], reaching[1]), reaching[2])
        parts = xp.exp(reaching - largest)
        arrived = xp.log(parts[0] + parts[1] + parts[2]) + largest  # in a third of log_sum_exp's time
        log_alpha[t] = xp.where(paths.going[t], arrived + emitted[t], now)
        now = log_alpha[t]
    return log_alpha
